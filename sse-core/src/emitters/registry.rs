//! All logs of one `Emitters`, and what bounds them together.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::{Bound, Deref, DerefMut},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    filter::Filter,
    table::{Bucket, Table},
    topic::Topic,
};
use crate::{
    emitter::Conn,
    log::{Bounds, Change, Log, Position, ReaderId, Record, Seq, Snapshot},
    sync::{Arc, Mutex, MutexGuard, Ordering, lock},
};

/// For how long a key without connection and history is remembered: where it ended, and whether it
/// is complete. Ten minutes, longer than any browser takes to dial again.
pub const MEMORY_AGE: Duration = Duration::from_secs(600);
/// How many such keys are remembered at most; the oldest is forgotten first. A client that comes
/// back to a forgotten key may be told of a gap where there is none.
pub const MEMORY_KEYS: usize = 65_536;

/// How many records that slow connections still want one sweep looks at.
const PUT_OFF: usize = 8;

/// When those are looked at again, if nothing else happens.
const PAUSE: Duration = Duration::from_secs(1);

/// How much two queues may hold that is out of date before they are cleaned.
const SLACK: usize = 64;

impl<K> Topic<K> {
    /// What a key takes without connections and history, beyond what it holds on the heap itself: it,
    /// its place in the table, and in the queue of those that are to be forgotten.
    const COST: usize =
        size_of::<Self>() + 2 * size_of::<(u64, Bucket<K>)>() + size_of::<Idle<K>>();
}

/// Everything that is decided for all keys in one order. Under one short lock: what happens inside
/// is a few map operations, and never the program's code.
pub(super) struct Registry<K> {
    table: Table<K>,
    /// Keys with connections, by the order in which each got its first.
    connected: BTreeMap<u64, Arc<Topic<K>>>,
    places: u64,
    /// What nobody holds any more, to be dropped under no lock: keys are the program's.
    dead: Vec<Arc<Topic<K>>>,
    /// Kept records of all logs, oldest first; some may be gone already.
    kept: VecDeque<Kept<K>>,
    /// Keys without connection and history, by when they are forgotten; some may live again.
    idle: VecDeque<Idle<K>>,
    events: usize,
    bytes: usize,
    /// What logs take beside their records: where dropped events stood.
    beside: usize,
    connections: usize,
    /// No event of a key that is not in `topics` has a later position.
    forgotten: Position,
    /// Keys that are not in `topics`, and once had events.
    had_events: Filter,
    /// Keys that are not in `topics`, and once had events with ids that the program gave.
    had_own_ids: Filter,
    /// A backplane says how long keys stay, not their connections and history.
    linked: bool,
    /// Keys without connections of which something was dropped for want of room, on a backplane.
    evicted: Vec<Arc<Topic<K>>>,
}

struct Kept<K> {
    topic: Arc<Topic<K>>,
    seq: Seq,
    at: Instant,
}

struct Idle<K> {
    topic: Arc<Topic<K>>,
    until: Instant,
    /// Where the log stood: if it moved on, this entry is out of date.
    last: Position,
}

