//! What takes too long, or too much, for the suite of engines; and both logs of this crate side by side.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::*;
use crate::backplane::{
    Batch, Change, Claim, Claimed, DeadReason, Delivery, Entry, Epoch, EventKind, Fence, Keep,
    Letters, ListenerState, NodeId, Position, QueuedEvent, Registration, Since, Topic, Verdict,
    Want, memory::Log,
};

const NODE: NodeId = NodeId::new(1);
const HOUR: u64 = 60 * 60 * 1_000_000;
const DAY: u64 = 24 * HOUR;

/// A queue with its time and its positions, and one node that lives for ever.
struct World {
    rows: MemoryRows,
    now: u64,
    last: u64,
    bytes: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self { rows: MemoryRows::default(), now: DAY, last: 0, bytes: u64::MAX };
        world.queue().beat(NODE, Duration::MAX).unwrap();
        world
    }

    fn queue(&mut self) -> RowQueue<'_, MemoryRows> {
        RowQueue::new(&mut self.rows, self.now, Position::new(self.last), self.bytes)
    }

    fn register(&mut self, listener: &str) {
        let hears = vec!["paid".into()];
        let listener = Registration { listener: listener.into(), hears, since: Since::Now };
        self.queue().register(&[listener]).unwrap();
    }

    fn publish(&mut self, events: usize) {
        for _ in 0..events {
            self.last += 1;
            let position = Position::new(self.last);
            let event = QueuedEvent {
                kind: kind(),
                id: u128::from(self.last),
                head: Bytes::new(),
                body: Bytes::from_static(b"0123456789"),
            };
            self.queue().enqueue(position, &event).unwrap();
        }
    }

    fn claim(&mut self, listener: &str, count: usize) -> Vec<Delivery> {
        let kinds = vec![kind()];
        let claim = Claim { listener: listener.into(), kinds, count, ordered: false };
        match self.queue().claim(NODE, &[claim]).unwrap() {
            Claimed::Deliveries(deliveries) => deliveries.now,
            Claimed::Reaped => panic!("reaped"),
        }
    }

    fn settle(&mut self, delivery: &Delivery, verdict: Verdict) {
        let fence = Fence {
            listener: delivery.listener.clone(),
            position: delivery.position,
            owner: NODE,
            failures: delivery.failures,
            losses: delivery.losses,
        };
        assert_eq!(self.queue().settle(&[(fence, verdict)]).unwrap(), [true]);
    }

    /// Lets so much time pass, with a reaping now and then.
    fn pass(&mut self, time: u64) {
        for _ in 0..20 {
            self.now += time / 20;
            for _ in 0..20 {
                self.queue().reap(Duration::ZERO).unwrap();
            }
        }
    }

    /// How many events there are.
    fn events(&self) -> usize {
        self.rows.range(&[1], &[2], usize::MAX).unwrap().len()
    }
}

fn kind() -> EventKind {
    EventKind { name: "paid".into(), version: 1 }
}

#[test]
fn an_event_goes_when_all_are_done_with_it_and_its_window_is_over() {
    let mut world = World::new();
    world.register("mail");
    world.register("log");
    world.publish(10);
    for listener in ["mail", "log"] {
        for delivery in world.claim(listener, 9) {
            world.settle(&delivery, Verdict::Finished);
        }
    }
    let running = world.claim("mail", 1);
    world.pass(HOUR / 2);
    assert_eq!(world.events(), 10, "within the window");
    world.pass(HOUR);
    assert_eq!(world.events(), 1, "one runs, and one listener has not taken it");
    world.settle(&running[0], Verdict::Finished);
    world.pass(HOUR);
    assert_eq!(world.events(), 1);
    let last = world.claim("log", 9);
    let again = Duration::from_secs(10 * 3_600);
    world.settle(&last[0], Verdict::Failed { error: "no".into(), again });
    world.pass(2 * HOUR);
    assert_eq!(world.events(), 1, "it waits for another attempt");
    world.pass(8 * HOUR);
    let last = world.claim("log", 9);
    world.settle(&last[0], Verdict::Finished);
    world.pass(HOUR);
    assert_eq!(world.events(), 0);
}

