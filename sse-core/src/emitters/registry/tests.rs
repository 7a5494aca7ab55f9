//! What the registry keeps, and what it forgets.

use bytes::Bytes;

use super::{super::table::SHARDS, sweep::PAUSE, *};
use crate::{
    emitter::ConnSettings,
    log::{History, Offset, RECORD_COST, clock},
};

fn record(at: Instant) -> Record {
    let offset: Offset = clock::next();
    Record {
        offset,
        position: offset.into(),
        frame: Bytes::from_static(b"data:x\n\n"),
        name: None,
        own_id: None,
        at,
    }
}

/// All shards, used as the hub does, with the key as its own hash: keys beside each other are in different shards.
struct All(Shards<u8>);

fn registry() -> All {
    All(Shards::new(Arc::new(Table::new()), false, patience(None), clock::next().into()))
}

impl All {
    fn of(&self, key: u8) -> Locked<'_, u8> {
        self.0.lock(hash(key))
    }

    fn table(&self) -> Arc<Table<u8>> {
        Arc::clone(&self.of(0).table)
    }

    fn sweep(&self, bounds: &Bounds, now: Instant) {
        self.0.each().for_each(|mut shard| shard.sweep(bounds, now));
    }

    fn next_sweep(&self, bounds: &Bounds, now: Instant) -> Option<Instant> {
        self.0.each().filter_map(|shard| shard.next_sweep(bounds, now)).min()
    }

    fn beside(&self) -> usize {
        self.of(0).totals.used_beside()
    }

    fn bytes(&self) -> usize {
        self.of(0).totals.used_by_records()
    }
}

fn hash(key: u8) -> u64 {
    u64::from(key) << 32 | u64::from(key)
}

fn get(all: &All, key: u8) -> Option<Arc<Topic<u8>>> {
    let candidates = all.table().candidates(hash(key))?;
    candidates.topics().iter().find(|topic| topic.key == key).map(Arc::clone)
}

fn get_or_create(all: &All, key: u8) -> Arc<Topic<u8>> {
    get(all, key).unwrap_or_else(|| {
        let topic = Arc::new(Topic::new(key, hash(key), None));
        assert!(all.of(key).add(None, &topic));
        topic
    })
}

fn send(all: &All, key: u8, bounds: &Bounds, at: Instant) {
    let topic = get_or_create(all, key);
    all.of(key).append(&topic, record(at), bounds);
    all.0.relieve(bounds, at);
}

fn join(all: &All, key: u8) -> (Arc<Topic<u8>>, ReaderId) {
    let topic = get_or_create(all, key);
    let id = {
        let mut log = topic.log();
        let end = log.end();
        log.join(Arc::new(Conn::new(ConnSettings::default())), end)
    };
    all.of(key).joined(&topic);
    (topic, id)
}

#[test]
fn the_oldest_of_any_key_goes_when_all_together_are_too_many() {
    let (all, now) = (registry(), Instant::now());
    let bounds = Bounds { total_events: 2, ..Bounds::default() };
    [1, 2, 3, 5, 4, 8].iter().for_each(|key| send(&all, *key, &bounds, now));
    let kept = [1, 2, 3, 4, 5, 8].map(|key| !get_or_create(&all, key).log().is_empty());
    assert_eq!(kept, [false, false, false, true, false, true]);
    assert_eq!(all.0.events(), 2);
}

#[test]
fn bytes_of_all_keys_are_bounded_with_the_cost_of_each_record() {
    let (all, now) = (registry(), Instant::now());
    let one = RECORD_COST + 8;
    let kept = size_of::<Kept<u8>>();
    let bounds = Bounds { total_bytes: 2 * (one + kept) + 64, ..Bounds::default() };
    // Keys with connections are not counted: those have to be there.
    let _connected = [1, 2, 3].map(|key| join(&all, key));
    [1, 2, 3].iter().for_each(|key| send(&all, *key, &bounds, now));
    assert_eq!((all.0.events(), all.bytes()), (2, 2 * one));
}

