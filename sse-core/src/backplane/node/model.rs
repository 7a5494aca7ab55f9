//! Every interleaving of following, loading, joining and what comes meanwhile, and of the outgoing queue, by a model
//! checker.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use loom::thread;
use tokio::time::Instant;

use super::{
    super::{
        Answer, Change, Entry, Epoch, Head, Keep, Loaded, Mark, NodeId, Position, Record, Topic,
    },
    error::BackplaneError,
    options::NodeOptions,
    outgoing::Outgoing,
    shown::Shown,
    sink::{After, Found, Sink, Waiter, Wanted},
    table::{News, Table},
};
use crate::{
    observe::Span,
    sync::{Arc, Mutex, lock, plain},
};

const EPOCH: Epoch = Epoch::new(7);

fn topic() -> Topic {
    Topic::new("pages/7").expect("a short name")
}

/// What the store has of the one topic, and the feed of the one node that follows it.
#[derive(Default)]
struct Store {
    records: Vec<Record>,
    followed: bool,
    feed: VecDeque<Fed>,
}

enum Fed {
    Record(Record),
    Mark(Position),
    Broke,
    Whole,
}

impl Store {
    fn last(&self) -> Position {
        self.records.last().map_or(Position::ZERO, |record| record.position)
    }

    fn append(&mut self) {
        let previous = self.last();
        let position = Position::new(previous.get() + 1);
        let change = Change::Event { body: Bytes::new(), once: None };
        let record = Record { topic: topic(), position, previous, change };
        self.records.push(record.clone());
        if self.followed {
            self.feed.push_back(Fed::Record(record));
        }
    }

    fn load(&self) -> Loaded {
        let last = self.last();
        let head = Head { last, newest: last, ..Head::default() };
        let head = (last != Position::ZERO).then_some(head);
        let (records, forgotten) = (self.records.clone(), Position::ZERO);
        Loaded { topic: topic(), head, records, forgotten, epoch: EPOCH }
    }
}

/// What came to the log, and how much of it was there when the one connection was planned.
#[derive(Default)]
struct Seen {
    log: plain::Mutex<Vec<u64>>,
    planned: plain::Mutex<Vec<usize>>,
}

impl Sink for Seen {
    fn wanted(&self, _: bool) -> Wanted {
        Wanted { after: Position::ZERO, events: usize::MAX, bytes: usize::MAX }
    }

    fn load(&self, found: Found, _: &mut After) {
        let records = found.loaded.records.into_iter().chain(found.aside);
        let known = plain::lock(&self.log).last().copied().unwrap_or(0);
        let positions = records.map(|record| record.position.get());
        plain::lock(&self.log).extend(positions.filter(|position| *position > known));
    }

    fn apply(&self, record: Record, _: &mut After) -> bool {
        plain::lock(&self.log).push(record.position.get());
        true
    }

    fn pause(&self) {}
    fn reset(&self, _: &mut After) {}
    fn unfollowed(&self) {}
    fn wake(&self) {}
}

impl Waiter for Seen {
    fn plan(&self, _: &mut After) {
        let there = plain::lock(&self.log).len();
        plain::lock(&self.planned).push(there);
    }

    fn refuse(&self, _: &mut After) {}
}

/// A node at a store, and the one who brings what is in the feed.
struct Model {
    store: Mutex<Store>,
    table: Mutex<Table>,
    /// One brings at a time, so that the order stays.
    turn: Mutex<()>,
    seen: Arc<Seen>,
}

