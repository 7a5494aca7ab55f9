//! What the engine and its faults do, one after the other.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;

use super::*;
use crate::backplane::{
    Answer, Batch, Beat, Change, Claim, Claimed, Delivery, Engine, EngineErrorKind, Entry, Epoch,
    EventKind, Feed, FeedItem, Fence, Keep, NodeId, Position, Queue, QueuedEvent, Registration,
    Since, Topic, Verdict, Want,
};

const KEEP: Keep = Keep { events: 10, bytes: 1_000, age: Duration::from_secs(60) };

/// One node, with what its feed brought.
struct Peer {
    engine: MemoryEngine,
    heard: Arc<Mutex<Vec<FeedItem>>>,
    id: NodeId,
    batch: u64,
}

impl Peer {
    async fn join(store: &MemoryStore) -> Self {
        let engine = store.engine();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let feed = heard.clone();
        engine.start(Feed::new(move |item| feed.lock().unwrap().push(item))).await.unwrap();
        engine.follow(vec![topic()]).await.unwrap();
        Self { engine, heard, id: NodeId::random(), batch: 0 }
    }

    fn next(&mut self, body: &str) -> Batch {
        self.batch += 1;
        let change = Change::Event { body: Bytes::copy_from_slice(body.as_bytes()), once: None };
        let entries = [Entry { topic: topic(), change, keep: KEEP }].into();
        Batch { node: self.id, number: self.batch, entries }
    }

    async fn send(&mut self, body: &str) -> u64 {
        let batch = self.next(body);
        let [Answer::Stored(position)] = self.engine.append(batch).await.unwrap()[..] else {
            panic!("not stored")
        };
        position.get()
    }

    /// What came since the last call: bodies, and the names of other items.
    fn heard(&self) -> String {
        let mut words = Vec::new();
        for item in self.heard.lock().unwrap().drain(..) {
            match item {
                FeedItem::Records { records, .. } => {
                    words.extend(records.iter().map(|record| match &record.change {
                        Change::Event { body, .. } => String::from_utf8_lossy(body).into_owned(),
                        other => format!("{other:?}"),
                    }));
                }
                FeedItem::Mark(_) => words.push("Mark".into()),
                other => words.push(format!("{other:?}")),
            }
        }
        words.join(" ")
    }
}

fn topic() -> Topic {
    Topic::new("orders").unwrap()
}

fn want() -> Want {
    Want { topic: topic(), after: Position::ZERO, events: 100, bytes: 10_000 }
}

#[tokio::test(start_paused = true)]
async fn the_same_calls_give_the_same_positions() {
    async fn run() -> Vec<u64> {
        let store = MemoryStore::fixed(Epoch::new(1), Duration::from_secs(1));
        let mut node = Peer::join(&store).await;
        let mut positions = vec![node.send("a").await, node.send("b").await];
        tokio::time::advance(Duration::from_secs(1)).await;
        store.faults().set_clock_back(Duration::from_secs(2));
        positions.push(node.send("c").await);
        positions
    }
    assert_eq!(run().await, [1_000_000, 1_000_001, 1_000_002]);
    assert_eq!(run().await, run().await);
}

#[tokio::test(start_paused = true)]
async fn a_broken_feed_says_so_and_repeats_when_told_to() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    let faults = node.engine.faults();
    node.send("a").await;
    node.send("b").await;
    faults.break_feed();
    node.send("c").await;
    faults.mend(Mend { repeat: 9, newest_first: true });
    node.send("d").await;
    assert_eq!(node.heard(), "a b Broke b a Whole d");
}

#[tokio::test(start_paused = true)]
async fn a_deaf_feed_hears_no_mark_until_it_is_restarted() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    node.engine.faults().deafen();
    node.send("a").await;
    node.engine.mark().await.unwrap();
    assert_eq!(node.heard(), "");
    node.engine.restart_feed();
    node.send("b").await;
    assert_eq!(node.heard(), "Broke Whole b");
    let changed = node.engine.changed(Position::ZERO, 9).await.unwrap();
    assert_eq!(changed[0].0, topic(), "what was lost is found");
}

#[tokio::test(start_paused = true)]
async fn items_are_lost_and_kept_back_as_told() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    let faults = node.engine.faults();
    faults.lose(1);
    node.send("a").await;
    faults.hold_feed();
    node.send("b").await;
    node.engine.mark().await.unwrap();
    assert_eq!(node.heard(), "");
    faults.release_feed();
    assert_eq!(node.heard(), "b Mark");
}