#[test]
fn a_key_without_connection_and_history_is_forgotten_in_time() {
    let (all, now) = (registry(), Instant::now());
    let bounds = Bounds { history: History::none(), ..Bounds::default() };
    send(&all, 7, &bounds, now);
    all.sweep(&bounds, now + MEMORY_AGE - Duration::from_millis(1));
    assert!(get(&all, 7).is_some(), "it is remembered where it ended");
    all.sweep(&bounds, now + MEMORY_AGE);
    assert!(get(&all, 7).is_none());
    assert!(all.of(7).forgotten > Position::ZERO);
}

#[test]
fn a_key_that_never_had_anything_is_forgotten_with_its_last_connection() {
    let (all, now) = (registry(), Instant::now());
    let (topic, id) = join(&all, 7);
    all.of(7).leave(&topic, id, &Bounds::default(), now);
    assert!(get(&all, 7).is_none());
    assert_eq!((all.0.connections(), all.of(7).forgotten), (0, Position::ZERO));
}

#[test]
fn a_forgotten_key_with_connections_stays_without_its_history() {
    let (all, now) = (registry(), Instant::now());
    let (topic, _) = join(&all, 7);
    send(&all, 7, &Bounds::default(), now);
    all.of(7).forget(&topic, now);
    assert!(get(&all, 7).is_some_and(|known| Arc::ptr_eq(&known, &topic)));
    assert_eq!((all.0.events(), all.bytes()), (0, 0));
}

#[test]
fn the_next_sweep_is_when_the_oldest_is_too_old_and_never_at_once() {
    let (all, now) = (registry(), Instant::now());
    let bounds = Bounds::default();
    assert_eq!(all.next_sweep(&bounds, now), None);
    send(&all, 7, &bounds, now);
    assert!(all.of(7).is_earlier, "whoever adds it has to plan");
    let age = bounds.history.age;
    assert_eq!(all.next_sweep(&bounds, now), Some(now + age));
    let late = now + 2 * age;
    assert_eq!(all.next_sweep(&bounds, late), Some(late + PAUSE));
}

#[test]
fn keys_that_nobody_is_connected_to_are_counted_with_what_they_keep() {
    let (all, now) = (registry(), Instant::now());
    let each = Topic::<u8>::COST + RECORD_COST + 8;
    let bounds = Bounds { total_bytes: 10 * each, ..Bounds::default() };
    (0..200).for_each(|key| send(&all, key, &bounds, now));
    assert!(all.0.used() <= bounds.total_bytes, "{}", all.0.used());
    assert!(all.0.events() > 0 && all.table().len() < 30, "{}", all.table().len());
}

#[test]
fn keys_with_connections_are_listed_as_long_as_they_have_one() {
    let (all, now) = (registry(), Instant::now());
    let (one, other) = (join(&all, 1), join(&all, 1));
    send(&all, 2, &Bounds::default(), now);
    let listed = |all: &All| {
        let of_shard = |shard: Locked<'_, u8>| shard.connected_after(0, 9).0;
        all.0.each().flat_map(of_shard).map(|topic| topic.key).collect::<Vec<_>>()
    };
    assert_eq!(listed(&all), [1]);
    all.of(1).leave(&one.0, one.1, &Bounds::default(), now);
    assert_eq!(listed(&all), [1]);
    all.of(1).leave(&other.0, other.1, &Bounds::default(), now);
    assert!(listed(&all).is_empty());
}

#[test]
fn places_of_dropped_events_are_few_and_counted() {
    let (all, now) = (registry(), Instant::now());
    let bounds = Bounds { history: History::events(1), ..Bounds::default() };
    let (topic, id) = join(&all, 7);
    (0..1100).for_each(|_| send(&all, 7, &bounds, now));
    assert!(all.beside() > 0);
    all.of(7).leave(&topic, id, &bounds, now);
    (0..1100).for_each(|_| send(&all, 7, &bounds, now));
    let places = all.beside() - size_of::<Log<Conn>>();
    assert!((64 * 8..=128 * 8).contains(&places), "{places}");
    all.of(7).forget(&topic, now);
    assert_eq!((all.beside(), all.bytes()), (0, 0));
}