impl Model {
    fn new() -> Arc<Self> {
        let mut table = Table::new(Arc::new(Shown::new()), NodeOptions::default());
        let mark = Mark { epoch: EPOCH, position: Position::ZERO };
        table.mark(mark, &mut News::default(), &mut After::default());
        Arc::new(Self {
            store: Mutex::new(Store::default()),
            table: Mutex::new(table),
            turn: Mutex::new(()),
            seen: Arc::default(),
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut Table, &mut News, &mut After) -> R) -> R {
        let (mut news, mut after) = (News::default(), After::default());
        let result = act(&mut lock(&self.table), &mut news, &mut after);
        after.run();
        result
    }

    fn feed(&self) {
        let turn = lock(&self.turn);
        loop {
            let Some(fed) = lock(&self.store).feed.pop_front() else { break };
            self.with(|table, news, after| match fed {
                Fed::Record(record) => table.records(EPOCH, vec![record], news, after),
                Fed::Mark(position) => table.mark(Mark { epoch: EPOCH, position }, news, after),
                Fed::Broke => table.broke(),
                Fed::Whole => table.whole(news),
            });
        }
        drop(turn);
    }

    fn publish(&self) {
        lock(&self.store).append();
        self.feed();
    }

    /// What was under way is lost, and a new connection brings what comes from then on.
    fn break_feed(&self) {
        lock(&self.store).feed = VecDeque::from([Fed::Broke, Fed::Whole]);
        self.feed();
    }

    /// The driver until there is nothing for it to do: what was loaded may have to be asked for once more.
    fn settle(&self) {
        self.feed();
        for _ in 0..3 {
            self.drive(false);
        }
    }

    fn connect(&self) {
        self.with(|table, news, _| {
            let seen = Arc::clone(&self.seen);
            table.join(&topic(), 0, || seen as _, news);
            let (waiter, now) = (Arc::clone(&self.seen) as _, Instant::now());
            table.wait(&[topic()], 0, false, waiter, now, news);
        });
    }

    /// One round of the driver. `load_first` is the order that loses.
    fn drive(&self, load_first: bool) {
        let early = load_first.then(|| lock(&self.store).load());
        let follow = self.with(|table, _, _| table.take_follows(9));
        if !follow.is_empty() {
            lock(&self.store).followed = true;
            self.with(|table, _, _| table.have_followed(follow, true, None));
        }
        if let Some(load) = self.with(|table, _, _| table.take_load(9)) {
            let found = early.unwrap_or_else(|| lock(&self.store).load());
            self.with(|table, news, after| table.have_loaded(load, vec![found], news, after));
        }
        if let Some(asking) = self.with(|table, _, _| table.take_asking()) {
            let position = {
                let mut store = lock(&self.store);
                let position = store.last();
                store.feed.push_back(Fed::Mark(position));
                position
            };
            self.feed();
            let mark = Some(Mark { epoch: EPOCH, position });
            self.with(|table, _, after| table.have_asked(asking, mark, after));
        }
    }
}

fn join_while_two_are_published(load_first: bool) {
    loom::model(move || {
        let model = Model::new();
        model.publish();
        model.connect();
        let publisher = Arc::clone(&model);
        let publisher = thread::spawn(move || {
            publisher.publish();
            publisher.publish();
        });
        model.drive(load_first);
        assert!(publisher.join().is_ok());
        model.settle();
        assert_eq!(*plain::lock(&model.seen.log), [1, 2, 3], "each once, in order");
        let planned = plain::lock(&model.seen.planned).clone();
        assert!(matches!(planned[..], [1..=3]), "once, with what was stored before: {planned:?}");
    });
}

#[test]
fn who_joins_a_log_misses_nothing_and_gets_nothing_twice() {
    join_while_two_are_published(false);
}

#[test]
#[should_panic(expected = "each once, in order")]
fn loading_before_following_loses_something_in_some_order() {
    join_while_two_are_published(true);
}

#[test]
fn a_feed_that_breaks_while_somebody_joins_loses_nothing() {
    loom::model(|| {
        let model = Model::new();
        model.publish();
        model.connect();
        let publisher = Arc::clone(&model);
        let publisher = thread::spawn(move || {
            publisher.publish();
            publisher.break_feed();
        });
        model.drive(false);
        assert!(publisher.join().is_ok());
        model.publish();
        model.settle();
        assert_eq!(*plain::lock(&model.seen.log), [1, 2, 3], "each once, in order");
        assert_eq!(plain::lock(&model.seen.planned).len(), 1, "once");
    });
}

#[test]
fn every_change_in_the_queue_is_answered_once_and_stored_in_the_order_of_its_sender() {
    loom::model(|| {
        let queue = Arc::new(Mutex::new(Outgoing::default()));
        let answered: Arc<plain::Mutex<Vec<usize>>> = Arc::default();
        let push = |queue: &Mutex<Outgoing>, answered: &Arc<plain::Mutex<Vec<usize>>>, number| {
            let told = Arc::clone(answered);
            let done = Box::new(move |answer: Result<Answer, BackplaneError>| {
                assert!(answer.is_ok());
                plain::lock(&told).push(number);
            });
            let keep = Keep { events: 1, bytes: 1, age: Duration::ZERO };
            let body = Bytes::from(vec![b'x'; number]);
            let change = Change::Event { body, once: None };
            let entry = Entry { topic: topic(), change, keep };
            let pushed = lock(queue).push(entry, None, done, Span::current());
            assert!(pushed.is_ok());
        };
        let (theirs, told) = (Arc::clone(&queue), Arc::clone(&answered));
        let sender = thread::spawn(move || {
            push(&theirs, &told, 1);
            push(&theirs, &told, 2);
        });
        let (theirs, told) = (Arc::clone(&queue), Arc::clone(&answered));
        let other = thread::spawn(move || push(&theirs, &told, 3));
        let mut stored = Vec::new();
        let next = || lock(&queue).next(NodeId::new(1));
        let store = |stored: &mut Vec<usize>| {
            while let Some(batch) = next() {
                stored.extend(batch.entries.iter().map(|entry| entry.change.bytes()));
                let told = lock(&queue).land();
                let answer = Answer::Stored(Position::new(1));
                told.into_iter().flatten().for_each(|done| done(Ok(answer)));
            }
        };
        store(&mut stored);
        assert!(sender.join().is_ok() && other.join().is_ok());
        store(&mut stored);
        assert_eq!(*plain::lock(&answered), stored, "answered as it was stored");
        let mut all = stored.clone();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
        let of_one: Vec<_> = stored.into_iter().filter(|number| *number < 3).collect();
        assert_eq!(of_one, [1, 2]);
    });
}