#[test]
fn what_nobody_took_in_fourteen_days_is_a_dead_letter() {
    let mut world = World::new();
    world.register("mail");
    world.register("paused");
    world.publish(3);
    let taken = world.claim("mail", 2);
    let again = Duration::from_secs(90 * 24 * 3_600);
    world.settle(&taken[0], Verdict::Failed { error: "no".into(), again });
    world.pass(13 * DAY);
    for listener in ["mail", "paused"] {
        world.register(listener);
    }
    assert_eq!(world.events(), 3);
    world.pass(2 * DAY);
    assert_eq!(world.events(), 1, "what runs is left alone");
    let letters = world.queue().dead("mail", 0, 9).unwrap();
    let found: Vec<_> = letters.iter().map(|l| (l.event.id, l.failures, l.reason)).collect();
    assert_eq!(found, [(1, 1, DeadReason::Expired), (3, 0, DeadReason::Expired)]);
    assert_eq!(letters[0].errors, ["no".into()]);
    assert_eq!(world.queue().dead("paused", 0, 9).unwrap().len(), 2);
    world.settle(&taken[1], Verdict::Finished);
    world.pass(DAY);
    assert_eq!(world.events(), 0);
    assert!(world.claim("mail", 9).is_empty(), "and not given again");
    assert_eq!(world.queue().revive("mail", Letters::Oldest(9)).unwrap(), 2);
    assert_eq!(world.claim("mail", 9).len(), 2, "unless it is asked for");
}

#[test]
fn the_oldest_expire_where_there_are_too_many_bytes() {
    let mut world = World::new();
    world.bytes = 100;
    world.register("mail");
    world.publish(25);
    assert_eq!(world.events(), 10);
    assert_eq!(world.queue().dead("mail", 0, 99).unwrap().len(), 15);
    let left: Vec<_> = world.claim("mail", 99).iter().map(|d| d.event.id).collect();
    assert_eq!(left, (16..=25).collect::<Vec<_>>());
}

#[test]
fn a_listener_that_nobody_has_is_retired_after_fourteen_days() {
    let mut world = World::new();
    world.register("gone");
    world.register("claims");
    for _ in 0..15 {
        world.claim("claims", 1);
        world.pass(DAY);
    }
    let stats = world.queue().stats().unwrap();
    let states: Vec<_> = stats.iter().map(|stats| (&*stats.listener, stats.state)).collect();
    assert_eq!(states, [("gone", ListenerState::Retired), ("claims", ListenerState::Active)]);
    world.publish(1);
    world.pass(2 * HOUR);
    assert_eq!(world.claim("gone", 9).len(), 0);
    world.register("gone");
    world.publish(1);
    assert_eq!(world.claim("gone", 9).len(), 1);
}

#[test]
fn held_events_and_letters_are_bounded() {
    let mut world = World::new();
    world.register("mail");
    world.publish(MAX_HELD + 10);
    let mut taken = Vec::new();
    loop {
        let more = world.claim("mail", MAX_CLAIM + 1);
        assert!(more.len() <= MAX_CLAIM);
        if more.is_empty() {
            break;
        }
        taken.extend(more);
    }
    assert_eq!(taken.len(), MAX_HELD);
    let error: Arc<str> = "no".into();
    let dead = || Verdict::Dead { error: error.clone(), reason: DeadReason::GivenUp };
    for delivery in &taken {
        world.settle(delivery, dead());
    }
    for delivery in world.claim("mail", 99) {
        world.settle(&delivery, dead());
    }
    let letters = world.queue().dead("mail", 0, usize::MAX).unwrap();
    assert_eq!((letters.len(), letters[0].event.id), (MAX_LETTERS, 11), "the oldest went");
    assert_eq!(world.queue().stats().unwrap()[0].dead, MAX_LETTERS);
    world.pass(13 * DAY);
    world.register("mail");
    world.pass(13 * DAY);
    world.register("mail");
    world.pass(8 * DAY);
    assert_eq!(world.queue().stats().unwrap()[0].dead, 0, "and thirty days are enough");
}

const LIMITS: Limits =
    Limits { topics: 1_000, bytes: 1_000_000, queue_bytes: 1_000_000, nodes: 3, once_keys: 100 };

fn batch(node: u128, number: u64, entries: Vec<Entry>) -> Batch {
    Batch { node: NodeId::new(node), number, entries: entries.into() }
}

fn entry(topic: &str, body: &[u8], keep: Keep) -> Entry {
    let change = Change::Event { body: Bytes::copy_from_slice(body), once: None };
    Entry { topic: Topic::new(topic).unwrap(), change, keep }
}

fn want(topic: &str) -> Want {
    let topic = Topic::new(topic).unwrap();
    Want { topic, after: Position::ZERO, events: usize::MAX, bytes: usize::MAX }
}

