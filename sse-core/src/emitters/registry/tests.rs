//! What the registry keeps, and what it forgets.

use bytes::Bytes;

use super::{sweep::PAUSE, *};
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

fn registry() -> Registry<u8> {
    Registry::new(Arc::new(Table::new()), false, false)
}

/// What the hub does, with the key as its own hash.
fn get(registry: &Registry<u8>, key: u8) -> Option<Arc<Topic<u8>>> {
    let candidates = registry.table.candidates(key.into())?;
    candidates.topics().iter().find(|topic| topic.key == key).map(Arc::clone)
}

fn get_or_create(registry: &mut Registry<u8>, key: u8) -> Arc<Topic<u8>> {
    get(registry, key).unwrap_or_else(|| {
        let topic = Arc::new(Topic::new(key, key.into(), None));
        assert!(registry.add(None, &topic));
        topic
    })
}

fn send(registry: &mut Registry<u8>, key: u8, bounds: &Bounds, at: Instant) {
    let topic = get_or_create(registry, key);
    registry.append(&topic, record(at), bounds);
}

fn join(registry: &mut Registry<u8>, key: u8) -> (Arc<Topic<u8>>, ReaderId) {
    let topic = get_or_create(registry, key);
    let id = {
        let mut log = lock(&topic.log);
        let end = log.end();
        log.join(Arc::new(Conn::new(ConnSettings::default())), end)
    };
    registry.joined(&topic);
    (topic, id)
}

#[test]
fn the_oldest_of_any_key_goes_when_all_together_are_too_many() {
    let (mut registry, now) = (registry(), Instant::now());
    let bounds = Bounds { total_events: 2, ..Bounds::default() };
    [1, 2, 3].iter().for_each(|key| send(&mut registry, *key, &bounds, now));
    let kept = [1, 2, 3].map(|key| !lock(&get_or_create(&mut registry, key).log).is_empty());
    assert_eq!(kept, [false, true, true]);
    assert_eq!(registry.events, 2);
}

#[test]
fn bytes_of_all_keys_are_bounded_with_the_cost_of_each_record() {
    let (mut registry, now) = (registry(), Instant::now());
    let one = RECORD_COST + 8;
    let bounds = Bounds { total_bytes: 2 * one + 64, ..Bounds::default() };
    // Keys with connections are not counted: those have to be there.
    let _connected = [1, 2, 3].map(|key| join(&mut registry, key));
    [1, 2, 3].iter().for_each(|key| send(&mut registry, *key, &bounds, now));
    assert_eq!((registry.events, registry.bytes), (2, 2 * one));
}

#[test]
fn a_key_without_connection_and_history_is_forgotten_in_time() {
    let (mut registry, now) = (registry(), Instant::now());
    let bounds = Bounds { history: History::none(), ..Bounds::default() };
    send(&mut registry, 7, &bounds, now);
    registry.sweep(&bounds, now + MEMORY_AGE - Duration::from_millis(1));
    assert!(get(&registry, 7).is_some(), "it is remembered where it ended");
    registry.sweep(&bounds, now + MEMORY_AGE);
    assert!(get(&registry, 7).is_none());
    assert!(registry.forgotten > Position::ZERO);
}

#[test]
fn a_key_that_never_had_anything_is_forgotten_with_its_last_connection() {
    let (mut registry, now) = (registry(), Instant::now());
    let (topic, id) = join(&mut registry, 7);
    registry.leave(&topic, id, &Bounds::default(), now);
    assert!(get(&registry, 7).is_none());
    assert_eq!((registry.connections(), registry.forgotten), (0, Position::ZERO));
}

#[test]
fn a_forgotten_key_with_connections_stays_without_its_history() {
    let (mut registry, now) = (registry(), Instant::now());
    let (topic, _) = join(&mut registry, 7);
    send(&mut registry, 7, &Bounds::default(), now);
    registry.forget(&topic, now);
    assert!(get(&registry, 7).is_some_and(|known| Arc::ptr_eq(&known, &topic)));
    assert_eq!((registry.events, registry.bytes), (0, 0));
}

#[test]
fn the_next_sweep_is_when_the_oldest_is_too_old_and_never_at_once() {
    let (mut registry, now) = (registry(), Instant::now());
    let bounds = Bounds::default();
    assert_eq!(registry.next_sweep(&bounds, now), None);
    send(&mut registry, 7, &bounds, now);
    let age = bounds.history.age;
    assert_eq!(registry.next_sweep(&bounds, now), Some(now + age));
    let late = now + 2 * age;
    assert_eq!(registry.next_sweep(&bounds, late), Some(late + PAUSE));
}

