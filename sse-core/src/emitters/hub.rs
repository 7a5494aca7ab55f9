//! Events of all keys, in one order.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{BuildHasher, Hash},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    announcements::Announcements,
    link::{Link, LinkTo, TopicLink},
    one_per_key::Second,
    registry::{AllLocked, Behind, Locked, Registry, Shards, patience},
    sent::Receipt,
    snapshot::Snapshots,
    sweeper::{Looked, Planned, Sweeper},
    table::{Bucket, SHARDS, Table},
    topic::Topic,
    wake::wake_readers,
};
use crate::{
    backstop::Watched,
    close_reason::CloseReason,
    emitter::{ASKED, Conn, ConnSettings, SHARED, SendError},
    event::{EventId, SseEvent},
    log::{Bounds, Epoch, Lag, Position, ReaderId, Record, Snapshot, Token, clock},
    sync::{Arc, Mutex, RandomState, StdMutex, Weak, lock, lock_std},
    timer::{Tick, Timer},
};

/// What a type must be to be a key.
///
/// ```
/// # use sse_tower_core::Emitters;
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// enum Channel {
///     Everyone,
///     Room(u64),
/// }
///
/// let emitters = Emitters::<Channel>::new();
/// emitters.send(&Channel::Room(7), "hello");
/// # drop(Channel::Everyone);
/// ```
///
/// Its `Eq`, `Hash`, `Clone` and `Drop` are called under no lock, and may use the emitters. Only what
/// needs itself cannot be: a `Hash` or `Eq` that sends to a key of its own kind calls itself for ever.
pub trait Key: Eq + Hash + Clone + Send + Sync + 'static {}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Key for K {}

/// How many keys are looked at under one hold of the lock.
pub(super) const SLICE: usize = 64;

/// How one `Emitters` was built.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Config {
    pub(super) bounds: Bounds,
    /// What the program asked for, if it did.
    pub(super) lag: Option<Lag>,
    pub(super) one_per_key: Option<Second>,
    pub(super) ready_event: bool,
    pub(super) settings: ConnSettings,
}

pub(super) struct Hub<K> {
    shards: Shards<K>,
    /// Asked without a shard's lock, and changed under it.
    table: Arc<Table<K>>,
    hasher: RandomState,
    /// Held by whoever is admitted where that depends on who is there. Nobody who sends waits for it; it
    /// is taken before those of the shards.
    pub(super) admission: Mutex<()>,
    /// Held by whoever sends to all keys, one at a time. Taken before those of the shards.
    to_all: Mutex<()>,
    epoch: Epoch,
    pub(super) config: Config,
    /// Not seen by the model checker: nothing of it runs there, and its lock is taken under those of the shards.
    sweeper: StdMutex<Sweeper>,
    /// Asked without its lock.
    planned: Planned,
    pub(super) link: Option<Link<K>>,
    /// What went to all keys, as far as the history keeps it. Taken under the lock of a shard.
    pub(super) announcements: StdMutex<Announcements>,
    pub(super) snapshots: Snapshots<K>,
    /// When the next snapshot is too old.
    pub(super) snapshots_timer: StdMutex<Timer>,
}

impl<K: Key> Hub<K> {
    #[cfg(test)]
    pub(super) fn new(config: Config, link: Option<LinkTo<K>>) -> Arc<Self> {
        Self::with_snapshots(config, link, Snapshots::default())
    }

    pub(super) fn with_snapshots(
        config: Config,
        link: Option<LinkTo<K>>,
        snapshots: Snapshots<K>,
    ) -> Arc<Self> {
        let table = Arc::new(Table::new());
        let now = Position::from(clock::next());
        let hub = Arc::new_cyclic(|hub: &Weak<Self>| Self {
            shards: Shards::new(Arc::clone(&table), link.is_some(), patience(config.lag), now),
            table,
            hasher: RandomState::default(),
            admission: Mutex::new(()),
            to_all: Mutex::new(()),
            epoch: Epoch::random(),
            config,
            sweeper: StdMutex::new(Sweeper::new(hub)),
            planned: Planned::default(),
            link: link.map(Link::new),
            announcements: StdMutex::default(),
            snapshots,
            snapshots_timer: StdMutex::new(Timer::new(Weak::clone(hub) as _)),
        });
        if let Some(link) = &hub.link {
            hub.follow_all(link);
        }
        hub
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.config.bounds
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.link.as_ref().map_or(self.epoch, |link| link.shown().epoch())
    }

    pub(super) fn id_at(&self, position: Position) -> EventId {
        Token { epoch: self.epoch(), position }.event_id()
    }

