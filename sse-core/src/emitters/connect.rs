//! Opening connections: who is admitted, where each begins, and what it is told.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    feed::Feed,
    history::Second,
    hub::{Hub, Key},
    last_event_id::{LastEventId, Seen},
    log::{After, Missed},
    marks::Place,
    position::Position,
    registry::{Registry, Topic},
    subscription::Subscription,
};
use crate::{
    CloseReason, SseEmitter, bye,
    emitter::{Conn, STATE},
    event::{GapReason, gap, ready, reset},
    observe,
    sync::{Arc, Ordering, lock},
};

/// How many keys one connection can follow. A connection to more of them is refused politely.
pub const MAX_KEYS_PER_CONNECTION: usize = 1024;

/// When a client whose place was taken may come back: not today.
const NOT_TODAY: Duration = Duration::from_secs(24 * 60 * 60);

impl<K: Key> Hub<K> {
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
            let tally = Arc::clone(&topic) as _;
            let feed = Subscription { hub: Arc::clone(self), topic, seat, start };
            // Under the registry's lock, so that whoever completes the key next finds it counted.
            plan.unwanted.extend(conn.follow(Box::new(feed), tally).err());
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
