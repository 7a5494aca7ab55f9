//! Events of all keys, in one order.

use std::{borrow::Borrow, collections::HashSet, hash::Hash, time::Duration};

use tokio::time::Instant;

use super::{
    link::{Link, LinkTo},
    one_per_key::Second,
    registry::Registry,
    sent::Receipt,
    sweeper::{Looked, Sweeper},
    wake::wake_readers,
};
use crate::{
    backstop::Watched,
    close_reason::CloseReason,
    emitter::{ConnSettings, SHARED, SendError},
    event::{EventId, SseEvent},
    log::{Bounds, Epoch, Lag, Position, Record, Snapshot, Token, clock},
    sync::{Arc, AtomicU64, Mutex, Ordering, StdMutex, Weak, lock, lock_std},
    timer::Tick,
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
pub trait Key: Eq + Hash + Clone + Send + Sync + 'static {}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Key for K {}

/// How one `Emitters` was built.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Config {
    pub(super) bounds: Bounds,
    pub(super) lag: Lag,
    pub(super) one_per_key: Option<Second>,
    pub(super) ready_event: bool,
    pub(super) settings: ConnSettings,
}

pub(super) struct Hub<K> {
    pub(super) registry: Mutex<Registry<K>>,
    /// See [`watermark`](Self::watermark).
    watermark: AtomicU64,
    epoch: Epoch,
    pub(super) config: Config,
    /// Not seen by the model checker: nothing of it runs there, and its lock is taken under the
    /// registry's alone.
    sweeper: StdMutex<Sweeper>,
    pub(super) link: Option<Link<K>>,
}

impl<K: Key> Hub<K> {
    pub(super) fn new(config: Config, link: Option<LinkTo<K>>) -> Arc<Self> {
        let hub = Arc::new_cyclic(|hub: &Weak<Self>| Self {
            registry: Mutex::new(Registry::new(link.is_some())),
            watermark: AtomicU64::new(Position::from(clock::next()).get()),
            epoch: Epoch::random(),
            config,
            sweeper: StdMutex::new(Sweeper::new(hub)),
            link: link.map(Link::new),
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

    /// Every event with a position up to this one is in its log.
    pub(super) fn watermark(&self) -> Position {
        match &self.link {
            None => Position::new(self.watermark.load(Ordering::Acquire)),
            Some(link) => link.shown().watermark(),
        }
    }

    /// The newest position that is known here.
    pub(super) fn newest(&self) -> Position {
        self.link.as_ref().map_or_else(|| self.watermark(), |link| link.shown().newest())
    }

    /// Under the registry's lock, once everything up to `position` is in its log.
    fn advance_watermark(&self, position: Position) {
        self.watermark.store(position.get(), Ordering::Release);
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
        let (topic, readers, receivers, id) = {
            let mut registry = lock(&self.registry);
            let topic = match registry.get(key) {
                Some(topic) => Arc::clone(topic),
                None => registry.get_or_create(key.to_owned()),
            };
            if lock(&topic.log).completed().is_some() {
                return Err(SendError::Closed { event, reason: CloseReason::Completed });
            }
            let (record, id) = self.record(event, now);
            let position = record.position;
            let readers = registry.append(&topic, record, self.bounds());
            self.advance_watermark(position);
            self.plan_sweep(&registry, now);
            let receivers = topic.receivers();
            (topic, readers, receivers, id)
        };
        wake_readers(&topic, readers);
        Ok(Receipt { id, receivers })
    }

    pub(super) fn send_all(&self, event: SseEvent) -> Receipt {
        let now = Instant::now();
        let (snapshots, id) = {
            let mut registry = lock(&self.registry);
            let (record, id) = self.record(event, now);
            let topics: Vec<_> = registry
                .topics()
                .filter(|topic| {
                    let log = lock(&topic.log);
                    log.readers() > 0 && log.completed().is_none()
                })
                .map(Arc::clone)
                .collect();
            let snapshots: Vec<_> = topics
                .iter()
                .map(|topic| registry.append(topic, record.clone(), self.bounds()))
                .collect();
            self.advance_watermark(record.position);
            self.plan_sweep(&registry, now);
            (snapshots, id)
        };
        let mut receivers = HashSet::new();
        for conn in snapshots.iter().flat_map(Snapshot::iter) {
            if conn.notify(SHARED) {
                receivers.insert(Arc::as_ptr(conn));
            }
        }
        Receipt { id, receivers: receivers.len() }
    }

    /// Gives the event its offset and its position. Only under the registry's lock, so that both
    /// rise in every log.
    fn record(&self, event: SseEvent, now: Instant) -> (Record, EventId) {
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
        let readers = {
            let mut registry = lock(&self.registry);
            let topic = match registry.get(key) {
                Some(topic) => Arc::clone(topic),
                None => registry.get_or_create(key.to_owned()),
            };
            let position = Position::from(clock::next());
            let readers = {
                let mut log = lock(&topic.log);
                if log.completed().is_some() {
                    return;
                }
                log.complete(position);
                log.snapshot()
            };
            self.advance_watermark(position);
            let now = Instant::now();
            registry.retire_if_idle(&topic, now);
            self.plan_sweep(&registry, now);
            readers
        };
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
        let readers = lock(&self.registry).get(key).map(|topic| lock(&topic.log).snapshot());
        for conn in readers.iter().flat_map(Snapshot::iter) {
            conn.close(reason, None);
        }
    }

    /// Nobody can send any more.
    pub(super) fn close(&self) {
        if let Some(link) = &self.link {
            self.unfollow_all(link);
        }
        let snapshots: Vec<_> =
            lock(&self.registry).topics().filter_map(|topic| lock(&topic.log).end_all()).collect();
        for conn in snapshots.iter().flat_map(Snapshot::iter) {
            conn.log_completed();
        }
    }

    pub(super) fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let mut registry = lock(&self.registry);
        if let Some(topic) = registry.get(key).map(Arc::clone) {
            let reopened = {
                let log = lock(&topic.log);
                log.completed().map(|_| log.snapshot())
            };
            for conn in reopened.iter().flat_map(Snapshot::iter) {
                conn.log_reopened();
            }
            registry.forget(&topic);
        }
    }

    // Looking.

    pub(super) fn connections(&self) -> usize {
        lock(&self.registry).connections()
    }

    pub(super) fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        lock(&self.registry).get(key).is_some_and(|topic| lock(&topic.log).readers() > 0)
    }

    pub(super) fn keys(&self) -> Vec<K> {
        let registry = lock(&self.registry);
        let connected = registry.topics().filter(|topic| lock(&topic.log).readers() > 0);
        connected.map(|topic| topic.key.clone()).collect()
    }

    /// Forgets in time also where nothing else happens.
    pub(super) fn plan_sweep(&self, registry: &Registry<K>, now: Instant) {
        lock_std(&self.sweeper).plan(now, || registry.next_sweep(self.bounds(), now));
    }

    fn sweep(&self, now: Instant) {
        let evicted = {
            let mut registry = lock(&self.registry);
            registry.sweep(self.bounds(), now);
            lock_std(&self.sweeper).done();
            self.plan_sweep(&registry, now);
            registry.take_evicted()
        };
        self.evict(&evicted);
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
            while lock(&hub.registry).events() > 0 {
                assert!(std::time::Instant::now() < deadline, "it is kept for ever");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
