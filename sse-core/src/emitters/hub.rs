//! Connections and events of all keys, in one order.

use std::{borrow::Borrow, collections::HashSet, hash::Hash, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    clock,
    feed::{Feed, Read},
    history::{Bounds, Lag, Second},
    last_event_id::{LastEventId, Seen},
    log::{After, Missed, Overtaken, Record},
    marks::{Marks, Place},
    position::Position,
    registry::{Registry, Topic},
    sent::Receipt,
};
use crate::{
    CloseReason, EventId, SendError, SseEmitter, SseEvent, bye,
    emitter::{Conn, SHARED, STATE, Settings},
    event::{GapReason, gap, ready, reset},
    observe,
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
};

/// How many keys one connection can follow. A connection to more of them is refused politely.
pub const MAX_KEYS_PER_CONNECTION: usize = 1024;

/// When a client whose place was taken may come back: not today.
const NOT_TODAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a type must be to be a key.
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
    registry: Mutex<Registry<K>>,
    /// Every event with an offset up to this one is in its log.
    head: AtomicU64,
    epoch: u64,
    /// Its lock is taken under any other, and no other under it but a log's.
    marks: Mutex<Marks<K>>,
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

    fn bounds(&self) -> &Bounds {
        &self.config.bounds
    }

    fn id_at(&self, offset: u64) -> EventId {
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
        let (walk, id) = {
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
            (walk, id)
        };
        let receivers = walk.iter().map(|conn| usize::from(conn.notify(SHARED))).sum();
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

    // Connecting.

    pub(super) fn connect(
        self: &Arc<Self>,
        keys: impl IntoIterator<Item = K>,
        last: &LastEventId,
    ) -> SseEmitter {
        let emitter = SseEmitter::with(self.config.settings);
        if last.0 == Seen::Head {
            // A `HEAD` request wants the headers: nothing is opened, nobody is replaced.
            emitter.complete();
            return emitter;
        }
        let mut keys = keys.into_iter();
        let mut distinct: Vec<K> = keys.by_ref().take(1).collect();
        // Most connections are to one key, and need no set.
        let mut seen = HashSet::new();
        for key in keys {
            seen.extend(distinct.first().filter(|_| seen.is_empty()).cloned());
            if seen.insert(key.clone()) {
                distinct.push(key);
            }
            if distinct.len() > MAX_KEYS_PER_CONNECTION {
                refuse(emitter.conn(), None);
                return emitter;
            }
        }
        self.attach(emitter.conn(), distinct, last);
        emitter
    }

    pub(super) fn insert(self: &Arc<Self>, key: K, emitter: &SseEmitter) {
        self.attach(emitter.conn(), vec![key], &LastEventId::default());
    }

    /// Under the registry's lock, so that of two who insert the same emitter one does nothing.
    fn follows(registry: &Registry<K>, conn: &Arc<Conn>, key: &K) -> bool {
        registry.get(key).is_some_and(|topic| {
            lock(&topic.log).walk().iter().any(|member| Arc::ptr_eq(member, conn))
        })
    }

    fn attach(self: &Arc<Self>, conn: &Arc<Conn>, mut keys: Vec<K>, last: &LastEventId) {
        let now = Instant::now();
        let mut replaced = Vec::new();
        let plan = {
            let mut registry = lock(&self.registry);
            // One that has never followed anything is not looked for among all who follow a key.
            if conn.has_followed() {
                keys.retain(|key| !Self::follows(&registry, conn, key));
            }
            if keys.is_empty() || !conn.is_open() {
                return;
            }
            registry.sweep(self.bounds(), now);
            if !self.is_admitted(&registry, &keys, &mut replaced) {
                drop(registry);
                refuse(conn, Some(NOT_TODAY));
                return;
            }
            let plan = self.plan(&mut registry, conn, keys, last, now);
            self.plan_sweep(&registry, now);
            plan
        };
        for old in replaced {
            let farewell = bye(CloseReason::Replaced, Some(NOT_TODAY));
            old.begin_end(CloseReason::Replaced, Some(farewell));
        }
        self.carry_out(conn, plan);
    }

    /// Is there room at these keys, and who has to go? Under the registry's lock, so that of two who
    /// come at once one is the second.
    fn is_admitted(
        &self,
        registry: &Registry<K>,
        keys: &[K],
        replaced: &mut Vec<Arc<Conn>>,
    ) -> bool {
        let Some(second) = self.config.one_per_key else { return true };
        let topics = keys.iter().filter_map(|key| registry.get(key));
        let walks: Vec<_> = topics.map(|topic| lock(&topic.log).walk()).collect();
        let open = walks.iter().flat_map(|walk| walk.iter()).filter(|conn| conn.is_open());
        replaced.extend(open.map(Arc::clone));
        second == Second::Replaces || replaced.is_empty()
    }

    fn plan(
        self: &Arc<Self>,
        registry: &mut Registry<K>,
        conn: &Arc<Conn>,
        keys: Vec<K>,
        last: &LastEventId,
        now: Instant,
    ) -> Plan {
        let head = self.head.load(Ordering::Acquire);
        let topics: Vec<_> = keys.into_iter().map(|key| registry.get_or_create(key)).collect();
        let (after, reset) = self.resume(&topics, last, head);
        let mut plan = Plan { missed: Missed::None, reset, ..Plan::default() };
        let complete = topics.iter().all(|topic| lock(&topic.log).completed().is_some());
        // After a reset a key that is complete says everything once more: nothing live will follow.
        let after = match after {
            After::Everything if complete && plan.reset.is_some() => After::Nothing,
            after => after,
        };
        for topic in topics {
            let (seat, start, waits_from) = {
                let mut log = lock(&topic.log);
                let start = log.start(after, &self.bounds().history, now);
                let waits_from = log.offset_at(start.next);
                let seat = log.join(Arc::clone(conn), start.next);
                if let Some(completed) = log.completed() {
                    plan.completed.push(completed);
                }
                (seat, start, waits_from)
            };
            registry.joined();
            plan.missed = plan.missed.and(start.missed);
            plan.waiting += start.waiting;
            // What is before the first that waits was seen, or is told of.
            let start = waits_from.map_or(head, |at| at - 1);
            let feed = Subscription { hub: Arc::clone(self), topic, seat, start };
            // Under the registry's lock, so that whoever completes the key next finds it counted.
            plan.unwanted.extend(conn.follow(Box::new(feed)).err());
        }
        plan.complete = complete;
        plan
    }

    /// What a client has seen, from what it says; and whether that means nothing here.
    fn resume(
        &self,
        topics: &[Arc<Topic<K>>],
        last: &LastEventId,
        head: u64,
    ) -> (After, Option<&'static str>) {
        match &last.0 {
            Seen::Nothing | Seen::Head => (After::Nothing, None),
            Seen::Unreadable => (After::Everything, Some("unknown")),
            Seen::UpTo(id) => match Position::parse(id.as_str()) {
                Some(at) if at.epoch == self.epoch && at.offset <= head => {
                    (After::Offset(at.offset), None)
                }
                Some(_) => (After::Everything, Some("epoch")),
                None => {
                    let marks = lock(&self.marks);
                    let places = topics.iter().map(|topic| {
                        let marked = marks.find(&(topic.key.clone(), id.clone()));
                        marked.and(lock(&topic.log).find(id))
                    });
                    match places.fold(Place::Nowhere, Place::and) {
                        Place::At(offset) => (After::Offset(offset), None),
                        Place::Nowhere | Place::Several => (After::Everything, Some("unknown")),
                    }
                }
            },
        }
    }

    /// Tells the connection what it has to know, outside every lock.
    fn carry_out(&self, conn: &Arc<Conn>, plan: Plan) {
        let told = plan.reset.is_some() || plan.missed != Missed::None;
        if plan.complete && plan.waiting == 0 && !told && conn.no_content(plan.completed.len()) {
            return;
        }
        if let Some(reason) = plan.reset {
            conn.say(reset(reason).encode(), true);
        }
        match plan.missed {
            Missed::None => {}
            Missed::Some(missed) => {
                observe::gap("history", Some(missed));
                conn.say(gap(GapReason::History, Some(missed)).encode(), true);
            }
            Missed::Unknown => {
                observe::gap("history", None);
                conn.say(gap(GapReason::History, None).encode(), true);
            }
        }
        drop(plan.unwanted);
        conn.notify(STATE);
        if self.config.ready_event {
            conn.say(ready(plan.waiting, !told).encode(), false);
        }
        let completed = plan.completed.iter().copied().max();
        if plan.complete
            && told
            && let Some(completed) = completed
        {
            // Moves the client's position to the end: with one that means nothing, or nothing
            // certain, it would come back for ever. An id without data dispatches nothing.
            let id = self.id_at(completed);
            conn.say(Bytes::from(format!("id:{id}\n\n")), false);
        }
        for _ in plan.completed {
            conn.feed_completed();
        }
    }

    /// Forgets in time also where nothing else happens.
    fn plan_sweep(&self, registry: &Registry<K>, now: Instant) {
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

fn refuse(conn: &Conn, retry: Option<Duration>) {
    conn.begin_end(CloseReason::Refused, Some(bye(CloseReason::Refused, retry)));
}

/// What a new connection is told.
#[derive(Default)]
struct Plan {
    /// Given back by a connection that is over; they leave when dropped, under no lock.
    unwanted: Vec<Box<dyn Feed>>,
    reset: Option<&'static str>,
    missed: Missed,
    /// How many events wait for it.
    waiting: u64,
    /// Where its complete keys ended.
    completed: Vec<u64>,
    /// All its keys are complete.
    complete: bool,
}

/// One connection's seat at one log.
struct Subscription<K: Key> {
    hub: Arc<Hub<K>>,
    topic: Arc<Topic<K>>,
    seat: usize,
    start: u64,
}

impl<K: Key> Feed for Subscription<K> {
    fn read(&mut self, until: u64, quiet: &dyn Fn() -> bool) -> Read {
        let mut log = lock(&self.topic.log);
        if !quiet() || log.is_overtaken(self.seat) {
            return Read::Careful;
        }
        log.read(self.seat, until).map_or(Read::Nothing, Read::Piece)
    }

    fn overtaken(&mut self) -> Option<Overtaken> {
        lock(&self.topic.log).overtaken(self.seat)
    }

    fn peek(&mut self, until: u64, budget: usize) -> (Vec<Record>, bool) {
        lock(&self.topic.log).peek(self.seat, until, budget)
    }

    fn advance_past(&mut self, offset: u64) {
        lock(&self.topic.log).advance_past(self.seat, offset);
    }

    fn newest_by_name(&mut self, until: u64) -> (Vec<Record>, u64) {
        lock(&self.topic.log).newest_by_name(self.seat, until)
    }

    fn source(&self) -> usize {
        std::ptr::from_ref(&*self.hub).addr()
    }

    fn cut(&self) -> u64 {
        self.hub.head.load(Ordering::Acquire)
    }

    fn settle(&self) {
        // Offsets are given and appended under this lock.
        drop(lock(&self.hub.registry));
    }

    fn start(&self) -> u64 {
        self.start
    }

    fn mark(&self, id: &EventId, offset: u64) {
        lock(&self.hub.marks).mark(&self.topic.key, id, offset);
    }

    fn lag(&self) -> Lag {
        self.hub.config.lag
    }
}

impl<K: Key> Drop for Subscription<K> {
    fn drop(&mut self) {
        let mut registry = lock(&self.hub.registry);
        let now = Instant::now();
        registry.leave(&self.topic, self.seat, self.hub.bounds(), now);
        self.hub.plan_sweep(&registry, now);
    }
}