    /// Every event with a position up to this one is in its log. Not to be asked under the lock of a shard.
    pub(super) fn watermark(&self) -> Position {
        match &self.link {
            None => self.shards.complete(),
            Some(link) => link.shown().watermark(),
        }
    }

    /// The newest position that is known here. Under the lock of a shard, a log of it that was
    /// [helped](Registry::help) has everything up to it.
    pub(super) fn newest(&self) -> Position {
        match &self.link {
            None => self.shards.newest(),
            Some(link) => link.shown().newest(),
        }
    }

    pub(super) fn position(&self) -> EventId {
        self.id_at(self.newest())
    }

    // Sending.

    pub(super) fn send<Q>(&self, key: &Q, event: SseEvent) -> Result<Receipt, SendError>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let now = Instant::now();
        let (topic, readers, receivers, id) = loop {
            let (topic, _) = self.find_or_create(key);
            let mut registry = self.shard_of(&topic);
            if !topic.is_current() {
                continue;
            }
            registry.help(&topic, self.bounds());
            if topic.log().completed().is_some() {
                return Err(SendError::Closed { event, reason: CloseReason::Completed });
            }
            let turn = registry.begin();
            let (record, id) = self.record(event, now);
            let position = record.position;
            let readers = registry.append(&topic, record, self.bounds());
            turn.stands_at(position);
            self.plan_sweep(&mut registry, now);
            let receivers = topic.receivers();
            drop(registry);
            break (topic, readers, receivers, id);
        };
        self.relieve(now);
        wake_readers(&topic, readers);
        Ok(Receipt { id, receivers })
    }

    pub(super) fn send_all(&self, event: SseEvent) -> Receipt {
        let now = Instant::now();
        let turn = lock(&self.to_all);
        let id = self.shards.begin_to_all(|| {
            let (record, id) = self.record(event, now);
            lock_std(&self.announcements).push(record.clone(), &self.bounds().history, now);
            (record, id)
        });
        let (mut readers, mut lasts) = (Vec::new(), Vec::new());
        for shard in 0..SHARDS {
            loop {
                let mut registry = self.shards.at(shard);
                match registry.go_on_to_all(SLICE, self.bounds()) {
                    Ok(some) => readers.extend(some),
                    Err(last) => {
                        self.plan_sweep(&mut registry, now);
                        lasts.push(last);
                        break;
                    }
                }
            }
            self.relieve(now);
        }
        self.shards.end_to_all();
        drop(turn);
        let mut receivers = HashSet::new();
        for conn in readers.iter().flat_map(Snapshot::iter) {
            if conn.notify(SHARED) {
                receivers.insert(Arc::as_ptr(conn));
            }
        }
        // Who came meanwhile did not get it, and may have been waiting for the watermark.
        self.for_connected_after(lasts, |topic| {
            let readers = topic.log().snapshot();
            readers.for_each(|conn| {
                conn.notify(SHARED);
            });
        });
        Receipt { id, receivers: receivers.len() }
    }

    // Keys: their `Hash`, `Eq`, `Clone` and `Drop` are the program's, and run under no lock.

    /// The shard of this key, locked.
    pub(super) fn shard_of(&self, topic: &Topic<K>) -> Locked<'_, K> {
        self.shards.lock(topic.hash)
    }

    /// All shards, locked.
    pub(super) fn all_shards(&self) -> AllLocked<'_, K> {
        self.shards.lock_all()
    }

    /// All keys that there are: for a backplane alone, which gives to all of them what is for all.
    pub(super) fn topics(&self) -> Vec<Arc<Topic<K>>> {
        self.table.topics()
    }

    /// The topic of this key, if there is one at this moment.
    pub(super) fn find<Q>(&self, key: &Q) -> Option<Arc<Topic<K>>>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let hash = self.hasher.hash_one(key);
        let candidates = self.table.candidates(hash)?;
        candidates.topics().iter().find(|topic| topic.key.borrow() == key).map(Arc::clone)
    }

    /// The topic of this key, and whether it was made for this call.
    pub(super) fn find_or_create<Q>(&self, key: &Q) -> (Arc<Topic<K>>, bool)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        self.find_or_link(key, || None)
    }

    /// The same, for a key that is on a backplane.
    pub(super) fn find_or_link<Q>(
        &self,
        key: &Q,
        link: impl FnOnce() -> Option<Box<TopicLink>>,
    ) -> (Arc<Topic<K>>, bool)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let hash = self.hasher.hash_one(key);
        let (mut made, mut link) = (None, Some(link));
        loop {
            let candidates = self.table.candidates(hash);
            let known = candidates.iter().flat_map(Bucket::topics);
            if let Some(topic) = known.into_iter().find(|topic| topic.key.borrow() == key) {
                return (Arc::clone(topic), false);
            }
            let topic = made.get_or_insert_with(|| {
                let link = link.take().and_then(|link| link());
                Arc::new(Topic::new(key.to_owned(), hash, link))
            });
            if self.shards.lock(hash).add(candidates.as_ref(), topic) {
                return (Arc::clone(topic), true);
            }
        }
    }

    /// Takes out again what was made in vain.
    pub(super) fn let_go(&self, topics: &[(Arc<Topic<K>>, bool)]) {
        for (topic, _) in topics.iter().filter(|(_, made)| *made) {
            self.shard_of(topic).discard_unused(topic);
        }
    }

    /// Gives the event its offset and its position. Only under the lock of the shard, so that both
    /// rise in every log.
    pub(super) fn record(&self, event: SseEvent, now: Instant) -> (Record, EventId) {
        let offset = clock::next();
        let position = Position::from(offset);
        let name = event.name().cloned();
        let own_id = event.id().cloned();
        let (frame, id) = match &own_id {
            Some(own) => (event.encode(), own.clone()),
            None => {
                let id = Token { epoch: self.epoch, position }.event_id();
                (event.encode_with_id(id.as_str()), id)
            }
        };
        let frame = self.counted(frame);
        (Record { offset, position, frame, name, own_id, at: now }, id)
    }

    // Ending.

    /// Nothing comes after what was sent: remembered, so that a client which has seen everything
    /// and dials again is told never to come back.
    pub(super) fn complete<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let readers = loop {
            let (topic, _) = self.find_or_create(key);
            let mut registry = self.shard_of(&topic);
            if !topic.is_current() {
                continue;
            }
            registry.help(&topic, self.bounds());
            let now = Instant::now();
            self.catch_up_one(&mut registry, &topic, now);
            let turn = registry.begin();
            let position = Position::from(clock::next());
            let readers = {
                let mut log = topic.log();
                if log.completed().is_some() {
                    return;
                }
                log.complete(position);
                log.snapshot()
            };
            turn.stands_at(position);
            registry.retire_if_idle(&topic, now);
            registry.sweep(self.bounds(), now);
            self.plan_sweep(&mut registry, now);
            break readers;
        };
        self.relieve(Instant::now());
        for conn in readers.iter() {
            conn.log_completed();
        }
    }

    /// Ends every connection at a key. They may come back.
    pub(super) fn disconnect<Q>(&self, key: &Q, reason: CloseReason)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let readers = self.find(key).map(|topic| topic.log().snapshot());
        for conn in readers.iter().flat_map(Snapshot::iter) {
            conn.close(reason, None);
        }
    }

    /// Nobody can send any more.
    pub(super) fn close(&self) {
        if let Some(link) = &self.link {
            self.unfollow_all(link);
        }
        self.for_connected(|topic| {
            let readers = topic.log().end_all();
            for conn in readers.iter().flat_map(Snapshot::iter) {
                conn.log_completed();
            }
        });
    }

    pub(super) fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let topic = match self.find(key) {
            Some(topic) => topic,
            // It is to remember which events to all it lacks on purpose.
            None if self.has_announced() => self.find_or_create(key).0,
            None => return,
        };
        let mut registry = self.shard_of(&topic);
        self.catch_up_one(&mut registry, &topic, Instant::now());
        let reopened = {
            let log = topic.log();
            log.completed().map(|_| log.snapshot())
        };
        for conn in reopened.iter().flat_map(Snapshot::iter) {
            conn.log_reopened();
        }
        self.forget_announcements(&topic);
        registry.forget(&topic, Instant::now());
    }

    // Looking.

    pub(super) fn connections(&self) -> usize {
        self.shards.connections()
    }

    pub(super) fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        self.find(key).is_some_and(|topic| topic.log().readers() > 0)
    }

    pub(super) fn keys(&self) -> Vec<K> {
        let mut keys = Vec::new();
        self.for_connected(|topic| keys.push(topic.key.clone()));
        keys
    }

    /// Does something for each key with connections, a few of them at a time, so that nobody waits; and
    /// under no lock.
    pub(super) fn for_connected(&self, each: impl FnMut(&Arc<Topic<K>>)) {
        self.for_connected_after(vec![0; SHARDS], each);
    }

    /// The same for those that have a later place than this one in their shard.
    fn for_connected_after(&self, places: Vec<u64>, mut each: impl FnMut(&Arc<Topic<K>>)) {
        for (shard, mut place) in places.into_iter().enumerate() {
            loop {
                let (topics, last) = self.shards.at(shard).connected_after(place, SLICE);
                if topics.is_empty() {
                    break;
                }
                topics.iter().for_each(&mut each);
                place = last;
            }
        }
    }

    /// Forgets in time also where nothing else happens.
    pub(super) fn plan_sweep(&self, registry: &mut Registry<K>, now: Instant) {
        if std::mem::take(&mut registry.is_earlier) || self.planned.is_late(now) {
            self.plan_next_sweep(registry, now);
        }
    }

    fn plan_next_sweep(&self, registry: &Registry<K>, now: Instant) {
        if let Some(next) = registry.next_sweep(self.bounds(), now) {
            lock_std(&self.sweeper).plan(now, next, &self.planned);
        }
    }

    /// Keeps the bounds on all keys. Not under the lock of a shard, nor under the node's.
    pub(super) fn relieve(&self, now: Instant) {
        let evicted = self.shards.relieve(self.bounds(), now);
        self.evict(&evicted);
    }

    /// The same under the node's lock; returns what is to be [evicted](Self::evict) once that is let go of.
    pub(super) fn relieve_later(&self, now: Instant) -> Vec<Arc<Topic<K>>> {
        self.shards.relieve(self.bounds(), now)
    }

    /// The frame of an event, counted for as long as anybody has it if it is large.
    pub(super) fn counted(&self, frame: Bytes) -> Bytes {
        self.shards.counted(frame)
    }

    /// Something is kept for those who come later that is in no log.
    pub(super) fn lend(&self, bytes: usize) {
        self.shards.lend(bytes);
    }

    /// It is kept no more.
    pub(super) fn take_back(&self, bytes: usize) {
        self.shards.take_back(bytes);
    }

    /// Ends a connection that was overtaken and does not notice. One that is ending anyway is left alone.
    fn end_behind(&self, topic: &Arc<Topic<K>>, id: ReaderId, conn: &Arc<Conn>, now: Instant) {
        if !conn.falls_behind() {
            return;
        }
        let is_out = self.shard_of(topic).put_out(topic, (id, conn), self.bounds(), now);
        if is_out {
            self.left(topic);
        }
        conn.finish(false);
    }

    fn sweep(&self, now: Instant) {
        // First: whoever adds something in a shard that was looked at already plans for himself.
        lock_std(&self.sweeper).done(&self.planned);
        for shard in 0..SHARDS {
            loop {
                let behind = self.shards.at(shard).take_behind(now, SLICE);
                if behind.is_empty() {
                    break;
                }
                for Behind { topic, before, asked, .. } in behind {
                    let readers = topic.log().readers_before(before);
                    for (id, conn) in &readers {
                        if !asked {
                            conn.notify(ASKED);
                        } else if conn.has(ASKED) {
                            self.end_behind(&topic, *id, conn, now);
                        }
                    }
                }
            }
        }
        for mut registry in self.shards.each() {
            registry.sweep(self.bounds(), now);
            self.plan_next_sweep(&registry, now);
        }
        self.relieve(now);
        self.sweep_snapshots(now);
    }
}