#[tokio::test(start_paused = true)]
async fn an_append_that_failed_after_storing_is_not_stored_again() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    let faults = node.engine.faults();
    faults.fail_appends_before_storing(1);
    faults.fail_appends_after_storing(1);
    let batch = node.next("a");
    for _ in 0..2 {
        let error = node.engine.append(batch.clone()).await.unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::Unavailable);
    }
    node.engine.append(batch).await.unwrap();
    assert_eq!(node.heard(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_lost_tail_is_gone_with_its_answers_and_its_positions_stay_given() {
    let store = MemoryStore::fixed(Epoch::new(1), Duration::from_secs(1));
    let mut node = Peer::join(&store).await;
    node.send("a").await;
    let snapshot = store.faults().snapshot();
    let lost = node.send("b").await;
    store.faults().restore(&snapshot);
    assert_eq!(node.engine.mark().await.unwrap().position, Position::new(lost - 1));
    node.batch -= 1;
    assert_eq!(node.send("c").await, lost + 1);
    assert_eq!(node.heard(), "a b Broke Whole Mark c");
    let loaded = node.engine.load(vec![want()]).await.unwrap();
    assert_eq!(loaded[0].records[1].previous, Position::new(lost - 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_is_told_by_the_next_record_and_nothing_else() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    node.send("a").await;
    node.heard();
    store.faults().new_epoch(Epoch::new(7));
    let loaded = node.engine.load(vec![want()]).await.unwrap();
    assert_eq!((loaded[0].head, loaded[0].epoch), (None, Epoch::new(7)));
    node.send("b").await;
    let heard = node.heard.lock().unwrap();
    assert!(matches!(heard[..], [FeedItem::Records { epoch, .. }] if epoch == Epoch::new(7)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_answers_what_it_read() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    node.engine.faults().slow_loads(Duration::from_secs(1));
    let load = node.engine.load(vec![want()]);
    let mut other = Peer::join(&store).await;
    other.send("a").await;
    assert_eq!(load.await.unwrap()[0].head, None);
    node.engine.faults().slow_loads(Duration::ZERO);
    node.engine.faults().fail_loads(1);
    node.engine.load(vec![want()]).await.unwrap_err();
    assert_eq!(node.send("b").await, node.engine.mark().await.unwrap().position.get());
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_not_emptied_is_bounded_and_says_that_it_lost() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    node.engine.faults().hold_feed();
    for _ in 0..MAX_FEED_ITEMS + 10 {
        node.engine.mark().await.unwrap();
    }
    node.send("lost").await;
    node.engine.faults().release_feed();
    node.send("a").await;
    let heard = node.heard.lock().unwrap();
    assert_eq!(heard.len(), MAX_FEED_ITEMS + 3);
    let end = &heard[MAX_FEED_ITEMS..];
    assert!(matches!(end, [FeedItem::Broke, FeedItem::Whole, FeedItem::Records { .. }]));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_appends_by_itself_is_called_one_item_after_the_other() {
    let store = MemoryStore::new();
    let engine = Arc::new(store.engine());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let feed = Feed::new({
        let (engine, heard) = (Arc::downgrade(&engine), heard.clone());
        move |item| {
            let FeedItem::Records { records, .. } = item else { return };
            heard.lock().unwrap().push(records[0].position);
            let number = heard.lock().unwrap().len() as u64 + 1;
            if let (Some(engine), true) = (engine.upgrade(), number < 5) {
                let change = Change::Disconnect;
                let entries = [Entry { topic: topic(), change, keep: KEEP }].into();
                drop(engine.append(Batch { node: NodeId::new(1), number, entries }));
            }
        }
    });
    engine.start(feed).await.unwrap();
    engine.follow(vec![topic()]).await.unwrap();
    let mut other = Peer::join(&store).await;
    other.send("a").await;
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 4);
    assert!(heard.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_goes_in_steps_and_its_floor_stays() {
    let store = MemoryStore::new();
    let mut node = Peer::join(&store).await;
    let last = node.send("a").await;
    tokio::time::advance(Duration::from_secs(61)).await;
    let loaded = node.engine.load(vec![want()]).await.unwrap();
    assert_eq!(loaded[0].head.unwrap().newest.get(), last, "its head is still there");
    assert!(loaded[0].records.is_empty());
    assert_eq!(loaded[0].forgotten, Position::ZERO);
    tokio::time::advance(Duration::from_secs(60 + 600)).await;
    let loaded = node.engine.load(vec![want()]).await.unwrap();
    assert_eq!((loaded[0].head, loaded[0].forgotten.get()), (None, last));
}

fn kind() -> EventKind {
    EventKind { name: "paid".into(), version: 1 }
}

impl Peer {
    fn queue(&self) -> &dyn Queue {
        self.engine.queue().unwrap()
    }

    /// A node with a lease, a listener, and an event for it.
    async fn at_work(store: &MemoryStore) -> Self {
        let mut node = Self::join(store).await;
        node.queue().beat(node.id, Duration::from_secs(10)).await.unwrap();
        let hears = vec!["paid".into()];
        let mail = Registration { listener: "mail".into(), hears, since: Since::Now };
        node.queue().register(vec![mail]).await.unwrap();
        let event = QueuedEvent { kind: kind(), id: 1, head: Bytes::new(), body: Bytes::new() };
        let mut batch = node.next("");
        batch.entries =
            [Entry { topic: topic(), change: Change::Enqueue(event), keep: KEEP }].into();
        node.engine.append(batch).await.unwrap();
        node
    }

    async fn claim(&self) -> Vec<Delivery> {
        let kinds = vec![kind()];
        let claims = vec![Claim { listener: "mail".into(), kinds, count: 9, ordered: false }];
        match self.queue().claim(self.id, claims).await.unwrap() {
            Claimed::Deliveries(deliveries) => deliveries.now,
            Claimed::Reaped => panic!("reaped"),
        }
    }

    fn finished(&self, delivery: &Delivery) -> Vec<(Fence, Verdict)> {
        let Delivery { listener, position, failures, losses, .. } = delivery.clone();
        vec![(Fence { listener, position, owner: self.id, failures, losses }, Verdict::Finished)]
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_result_is_there_or_not_as_told() {
    let store = MemoryStore::new();
    let node = Peer::at_work(&store).await;
    let taken = node.claim().await;
    let faults = node.engine.faults();
    faults.fail_settles_before_storing(1);
    faults.fail_settles_after_storing(1);
    let verdicts = node.finished(&taken[0]);
    node.queue().settle(verdicts.clone()).await.unwrap_err();
    assert_eq!(node.queue().stats().await.unwrap()[0].running, 1);
    node.queue().settle(verdicts.clone()).await.unwrap_err();
    assert_eq!(node.queue().stats().await.unwrap()[0].running, 0);
    assert_eq!(node.queue().settle(verdicts).await.unwrap(), [false], "it was done");
}

#[tokio::test(start_paused = true)]
async fn frozen_renewals_cost_the_lease() {
    let store = MemoryStore::new();
    let (node, other) = (Peer::at_work(&store).await, Peer::join(&store).await);
    let taken = node.claim().await;
    node.engine.faults().freeze_renewals(true);
    let beat = || node.queue().beat(node.id, Duration::from_secs(10));
    beat().await.unwrap_err();
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(other.queue().reap(Duration::ZERO).await.unwrap(), 1);
    node.engine.faults().freeze_renewals(false);
    assert_eq!(beat().await.unwrap(), Beat::Reaped);
    assert_eq!(node.queue().settle(node.finished(&taken[0])).await.unwrap(), [false]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_expires_when_told_to() {
    let store = MemoryStore::new();
    let (node, other) = (Peer::at_work(&store).await, Peer::join(&store).await);
    assert_eq!(node.claim().await.len(), 1);
    assert_eq!(other.queue().reap(Duration::ZERO).await.unwrap(), 0);
    store.faults().expire_lease(node.id);
    assert_eq!(other.queue().reap(Duration::ZERO).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn bells_are_lost_when_told_to() {
    let store = MemoryStore::new();
    let node = Peer::at_work(&store).await;
    assert_eq!(node.heard(), "Bell Bell", "of the registration, and of the event");
    node.engine.faults().lose_bells(true);
    node.queue().register(Vec::new()).await.unwrap();
    assert_eq!(node.heard(), "");
}