#[test]
fn keys_that_nobody_is_connected_to_are_counted_with_what_they_keep() {
    let (mut registry, now) = (registry(), Instant::now());
    let each = Topic::<u8>::COST + RECORD_COST + 8;
    let bounds = Bounds { total_bytes: 10 * each, ..Bounds::default() };
    (0..200).for_each(|key| send(&mut registry, key, &bounds, now));
    assert!(registry.used() <= bounds.total_bytes, "{}", registry.used());
    assert!(registry.events > 0 && registry.table.len() < 30, "{}", registry.table.len());
}

#[test]
fn keys_with_connections_are_listed_as_long_as_they_have_one() {
    let (mut registry, now) = (registry(), Instant::now());
    let (one, other) = (join(&mut registry, 1), join(&mut registry, 1));
    send(&mut registry, 2, &Bounds::default(), now);
    let listed = |registry: &Registry<u8>| {
        registry.connected_after(0, 9).0.iter().map(|topic| topic.key).collect::<Vec<_>>()
    };
    assert_eq!(listed(&registry), [1]);
    registry.leave(&one.0, one.1, &Bounds::default(), now);
    assert_eq!(listed(&registry), [1]);
    registry.leave(&other.0, other.1, &Bounds::default(), now);
    assert!(listed(&registry).is_empty());
}

#[test]
fn places_of_dropped_events_are_few_and_counted() {
    let (mut registry, now) = (registry(), Instant::now());
    let bounds = Bounds { history: History::events(1), ..Bounds::default() };
    let (topic, id) = join(&mut registry, 7);
    (0..1100).for_each(|_| send(&mut registry, 7, &bounds, now));
    assert!(registry.beside > 0);
    registry.leave(&topic, id, &bounds, now);
    (0..1100).for_each(|_| send(&mut registry, 7, &bounds, now));
    assert!((64 * 8..=128 * 8).contains(&registry.beside), "{}", registry.beside);
    registry.forget(&topic, now);
    assert_eq!((registry.beside, registry.bytes), (0, 0));
}

#[test]
fn an_event_to_all_comes_to_a_key_before_what_is_sent_there_while_it_is_on_its_way() {
    let (mut registry, now, bounds) = (registry(), Instant::now(), Bounds::default());
    let joined: Vec<_> = (0..5).map(|key| join(&mut registry, key)).collect();
    let to_all = record(now);
    let position = to_all.position;
    registry.begin_to_all(to_all);
    assert_eq!(registry.go_on_to_all(2, &bounds).unwrap().len(), 2);
    let newer = record(now);
    let newest = newer.position;
    let last = &joined[4].0;
    registry.help(last, &bounds);
    registry.append(last, newer, &bounds);
    assert_eq!(registry.complete_up_to(newest), position.before());
    assert_eq!(registry.go_on_to_all(9, &bounds).unwrap().len(), 3);
    assert!(registry.go_on_to_all(9, &bounds).is_err());
    assert_eq!(registry.complete_up_to(newest), newest);
    assert_eq!(registry.events(), 6, "each key has it once");
    let log = lock(&last.log);
    assert!(log.holds_position(position) && log.newest() == newest);
}

#[test]
fn who_comes_or_completes_while_an_event_to_all_is_on_its_way_does_not_get_it() {
    let (mut registry, now, bounds) = (registry(), Instant::now(), Bounds::default());
    let (complete, _) = join(&mut registry, 1);
    lock(&complete.log).complete(clock::next().into());
    registry.begin_to_all(record(now));
    let (late, _) = join(&mut registry, 2);
    assert!(registry.go_on_to_all(9, &bounds).unwrap().is_empty());
    assert_eq!(registry.go_on_to_all(9, &bounds).unwrap_err(), 1, "those after it are to be woken");
    assert!(lock(&complete.log).is_empty() && lock(&late.log).is_empty());
}

#[test]
fn the_shortest_and_the_longest_age_can_be_reckoned_with() {
    let now = Instant::now();
    for (age, kept) in [(Duration::ZERO, 0), (Duration::MAX, 1)] {
        let mut registry = registry();
        let bounds = Bounds { history: History::events(9).age(age), ..Bounds::default() };
        send(&mut registry, 7, &bounds, now);
        registry.sweep(&bounds, now + MEMORY_AGE);
        assert_eq!(registry.events(), kept);
        assert_eq!(registry.next_sweep(&bounds, now), None);
    }
}