impl<K: Key> Tick for Hub<K> {
    fn tick(&self, now: Instant) {
        self.sweep(now);
    }
}

impl<K: Key> Watched for Hub<K> {
    fn look(&self) -> Option<Duration> {
        let looked = lock_std(&self.sweeper).look();
        match looked {
            Looked::Nothing => None,
            Looked::Again(after) => Some(after),
            Looked::Overdue(at) => {
                self.sweep(Instant::now().max(at));
                lock_std(&self.sweeper).look_again()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::History;

    #[test]
    fn a_history_is_swept_though_the_runtime_of_its_first_send_does_nothing_any_more() {
        let bounds = Bounds {
            history: History::events(10).age(Duration::from_millis(50)),
            ..Bounds::default()
        };
        let hubs = [true, false].map(|ends| {
            let hub: Arc<Hub<u8>> = Hub::new(Config { bounds, ..Config::default() }, None);
            let first =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            first.block_on(async { hub.send(&1, SseEvent::data("x")) }).unwrap();
            // Ended, or there and driven by nobody.
            let idles = (!ends).then_some(first);
            (hub, idles)
        });
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        for (hub, _) in &hubs {
            while hub.shards.events() > 0 {
                assert!(std::time::Instant::now() < deadline, "it is kept for ever");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
