//! All logs of one `Emitters`, and what bounds them together.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher, Hash},
    time::Duration,
};

use tokio::time::Instant;

use super::{filter::Filter, link::TopicLink};
use crate::{
    emitter::Conn,
    log::{Bounds, Change, Log, Position, ReaderId, ReceiverCount, Record, Seq, Snapshot},
    sync::{Arc, AtomicUsize, Mutex, Ordering, lock},
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

/// One key and its log. The log's lock is taken with the registry's or alone, never the other way
/// round.
pub(super) struct Topic<K> {
    pub(super) key: K,
    pub(super) log: Mutex<Log<Conn>>,
    /// How many readers take events. Changed under the lock of the connection concerned.
    open: AtomicUsize,
    /// Of a key that is on a backplane.
    pub(super) link: Option<Box<TopicLink>>,
}

impl<K> Topic<K> {
    fn new(key: K, log: Log<Conn>, link: Option<Box<TopicLink>>) -> Self {
        Self { key, log: Mutex::new(log), open: AtomicUsize::new(0), link }
    }

    /// How many readers take events.
    pub(super) fn receivers(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}

impl<K: Send + Sync> ReceiverCount for Topic<K> {
    fn opened(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Everything that is decided for all keys in one order. Under one short lock: what happens inside
/// is a few map operations, and never the program's code.
pub(super) struct Registry<K> {
    topics: HashMap<K, Arc<Topic<K>>>,
    /// Kept records of all logs, oldest first; some may be gone already.
    kept: VecDeque<Kept<K>>,
    /// Keys without connection and history, by when they are forgotten; some may live again.
    idle: VecDeque<Idle<K>>,
    events: usize,
    bytes: usize,
    connections: usize,
    /// No event of a key that is not in `topics` has a later position.
    forgotten: Position,
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

impl<K: Eq + Hash + Clone> Registry<K> {
    pub(super) fn new(linked: bool) -> Self {
        Self {
            topics: HashMap::new(),
            kept: VecDeque::new(),
            idle: VecDeque::new(),
            events: 0,
            bytes: 0,
            connections: 0,
            forgotten: Position::ZERO,
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

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&Arc<Topic<K>>>
    where
        K: std::borrow::Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        self.topics.get(key)
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<Topic<K>>> {
        self.topics.values()
    }

    pub(super) fn get_or_create(&mut self, key: K) -> Arc<Topic<K>> {
        self.get_or_link(key, || None)
    }

    /// The same, for a key that is on a backplane.
    pub(super) fn get_or_link(
        &mut self,
        key: K,
        link: impl FnOnce() -> Option<Box<TopicLink>>,
    ) -> Arc<Topic<K>> {
        let had_own_ids = self.had_own_ids.may_have(|| self.topics.hasher().hash_one(&key));
        match self.topics.entry(key) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let key = entry.key().clone();
                let mut log = Log::new(self.forgotten);
                if had_own_ids {
                    log.inherit_own_ids();
                }
                let topic = Arc::new(Topic::new(key, log, link()));
                Arc::clone(entry.insert(topic))
            }
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
            (log.end(), log.append(record, bounds))
        };
        self.count(change);
        // By age: what is older than what is here already is swept before it.
        let place = self.kept.partition_point(|kept| kept.at <= at);
        self.kept.insert(place, Kept { topic: Arc::clone(topic), seq, at });
        self.sweep(bounds, at);
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

    pub(super) fn joined(&mut self) {
        self.connections += 1;
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
            }
        }
        self.count(change);
        self.retire_if_idle(topic, now);
        self.sweep(bounds, now);
    }

    /// Forgets a key at once: history, completion and all. Connections stay.
    pub(super) fn forget(&mut self, topic: &Arc<Topic<K>>) {
        let last = {
            let mut log = lock(&topic.log);
            let mut change = Change::default();
            let last = log.last_position();
            log.clear(&mut change);
            self.events -= change.dropped_events;
            self.bytes -= change.dropped_bytes;
            (log.readers() == 0).then_some(last)
        };
        if let Some(last) = last {
            self.remove(topic, last);
        }
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
            log.last_position()
        };
        if self.linked {
            return;
        }
        if last == Position::ZERO {
            // Nothing was ever said there.
            self.remove(topic, last);
        } else {
            self.idle.push_back(Idle { topic: Arc::clone(topic), until: now + MEMORY_AGE, last });
        }
    }

    fn remove(&mut self, topic: &Arc<Topic<K>>, last: Position) {
        if self.topics.get(&topic.key).is_some_and(|known| Arc::ptr_eq(known, topic)) {
            if lock(&topic.log).has_own_ids() {
                self.had_own_ids.insert(self.topics.hasher().hash_one(&topic.key));
            }
            self.topics.remove(&topic.key);
            self.forgotten = self.forgotten.max(last);
        }
        if self.topics.is_empty() {
            self.topics.shrink_to_fit();
        }
    }

    /// Drops what is too old or too much, in all logs, and forgets keys whose time has come. Each
    /// record and each retired key is looked at once, so this costs no more than what caused it.
    pub(super) fn sweep(&mut self, bounds: &Bounds, now: Instant) {
        let mut put_off = 0;
        while let Some(oldest) = self.kept.front() {
            let too_much = self.events > bounds.total_events || self.bytes > bounds.total_bytes;
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
            }
        }
        while let Some(first) = self.idle.front() {
            if first.until > now && self.idle.len() <= MEMORY_KEYS + SLACK {
                break;
            }
            if let Some(idle) = self.idle.pop_front()
                && is_current(&idle)
            {
                self.remove(&idle.topic, idle.last);
            }
        }
        self.compact();
    }

    /// Entries that are out of date must not pile up behind one that is not.
    fn compact(&mut self) {
        if self.kept.len() > 2 * self.events + SLACK {
            self.kept.retain(|kept| lock(&kept.topic.log).holds(kept.seq));
        }
        if self.idle.len() > 2 * self.topics.len() + SLACK {
            let mut newest_entry = HashMap::new();
            for (index, idle) in self.idle.iter().enumerate() {
                newest_entry.insert(Arc::as_ptr(&idle.topic), index);
            }
            let mut index = 0;
            self.idle.retain(|idle| {
                let keep =
                    newest_entry.get(&Arc::as_ptr(&idle.topic)) == Some(&index) && is_current(idle);
                index += 1;
                keep
            });
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

    fn send(registry: &mut Registry<u8>, key: u8, bounds: &Bounds, at: Instant) {
        let topic = registry.get_or_create(key);
        registry.append(&topic, record(at), bounds);
    }

    fn join(registry: &mut Registry<u8>, key: u8) -> (Arc<Topic<u8>>, ReaderId) {
        let topic = registry.get_or_create(key);
        let id = {
            let mut log = lock(&topic.log);
            let end = log.end();
            log.join(Arc::new(Conn::new(ConnSettings::default())), end)
        };
        registry.joined();
        (topic, id)
    }

    #[test]
    fn the_oldest_of_any_key_goes_when_all_together_are_too_many() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let bounds = Bounds { total_events: 2, ..Bounds::default() };
        [1, 2, 3].iter().for_each(|key| send(&mut registry, *key, &bounds, now));
        let kept = [1, 2, 3].map(|key| !lock(&registry.get_or_create(key).log).is_empty());
        assert_eq!(kept, [false, true, true]);
        assert_eq!(registry.events, 2);
    }

    #[test]
    fn bytes_of_all_keys_are_bounded_with_the_cost_of_each_record() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let one = RECORD_COST + 8;
        let bounds = Bounds { total_bytes: 2 * one, ..Bounds::default() };
        [1, 2, 3].iter().for_each(|key| send(&mut registry, *key, &bounds, now));
        assert_eq!((registry.events, registry.bytes), (2, 2 * one));
    }

    #[test]
    fn a_key_without_connection_and_history_is_forgotten_in_time() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let bounds = Bounds { history: History::none(), ..Bounds::default() };
        send(&mut registry, 7, &bounds, now);
        registry.sweep(&bounds, now + MEMORY_AGE - Duration::from_millis(1));
        assert!(registry.get(&7).is_some(), "it is remembered where it ended");
        registry.sweep(&bounds, now + MEMORY_AGE);
        assert!(registry.get(&7).is_none());
        assert!(registry.forgotten > Position::ZERO);
    }

    #[test]
    fn a_key_that_never_had_anything_is_forgotten_with_its_last_connection() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let (topic, id) = join(&mut registry, 7);
        registry.leave(&topic, id, &Bounds::default(), now);
        assert!(registry.get(&7).is_none());
        assert_eq!((registry.connections(), registry.forgotten), (0, Position::ZERO));
    }

    #[test]
    fn a_forgotten_key_with_connections_stays_without_its_history() {
        let (mut registry, now) = (Registry::new(false), Instant::now());
        let (topic, _) = join(&mut registry, 7);
        send(&mut registry, 7, &Bounds::default(), now);
        registry.forget(&topic);
        assert!(registry.get(&7).is_some_and(|known| Arc::ptr_eq(known, &topic)));
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
}
