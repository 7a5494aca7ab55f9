//! Events of all keys, in one order.

use std::{borrow::Borrow, collections::HashSet, hash::Hash};

use tokio::time::Instant;

use super::{
    clock,
    history::{Bounds, Lag, Second},
    log::Record,
    marks::Marks,
    position::Position,
    registry::Registry,
    ring::ring,
    sent::Receipt,
};
use crate::{
    CloseReason, EventId, SendError, SseEvent,
    emitter::{SHARED, Settings},
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
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
    pub(super) settings: Settings,
}

pub(super) struct Hub<K> {
    pub(super) registry: Mutex<Registry<K>>,
    /// Every event with an offset up to this one is in its log.
    pub(super) head: AtomicU64,
    pub(super) epoch: u64,
    /// Its lock is taken under any other, and no other under it but a log's.
    pub(super) marks: Mutex<Marks<K>>,
    pub(super) config: Config,
    #[cfg(not(sse_loom))]
    sweeper: Mutex<Option<crate::Timer>>,
}

impl<K: Key> Hub<K> {
    pub(super) fn new(config: Config) -> Arc<Self> {
        let hub = Arc::new(Self {
            registry: Mutex::new(Registry::new()),
            head: AtomicU64::new(clock::next()),
            // 48 bits: short in every event, and never twice in the life of a client.
            epoch: fastrand::u64(1..1 << 48),
            marks: Mutex::new(Marks::new()),
            config,
            #[cfg(not(sse_loom))]
            sweeper: Mutex::new(None),
        });
        #[cfg(not(sse_loom))]
        {
            let target: Arc<dyn crate::Tick> = Arc::clone(&hub) as _;
            *lock(&hub.sweeper) = Some(crate::Timer::new(Arc::downgrade(&target)));
        }
        hub
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.config.bounds
    }

    pub(super) fn id_at(&self, offset: u64) -> EventId {
        Position { epoch: self.epoch, offset }.event_id()
    }

    pub(super) fn position(&self) -> EventId {
        self.id_at(self.head.load(Ordering::Acquire))
    }

    // Sending.

    pub(super) fn send<Q>(&self, key: &Q, event: SseEvent) -> Result<Receipt, SendError>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let now = Instant::now();
        let (topic, walk, receivers, id) = {
            let mut registry = lock(&self.registry);
            let topic = match registry.get(key) {
                Some(topic) => Arc::clone(topic),
                None => registry.get_or_create(key.to_owned()),
            };
            if lock(&topic.log).completed().is_some() {
                return Err(SendError::Closed { event, reason: CloseReason::Completed });
            }
            let (record, id) = self.record(event, now);
            let offset = record.offset;
            let walk = registry.append(&topic, record, self.bounds());
            self.head.store(offset, Ordering::Release);
            self.plan_sweep(&registry, now);
            let receivers = topic.receivers();
            (topic, walk, receivers, id)
        };
        ring(&topic, walk);
        Ok(Receipt { id, receivers })
    }

    pub(super) fn send_all(&self, event: SseEvent) -> Receipt {
        let now = Instant::now();
        let (walks, id) = {
            let mut registry = lock(&self.registry);
            let (record, id) = self.record(event, now);
            let topics: Vec<_> = registry
                .topics()
                .filter(|topic| {
                    let log = lock(&topic.log);
                    log.members() > 0 && log.completed().is_none()
                })
                .map(Arc::clone)
                .collect();
            let walks: Vec<_> = topics
                .iter()
                .map(|topic| registry.append(topic, record.clone(), self.bounds()))
                .collect();
            self.head.store(record.offset, Ordering::Release);
            self.plan_sweep(&registry, now);
            (walks, id)
        };
        let mut receivers = HashSet::new();
        for conn in walks.iter().flat_map(|walk| walk.iter()) {
            if conn.notify(SHARED) {
                receivers.insert(Arc::as_ptr(conn));
            }
        }
        Receipt { id, receivers: receivers.len() }
    }

    /// Gives the event its place. Only under the registry's lock, so that offsets rise in every log.
    fn record(&self, event: SseEvent, now: Instant) -> (Record, EventId) {
        let offset = clock::next();
        let name = event.name().cloned();
        let own_id = event.id().cloned();
        let (frame, id) = match &own_id {
            Some(own) => (event.encode(), own.clone()),
            None => {
                let id = self.id_at(offset);
                (event.encode_with_id(id.as_str()), id)
            }
        };
        (Record { offset, frame, name, own_id, at: now }, id)
    }

    // Ending.

    /// Nothing comes after what was sent: remembered, so that a client which has seen everything
    /// and dials again is told never to come back.
    pub(super) fn complete<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let walk = {
            let mut registry = lock(&self.registry);
            let topic = match registry.get(key) {
                Some(topic) => Arc::clone(topic),
                None => registry.get_or_create(key.to_owned()),
            };
            let offset = clock::next();
            let walk = {
                let mut log = lock(&topic.log);
                if log.completed().is_some() {
                    return;
                }
                log.complete(offset);
                log.walk()
            };
            self.head.store(offset, Ordering::Release);
            let now = Instant::now();
            registry.rest_if_idle(&topic, now);
            self.plan_sweep(&registry, now);
            walk
        };
        for conn in walk.iter() {
            conn.feed_completed();
        }
    }

    /// Ends every connection at a key. They may come back.
    pub(super) fn disconnect<Q>(&self, key: &Q, reason: CloseReason)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let walk = lock(&self.registry).get(key).map(|topic| lock(&topic.log).walk());
        for conn in walk.iter().flat_map(|walk| walk.iter()) {
            conn.begin_end(reason, None);
        }
    }

    /// Nobody can send any more.
    pub(super) fn close(&self) {
        let walks: Vec<_> =
            lock(&self.registry).topics().filter_map(|topic| lock(&topic.log).end_all()).collect();
        for conn in walks.iter().flat_map(|walk| walk.iter()) {
            conn.feed_completed();
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
                log.completed().map(|_| log.walk())
            };
            for conn in reopened.iter().flat_map(|walk| walk.iter()) {
                conn.feed_reopened();
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
        lock(&self.registry).get(key).is_some_and(|topic| lock(&topic.log).members() > 0)
    }

    pub(super) fn keys(&self) -> Vec<K> {
        let registry = lock(&self.registry);
        let connected = registry.topics().filter(|topic| lock(&topic.log).members() > 0);
        connected.map(|topic| topic.key.clone()).collect()
    }

    /// Forgets in time also where nothing else happens.
    pub(super) fn plan_sweep(&self, registry: &Registry<K>, now: Instant) {
        #[cfg(not(sse_loom))]
        if let Some(timer) = &mut *lock(&self.sweeper)
            && !timer.is_set()
            && let Some(at) = registry.next_sweep(self.bounds(), now)
        {
            timer.set(at);
        }
        #[cfg(sse_loom)]
        let _ = (registry, now);
    }
}

impl<K: Key> crate::Tick for Hub<K> {
    fn tick(&self, now: Instant) {
        let mut registry = lock(&self.registry);
        registry.sweep(self.bounds(), now);
        #[cfg(not(sse_loom))]
        if let Some(timer) = &mut *lock(&self.sweeper) {
            timer.clear();
        }
        self.plan_sweep(&registry, now);
    }
}
