//! `Hub`: everything that one `Emitters` does with its keys, in one order.
//!
//! Here is what it has, and how it sends; `keys` finds keys and makes them, `ending` ends them and their connections,
//! `sweeping` keeps the bounds on all of them.

mod ending;
mod keys;
mod sweeping;

use std::{borrow::Borrow, collections::HashSet, hash::Hash};

use tokio::time::Instant;

use super::{
    announcements::Announcements,
    link::{Link, LinkTo},
    one_per_key::Second,
    registry::{Shards, patience},
    sent::Receipt,
    snapshot::Snapshots,
    sweeper::{Planned, Sweeper},
    table::{SHARDS, Table},
    wake::wake_readers,
};
use crate::{
    close_reason::CloseReason,
    emitter::{ConnSettings, SHARED, SendError},
    event::{EventId, SseEvent},
    log::{Bounds, Epoch, Lag, Position, Record, Snapshot, Token, clock},
    sync::{
        Arc, Mutex, RandomState, Weak, lock,
        plain::{Mutex as PlainMutex, lock as lock_plain},
    },
    timer::Timer,
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
    /// The lag policy that the program asked for, if it did.
    pub(super) lag: Option<Lag>,
    pub(super) one_per_key: Option<Second>,
    pub(super) ready_event: bool,
    pub(super) settings: ConnSettings,
}

pub(super) struct Hub<K> {
    shards: Shards<K>,
    /// The keys. Read without a shard's lock, and changed under it.
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
    sweeper: PlainMutex<Sweeper>,
    /// The sweeper's plan, read without its lock.
    planned: Planned,
    pub(super) link: Option<Link<K>>,
    /// Events that went to all keys, as far as the history keeps them. Its lock is taken under that of a shard.
    pub(super) announcements: PlainMutex<Announcements>,
    pub(super) snapshots: Snapshots<K>,
    /// When the next snapshot is too old.
    pub(super) snapshots_timer: PlainMutex<Timer>,
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
            sweeper: PlainMutex::new(Sweeper::new(hub)),
            planned: Planned::default(),
            link: link.map(Link::new),
            announcements: PlainMutex::default(),
            snapshots,
            snapshots_timer: PlainMutex::new(Timer::new(Weak::clone(hub) as _)),
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
            lock_plain(&self.announcements).push(record.clone(), &self.bounds().history, now);
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
}