#[test]
fn a_log_that_holds_too_much_forgets_whole_topics_and_says_up_to_where() {
    let keep = Keep { events: 10, bytes: 1_000_000, age: Duration::from_secs(60) };
    let mut rows = MemoryRows::default();
    let limits = Limits { topics: 4, bytes: 2_500, ..LIMITS };
    let mut forgotten = Position::ZERO;
    for number in 1..=10 {
        let mut log = RowLog::open(&mut rows, number * 1_000, Epoch::new(1), limits).unwrap();
        let large = entry(&format!("topic{number}"), &[0; 600], keep);
        log.append(&batch(1, number, vec![large])).unwrap();
        log.finish().unwrap();
        let wants: Vec<_> = (1..=number).map(|n| want(&format!("topic{n}"))).collect();
        let loaded = RowLog::load(&rows, &wants).unwrap();
        let known: Vec<_> = loaded.iter().filter_map(|loaded| loaded.head).collect();
        assert!(known.len() <= 4 && known.len() as u64 >= number.min(4));
        assert!(loaded[0].forgotten >= forgotten);
        forgotten = loaded[0].forgotten;
        let newest = known.iter().map(|head| head.newest).min().unwrap();
        assert!(newest > forgotten, "what is known is later than what is forgotten");
    }
    assert_eq!(forgotten, Position::new(6_000));
}

#[test]
fn of_so_many_nodes_the_newest_batch_is_known() {
    let keep = Keep { events: 10, bytes: 1_000, age: Duration::from_secs(60) };
    let mut rows = MemoryRows::default();
    let mut log = RowLog::open(&mut rows, 1_000, Epoch::new(1), LIMITS).unwrap();
    for (node, number) in [(1, 5), (2, 5), (3, 5), (1, 6), (4, 5)] {
        log.append(&batch(node, number, vec![entry("topic", b"x", keep)])).unwrap();
    }
    log.append(&batch(1, 5, vec![])).unwrap_err();
    log.append(&batch(3, 4, vec![])).unwrap_err();
    log.append(&batch(2, 4, vec![entry("topic", b"forgotten", keep)])).unwrap();
}

/// The log over rows and the log of memory: the same calls at the same times have the same answers, heads and newest events.
#[test]
fn both_logs_of_this_crate_do_the_same() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Keys are remembered for an hour or somewhat longer: who uses them sees no end of a head.
        let with_once = seed % 2 == 0;
        let mut rows = MemoryRows::default();
        let mut memory = Log::new(Epoch::new(1));
        let mut now = DAY;
        for number in 1..300 {
            now += random.u64(..if with_once { 10_000_000 } else { 200_000_000 });
            let entries = (0..random.usize(1..5))
                .map(|_| {
                    let keep = Keep {
                        events: random.usize(..6),
                        bytes: random.usize(..200),
                        age: Duration::from_secs(random.u64(1..400)),
                    };
                    let once = (with_once && random.bool()).then(|| random.u8(..20).to_string());
                    let change = match random.u8(..12) {
                        0 => Change::Complete,
                        1 => Change::Forget,
                        2 => Change::Disconnect,
                        3 => Change::Claim { holder: random.u64(..) },
                        _ => Change::Event {
                            body: vec![7; random.usize(..90)].into(),
                            once: once.map(Into::into),
                        },
                    };
                    let topic = Topic::new(format!("topic{}", random.u8(..4))).unwrap();
                    Entry { topic, change, keep }
                })
                .collect();
            let batch = batch(random.u128(1..3), number, entries);
            let mut log = RowLog::open(&mut rows, now, Epoch::new(1), LIMITS).unwrap();
            let appended = log.append(&batch).unwrap();
            log.sweep().unwrap();
            assert_eq!(log.mark(), {
                let expected = memory.append(&batch, now).unwrap();
                assert_eq!(appended.answers, expected.answers, "seed {seed}, batch {number}");
                assert_eq!(appended.records, expected.records, "seed {seed}, batch {number}");
                memory.sweep(now);
                memory.mark()
            });
            log.finish().unwrap();
            for index in 0..4 {
                let want = want(&format!("topic{index}"));
                let expected = memory.load(&want);
                let found = RowLog::load(&rows, std::slice::from_ref(&want)).unwrap().remove(0);
                assert_eq!(found.head, expected.head, "seed {seed}, batch {number}");
                assert_eq!(found.forgotten, expected.forgotten);
                // The log over rows deletes in steps.
                let more = found.records.len().checked_sub(expected.records.len()).unwrap();
                assert_eq!(found.records[more..], expected.records, "seed {seed}");
            }
        }
    }
}