impl<K> Registry<K> {
    pub(super) fn new(linked: bool) -> Self {
        Self {
            table: Table::new(),
            connected: BTreeMap::new(),
            places: 0,
            dead: Vec::new(),
            kept: VecDeque::new(),
            idle: VecDeque::new(),
            events: 0,
            bytes: 0,
            beside: 0,
            connections: 0,
            forgotten: Position::ZERO,
            had_events: Filter::default(),
            had_own_ids: Filter::default(),
            linked,
            evicted: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn events(&self) -> usize {
        self.events
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Those with this hash, to be compared under no lock.
    pub(super) fn candidates(&self, hash: u64) -> Option<Bucket<K>> {
        self.table.candidates(hash).cloned()
    }

    /// Is this the topic of its key, or was that forgotten meanwhile?
    pub(super) fn is_current(&self, topic: &Arc<Topic<K>>) -> bool {
        let candidates = self.table.candidates(topic.hash);
        candidates.is_some_and(|c| c.topics().iter().any(|known| Arc::ptr_eq(known, topic)))
    }

    /// All of them: for a backplane alone, which gives to all keys what is for all.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<Topic<K>>> {
        self.table.topics()
    }

    /// Those with connections.
    pub(super) fn connected(&self) -> impl Iterator<Item = &Arc<Topic<K>>> {
        self.connected.values()
    }

    /// Some of those with connections that come after the number `place`, and the number of the last.
    pub(super) fn connected_after(&self, place: u64, count: usize) -> (Vec<Arc<Topic<K>>>, u64) {
        let after = self.connected.range((Bound::Excluded(place), Bound::Unbounded)).take(count);
        let mut last = place;
        let topics = after.map(|(place, topic)| {
            last = *place;
            Arc::clone(topic)
        });
        (topics.collect(), last)
    }

    /// Adds a topic that nobody knows yet, if those with its hash are still these.
    pub(super) fn add(&mut self, known: Option<&Bucket<K>>, topic: &Arc<Topic<K>>) -> bool {
        let is_new = self.table.add(known, topic);
        if is_new {
            let mut log = lock(&topic.log);
            // Of a key that never was here nothing is missing.
            if self.had_events.may_have(|| topic.hash) {
                log.begin_at(self.forgotten);
            }
            if self.had_own_ids.may_have(|| topic.hash) {
                log.inherit_own_ids();
            }
        }
        is_new
    }

    /// Takes a topic out again that was added in vain: nobody has used it.
    pub(super) fn discard_unused(&mut self, topic: &Arc<Topic<K>>) {
        let unused = {
            let log = lock(&topic.log);
            log.readers() == 0 && log.is_empty() && log.last_position() == Position::ZERO
        };
        if unused {
            self.remove(topic, Position::ZERO);
        }
    }

    /// Appends, and keeps the bounds: this log's and those on all logs.
    pub(super) fn append(
        &mut self,
        topic: &Arc<Topic<K>>,
        record: Record,
        bounds: &Bounds,
    ) -> Snapshot<Conn> {
        let at = record.at;
        let (seq, change, readers, kept) = {
            let mut log = lock(&topic.log);
            let seq = log.end();
            let change = log.append(record, bounds);
            self.settle(&mut log);
            (seq, change, log.snapshot(), !log.is_empty())
        };
        self.count(change);
        if kept {
            self.kept.push_back(Kept { topic: Arc::clone(topic), seq, at });
        } else {
            self.retire_if_idle(topic, at);
        }
        self.sweep(bounds, at);
        readers
    }

    /// Appends what may have been sent some time ago.
    pub(super) fn append_old(&mut self, topic: &Arc<Topic<K>>, record: Record, bounds: &Bounds) {
        let at = record.at;
        let (seq, change) = {
            let mut log = lock(&topic.log);
            let (seq, change) = (log.end(), log.append(record, bounds));
            self.settle(&mut log);
            (seq, change)
        };
        self.count(change);
        // By age: what is older than what is here already is swept before it.
        let place = self.kept.partition_point(|kept| kept.at <= at);
        self.kept.insert(place, Kept { topic: Arc::clone(topic), seq, at });
        self.sweep(bounds, at);
    }

    /// Puts something in its place that came before: into a log that nobody reads.
    pub(super) fn insert(&mut self, topic: &Arc<Topic<K>>, record: Record, bounds: &Bounds) {
        let at = record.at;
        let (seq, change) = {
            let mut log = lock(&topic.log);
            let (seq, change) = (log.end(), log.insert(record, bounds));
            self.settle(&mut log);
            (seq, change)
        };
        self.count(change);
        self.kept.push_back(Kept { topic: Arc::clone(topic), seq, at });
    }

    /// Drops what is over the bounds of this log by now.
    pub(super) fn trim(&mut self, topic: &Arc<Topic<K>>, bounds: &Bounds, now: Instant) {
        let mut change = Change::default();
        lock(&topic.log).trim(bounds, now, &mut change);
        self.count(change);
    }

    /// Drops what was said at a key; the key stays.
    pub(super) fn clear(&mut self, topic: &Arc<Topic<K>>) {
        let mut change = Change::default();
        lock(&topic.log).clear(&mut change);
        self.count(change);
    }

    /// What was said at a key means nothing any more, and its positions begin anew.
    pub(super) fn reset(&mut self, topic: &Arc<Topic<K>>) {
        let mut change = Change::default();
        lock(&topic.log).reset(&mut change);
        self.count(change);
    }

    /// Lets go of a key that nobody is connected to.
    pub(super) fn discard(&mut self, topic: &Arc<Topic<K>>) {
        self.clear(topic);
        self.remove(topic, Position::ZERO);
    }

    /// Keys that are not worth following any more, since the last time.
    pub(super) fn take_evicted(&mut self) -> Vec<Arc<Topic<K>>> {
        std::mem::take(&mut self.evicted)
    }

    /// A connection has joined this log.
    pub(super) fn joined(&mut self, topic: &Arc<Topic<K>>) {
        self.connections += 1;
        if topic.place.load(Ordering::Acquire) == 0 {
            self.places += 1;
            topic.place.store(self.places, Ordering::Release);
            self.connected.insert(self.places, Arc::clone(topic));
        }
    }

    /// A connection leaves a log. The key goes too if nobody needs it.
    pub(super) fn leave(
        &mut self,
        topic: &Arc<Topic<K>>,
        id: ReaderId,
        bounds: &Bounds,
        now: Instant,
    ) {
        self.connections -= 1;
        let mut change = Change::default();
        {
            let mut log = lock(&topic.log);
            log.leave(id);
            if log.readers() == 0 {
                log.trim(bounds, now, &mut change);
                log.give_back();
            }
            self.settle(&mut log);
        }
        self.count(change);
        if lock(&topic.log).readers() == 0 {
            // Whoever leaves holds the topic too.
            self.connected.remove(&topic.place.swap(0, Ordering::AcqRel));
        }
        self.retire_if_idle(topic, now);
        self.sweep(bounds, now);
    }

    /// Forgets a key at once: history, completion and all. Connections stay.
    pub(super) fn forget(&mut self, topic: &Arc<Topic<K>>, now: Instant) {
        let last = {
            let mut log = lock(&topic.log);
            let mut change = Change::default();
            let last = log.last_position();
            log.clear(&mut change);
            self.settle(&mut log);
            self.events -= change.dropped_events;
            self.bytes -= change.dropped_bytes;
            (log.readers() == 0).then_some(last)
        };
        match last {
            // It is to remember which events to all it lacks on purpose.
            Some(_) if topic.announced.load(Ordering::Acquire) > 0 => {
                self.retire_if_idle(topic, now);
            }
            Some(last) => self.remove(topic, last),
            None => {}
        }
    }

    /// Counts what a log takes beside its records.
    fn settle(&mut self, log: &mut Log<Conn>) {
        let (before, now) = log.settle();
        self.beside = (self.beside + now).saturating_sub(before);
    }

    /// Something is kept for those who come later that is in no log.
    pub(super) fn lend(&mut self, bytes: usize) {
        self.beside += bytes;
    }

    /// It is kept no more.
    pub(super) fn take_back(&mut self, bytes: usize) {
        self.beside = self.beside.saturating_sub(bytes);
    }

    fn count(&mut self, change: Change) {
        self.events = self.events + change.added_events - change.dropped_events;
        self.bytes = self.bytes + change.added_bytes - change.dropped_bytes;
    }

    /// What is to be done with a key that has just lost a connection, a record, or has had neither.
    pub(super) fn retire_if_idle(&mut self, topic: &Arc<Topic<K>>, now: Instant) {
        let last = {
            let mut log = lock(&topic.log);
            if log.readers() > 0 || !log.is_empty() {
                return;
            }
            log.shrink();
            self.settle(&mut log);
            log.last_position()
        };
        if self.linked {
            return;
        }
        if last == Position::ZERO && topic.announced.load(Ordering::Acquire) == 0 {
            // Nothing was ever said there.
            self.remove(topic, last);
        } else {
            self.idle.push_back(Idle { topic: Arc::clone(topic), until: now + MEMORY_AGE, last });
        }
    }

    fn remove(&mut self, topic: &Arc<Topic<K>>, last: Position) {
        if !self.table.remove(topic) {
            return;
        }
        {
            let mut log = lock(&topic.log);
            if log.has_own_ids() {
                self.had_own_ids.insert(topic.hash);
            }
            let (before, now) = log.settle();
            self.beside = (self.beside + now).saturating_sub(before).saturating_sub(now);
        }
        if last > Position::ZERO {
            self.had_events.insert(topic.hash);
            self.forgotten = self.forgotten.max(last);
        }
        self.dead.push(Arc::clone(topic));
    }

    /// Lets go of a topic, whose key may be dropped by that.
    fn release(&mut self, topic: Arc<Topic<K>>) {
        if Arc::strong_count(&topic) == 1 {
            self.dead.push(topic);
        }
    }

    /// What all that is kept for nobody in particular takes: events, and the keys that nobody is
    /// connected to.
    fn used(&self) -> usize {
        let quiet = self.table.len().saturating_sub(self.connected.len());
        (self.bytes + self.beside).saturating_add(quiet.saturating_mul(Topic::<K>::COST))
    }

    /// Do keys that only remember where they ended take more than events?
    fn remembers_too_much(&self) -> bool {
        self.idle.len().saturating_mul(Topic::<K>::COST) > self.bytes
    }

    /// Drops what is too old or too much, in all logs, and forgets keys whose time has come. Each
    /// record and each retired key is looked at once, so this costs no more than what caused it.
    pub(super) fn sweep(&mut self, bounds: &Bounds, now: Instant) {
        let mut put_off = 0;
        while let Some(oldest) = self.kept.front() {
            let too_much = self.events > bounds.total_events
                || self.used() > bounds.total_bytes && !self.remembers_too_much();
            let too_old = now.saturating_duration_since(oldest.at) >= bounds.history.age;
            if !too_much && (!too_old || put_off == PUT_OFF) {
                break;
            }
            let Some(oldest) = self.kept.pop_front() else { break };
            let mut change = Change::default();
            let (emptied, still_wanted) = {
                let mut log = lock(&oldest.topic.log);
                if too_much {
                    log.drop_through(oldest.seq, &mut change);
                } else {
                    log.trim_exactly(bounds, now, &mut change);
                }
                self.settle(&mut log);
                (change.dropped_events > 0 && log.is_empty(), log.holds(oldest.seq))
            };
            self.count(change);
            if too_much && self.linked && lock(&oldest.topic.log).readers() == 0 {
                self.evicted.push(Arc::clone(&oldest.topic));
            }
            if emptied {
                self.retire_if_idle(&oldest.topic, now);
            }
            if still_wanted {
                // A slow connection has yet to read it: looked at again later.
                self.kept.push_back(oldest);
                put_off += 1;
            } else {
                self.release(oldest.topic);
            }
        }
        while let Some(first) = self.idle.front() {
            let too_much = self.idle.len() > MEMORY_KEYS + SLACK
                || self.used() > bounds.total_bytes && self.remembers_too_much();
            if first.until > now && !too_much {
                break;
            }
            if let Some(idle) = self.idle.pop_front() {
                if is_current(&idle) {
                    self.remove(&idle.topic, idle.last);
                }
                self.release(idle.topic);
            }
        }
        self.compact();
    }

    /// Entries that are out of date must not pile up behind one that is not.
    fn compact(&mut self) {
        if self.kept.len() > 2 * self.events + SLACK {
            let mut gone = Vec::new();
            self.kept.retain(|kept| {
                let holds = lock(&kept.topic.log).holds(kept.seq);
                if !holds {
                    gone.push(Arc::clone(&kept.topic));
                }
                holds
            });
            self.dead.append(&mut gone);
            self.kept.shrink_to_fit();
        }
        if self.idle.len() > 2 * self.table.len() + SLACK {
            let mut newest_entry = HashMap::new();
            for (index, idle) in self.idle.iter().enumerate() {
                newest_entry.insert(Arc::as_ptr(&idle.topic), index);
            }
            let mut index = 0;
            let mut gone = Vec::new();
            self.idle.retain(|idle| {
                let keep =
                    newest_entry.get(&Arc::as_ptr(&idle.topic)) == Some(&index) && is_current(idle);
                index += 1;
                if !keep {
                    gone.push(Arc::clone(&idle.topic));
                }
                keep
            });
            self.dead.append(&mut gone);
            self.idle.shrink_to_fit();
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    /// When there is next something to sweep, if nothing else happens. Not at once: what is overdue
    /// now was put off.
    pub(super) fn next_sweep(&self, bounds: &Bounds, now: Instant) -> Option<Instant> {
        let record = self.kept.front().and_then(|kept| kept.at.checked_add(bounds.history.age));
        let record = record.map(|at| at.max(now + PAUSE));
        let memory = self.idle.front().map(|idle| idle.until);
        match (record, memory) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// The registry, locked. What it lets go of is dropped once it is unlocked.
pub(super) struct Locked<'a, K> {
    registry: MutexGuard<'a, Registry<K>>,
    dead: Vec<Arc<Topic<K>>>,
}

impl<'a, K> Locked<'a, K> {
    pub(super) fn lock(registry: &'a Mutex<Registry<K>>) -> Self {
        Self { registry: lock(registry), dead: Vec::new() }
    }
}

impl<K> Deref for Locked<'_, K> {
    type Target = Registry<K>;

    fn deref(&self) -> &Registry<K> {
        &self.registry
    }
}

impl<K> DerefMut for Locked<'_, K> {
    fn deref_mut(&mut self) -> &mut Registry<K> {
        &mut self.registry
    }
}

impl<K> Drop for Locked<'_, K> {
    fn drop(&mut self) {
        // The fields are dropped after this, the lock first.
        self.dead = std::mem::take(&mut self.registry.dead);
    }
}

fn is_current<K>(idle: &Idle<K>) -> bool {
    let log = lock(&idle.topic.log);
    log.readers() == 0 && log.is_empty() && log.last_position() == idle.last
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
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

    /// What the hub does, with the key as its own hash.
    fn get(registry: &Registry<u8>, key: u8) -> Option<Arc<Topic<u8>>> {
        let candidates = registry.candidates(key.into())?;
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
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let bounds = Bounds { total_events: 2, ..Bounds::default() };
        [1, 2, 3].iter().for_each(|key| send(&mut registry, *key, &bounds, now));
        let kept = [1, 2, 3].map(|key| !lock(&get_or_create(&mut registry, key).log).is_empty());
        assert_eq!(kept, [false, true, true]);
        assert_eq!(registry.events, 2);
    }

    #[test]
    fn bytes_of_all_keys_are_bounded_with_the_cost_of_each_record() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let one = RECORD_COST + 8;
        let bounds = Bounds { total_bytes: 2 * one + 64, ..Bounds::default() };
        // Keys with connections are not counted: those have to be there.
        let _connected = [1, 2, 3].map(|key| join(&mut registry, key));
        [1, 2, 3].iter().for_each(|key| send(&mut registry, *key, &bounds, now));
        assert_eq!((registry.events, registry.bytes), (2, 2 * one));
    }

    #[test]
    fn a_key_without_connection_and_history_is_forgotten_in_time() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
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
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let (topic, id) = join(&mut registry, 7);
        registry.leave(&topic, id, &Bounds::default(), now);
        assert!(get(&registry, 7).is_none());
        assert_eq!((registry.connections(), registry.forgotten), (0, Position::ZERO));
    }