/// Begins an event to all, as the hub does.
fn begin_to_all(all: &All, now: Instant) -> Position {
    all.0.begin_to_all(|| {
        let record = record(now);
        let position = record.position;
        (record, position)
    })
}

/// How many of the keys in this shard get it now; `None` once all have it.
fn go_on(all: &All, key: u8, count: usize) -> Option<usize> {
    all.of(key).go_on_to_all(count, &Bounds::default()).ok().map(|readers| readers.len())
}

#[test]
fn an_event_to_all_comes_to_a_key_before_what_is_sent_there_while_it_is_on_its_way() {
    let (all, now, bounds) = (registry(), Instant::now(), Bounds::default());
    // Five keys in one shard, and one in another.
    let joined: Vec<_> = (0..5).map(|key| join(&all, key * SHARDS as u8)).collect();
    join(&all, 1);
    let position = begin_to_all(&all, now);
    assert_eq!(go_on(&all, 0, 2), Some(2));
    let last = &joined[4].0;
    let newest = {
        let mut shard = all.0.lock(last.hash);
        shard.help(last, &bounds);
        let turn = shard.begin();
        let newer = record(now);
        let newest = newer.position;
        shard.append(last, newer, &bounds);
        turn.stands_at(newest);
        newest
    };
    assert_eq!((all.0.newest(), all.0.complete()), (newest, position.before()));
    assert_eq!((go_on(&all, 0, 9), go_on(&all, 0, 9)), (Some(3), None));
    assert_eq!((go_on(&all, 1, 9), go_on(&all, 1, 9)), (Some(1), None));
    all.0.end_to_all();
    assert_eq!(all.0.complete(), newest);
    assert_eq!(all.0.events(), 7, "each key has it once");
    let log = last.log();
    assert!(log.holds_position(position) && log.newest() == newest);
}

#[test]
fn who_comes_or_completes_while_an_event_to_all_is_on_its_way_does_not_get_it() {
    let (all, now, bounds) = (registry(), Instant::now(), Bounds::default());
    let (complete, _) = join(&all, 1);
    complete.log().complete(clock::next().into());
    begin_to_all(&all, now);
    let (late, _) = join(&all, 1 + SHARDS as u8);
    assert_eq!(go_on(&all, 1, 9), Some(0));
    let those_after = all.of(1).go_on_to_all(9, &bounds).unwrap_err();
    assert_eq!(those_after, 1, "those after it are to be woken");
    assert!(complete.log().is_empty() && late.log().is_empty());
}

#[test]
fn who_wants_to_know_up_to_where_all_is_complete_waits_for_who_gives_a_position() {
    let all = registry();
    let all = &all;
    let shard = all.of(1);
    let turn = shard.begin();
    let given: Position = clock::next().into();
    // In another shard a later one is through already.
    {
        let other = all.of(2);
        other.begin().stands_at(clock::next().into());
    }
    let appended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let asks = threads.spawn(|| {
            let complete = all.0.complete();
            assert!(appended.load(Ordering::SeqCst), "it did not wait");
            complete
        });
        std::thread::sleep(Duration::from_millis(50));
        appended.store(true, Ordering::SeqCst);
        turn.stands_at(given);
        drop(shard);
        assert!(asks.join().is_ok_and(|complete| complete > given));
    });
}

#[test]
fn the_shortest_and_the_longest_age_can_be_reckoned_with() {
    for (age, kept) in [(Duration::ZERO, 0), (Duration::MAX, 1)] {
        let (all, now) = (registry(), Instant::now());
        let bounds = Bounds { history: History::events(9).age(age), ..Bounds::default() };
        send(&all, 7, &bounds, now);
        all.sweep(&bounds, now + MEMORY_AGE);
        assert_eq!(all.0.events(), kept);
        assert_eq!(all.next_sweep(&bounds, now), None);
    }
}