    #[test]
    fn a_forgotten_key_with_connections_stays_without_its_history() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let (topic, _) = join(&mut registry, 7);
        send(&mut registry, 7, &Bounds::default(), now);
        registry.forget(&topic, now);
        assert!(get(&registry, 7).is_some_and(|known| Arc::ptr_eq(&known, &topic)));
        assert_eq!((registry.events, registry.bytes), (0, 0));
    }

    #[test]
    fn the_next_sweep_is_when_the_oldest_is_too_old_and_never_at_once() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
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
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let each = Topic::<u8>::COST + RECORD_COST + 8;
        let bounds = Bounds { total_bytes: 10 * each, ..Bounds::default() };
        (0..200).for_each(|key| send(&mut registry, key, &bounds, now));
        assert!(registry.used() <= bounds.total_bytes, "{}", registry.used());
        assert!(registry.events > 0 && registry.table.len() < 30, "{}", registry.table.len());
    }

    #[test]
    fn keys_with_connections_are_listed_as_long_as_they_have_one() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let (one, other) = (join(&mut registry, 1), join(&mut registry, 1));
        send(&mut registry, 2, &Bounds::default(), now);
        let listed = |registry: &Registry<u8>| {
            registry.connected().map(|topic| topic.key).collect::<Vec<_>>()
        };
        assert_eq!(listed(&registry), [1]);
        registry.leave(&one.0, one.1, &Bounds::default(), now);
        assert_eq!(listed(&registry), [1]);
        registry.leave(&other.0, other.1, &Bounds::default(), now);
        assert!(listed(&registry).is_empty());
    }

    #[test]
    fn places_of_dropped_events_are_few_and_counted() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
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
}
