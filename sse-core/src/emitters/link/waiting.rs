//! A connection whose logs are not complete yet: it counts, and reads nothing.
//!
//! It has a cursor at each of its logs from the beginning, so that nothing which comes meanwhile is dropped before it
//! was planned, and a gate before them. Once the node says that its logs are complete it is decided where it begins, as
//! for any connection; what it has to be told is queued, and the gate opens.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::{
        cursor::TopicCursor,
        hub::{Hub, Key},
        last_event_id::LastEventId,
        one_per_key::come_back,
        seat::{Seat, refuse},
        snapshot::{Of, Renewing},
        topic::Topic,
    },
    claims::replace,
    disconnecting::Call,
    sink::KeySink,
    to::Link,
    topic::{TopicLink, address},
};
use crate::{
    backplane::{self, After, Epoch, Joined, Position, Waiter},
    emitter::Conn,
    event::{EventId, GapReason},
    log::{Cursor, Lag, Offset, Overtaken, Read, Record, Sign, Source, State, Until},
    spread,
    sync::{Arc, lock_std},
};

/// When a client comes back whose logs could not be had: soon, and not all at once.
const COME_BACK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const GONE: u8 = 2;

/// What is between a waiting connection and its logs.
#[derive(Debug)]
pub(in crate::emitters) struct Gate {
    state: AtomicU8,
    /// The position that its reader begins after, once that is known.
    start: AtomicU64,
    /// The reader begins with the state of its keys.
    anew: AtomicBool,
    /// By which number the node knows it.
    waiter: OnceLock<u64>,
}

impl Gate {
    fn new(start: Position) -> Self {
        Self {
            state: AtomicU8::new(CLOSED),
            start: AtomicU64::new(start.get()),
            anew: AtomicBool::new(false),
            waiter: OnceLock::new(),
        }
    }

    /// Its client cannot go on from where it was. Said before the gate opens.
    pub(in crate::emitters) fn begin_anew(&self) {
        self.anew.store(true, Ordering::Release);
    }

    /// What is queued for the connection is queued: now it reads.
    pub(in crate::emitters) fn open(&self) {
        let _ = self.state.compare_exchange(CLOSED, OPEN, Ordering::AcqRel, Ordering::Acquire);
    }

    fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }
}

/// A cursor behind a gate.
struct GatedCursor<K: Key> {
    cursor: TopicCursor<K>,
    gate: Arc<Gate>,
    conn: usize,
    /// It was asked whether it begins with the state, after the gate had opened.
    asked: bool,
}

impl<K: Key> GatedCursor<K> {
    fn may_read(&self) -> bool {
        self.gate.is_open() && (self.asked || !self.gate.anew.load(Ordering::Acquire))
    }
}

impl<K: Key> Cursor for GatedCursor<K> {
    fn read(&mut self, until: Offset, sign: Sign<'_>) -> Read {
        if self.may_read() { self.cursor.read(until, sign) } else { Read::Nothing }
    }

    fn overtaken(&mut self, apart: usize) -> Option<(GapReason, Overtaken)> {
        self.may_read().then(|| self.cursor.overtaken(apart)).flatten()
    }

    fn peek(&mut self, until: Until, budget: usize) -> (Vec<Record>, bool) {
        if self.may_read() { self.cursor.peek(until, budget) } else { (Vec::new(), true) }
    }

    fn advance_past(&mut self, position: Position) {
        self.cursor.advance_past(position);
    }

    fn newest_by_name(&mut self, until: Until) -> (Vec<Record>, u64) {
        if self.may_read() { self.cursor.newest_by_name(until) } else { (Vec::new(), 0) }
    }

    fn source(&self) -> Source {
        self.cursor.source()
    }

    fn watermark(&self) -> Position {
        self.cursor.watermark()
    }

    fn sync_watermark(&self) {
        self.cursor.sync_watermark();
    }

    fn start(&self) -> Position {
        Position::new(self.gate.start.load(Ordering::Acquire))
    }

    fn next_position(&self) -> Option<Position> {
        if self.may_read() { self.cursor.next_position() } else { None }
    }

    fn is_in_order(&self) -> bool {
        self.cursor.is_in_order()
    }

    fn id_at(&self, position: Position, got: bool) -> EventId {
        self.cursor.id_at(position, got)
    }

    fn lag(&self) -> Lag {
        self.cursor.lag()
    }

    fn has_state(&self) -> bool {
        self.cursor.has_state()
    }

    fn begins_anew(&mut self) -> bool {
        if self.asked || !self.gate.is_open() {
            return false;
        }
        self.asked = true;
        self.gate.anew.load(Ordering::Acquire)
    }

    fn renew(&mut self, waker: &Waker) -> Option<Instant> {
        self.cursor.renew(waker)
    }

    fn poll_state(&mut self, waker: &Waker) -> Poll<Option<State>> {
        self.cursor.poll_state(waker)
    }
}

impl<K: Key> Drop for GatedCursor<K> {
    fn drop(&mut self) {
        let before = self.gate.state.swap(GONE, Ordering::AcqRel);
        // At each of its keys, not only at the first that it leaves.
        if before != OPEN
            && let Some(link) = &self.cursor.topic.link
        {
            link.stop_waiting(self.conn);
        }
        if before == CLOSED
            && let (Some(link), Some(waiter)) = (&self.cursor.hub.link, self.gate.waiter.get())
        {
            link.node().shared().stop_waiting(*waiter);
        }
    }
}

/// A connection that waits.
struct Waiting<K: Key> {
    hub: Arc<Hub<K>>,
    conn: Arc<Conn>,
    seats: Vec<Seat<K>>,
    last: LastEventId,
    has_state: bool,
    /// In which epoch it came.
    epoch: Epoch,
    gate: Arc<Gate>,
}

impl<K: Key> Waiter for Waiting<K> {
    fn plan(&self, after: &mut After) {
        let all = self.hub.all_shards();
        // Of another epoch everything came later.
        let same_epoch = self.epoch == self.hub.epoch();
        let mut since = Vec::with_capacity(self.seats.len());
        for Seat { topic, .. } in &self.seats {
            let known = topic.link.as_ref().and_then(|l| l.stop_waiting(address(&self.conn)));
            since.push(known.filter(|_| same_epoch).unwrap_or(Position::ZERO));
        }
        if self.gate.state.load(Ordering::Acquire) == GONE {
            return;
        }
        let now = Instant::now();
        let opening = self.hub.plan(&self.seats, &self.last, self.has_state, &since, now);
        drop(all);
        self.gate.start.store(opening.start.get(), Ordering::Release);
        let (hub, conn, gate) =
            (Arc::clone(&self.hub), Arc::clone(&self.conn), Arc::clone(&self.gate));
        let last = self.last.clone();
        after.then(move || {
            hub.tell(&conn, opening, &last, Some(&gate));
            conn.end_waiting();
        });
    }

    fn refuse(&self, after: &mut After) {
        let (conn, last) = (Arc::clone(&self.conn), self.last.clone());
        after.then(move || {
            refuse(&conn, &last, Some(spread::jittered(COME_BACK.0, COME_BACK.1)));
            conn.end_waiting();
        });
    }
}

impl<K: Key> Hub<K> {
    /// A connection to keys of a backplane: at once if their logs are complete here, and otherwise once they are.
    pub(in crate::emitters) fn attach_linked(
        self: &Arc<Self>,
        link: &Link<K>,
        conn: &Arc<Conn>,
        keys: Vec<K>,
        last: &LastEventId,
        own: Option<&Of<K>>,
    ) {
        let mut named = Vec::with_capacity(keys.len());
        for key in keys {
            let Ok(name) = link.name(&key) else {
                return refuse(conn, last, Some(spread::A_DAY));
            };
            named.push((key, name));
        }
        // A key may be forgotten between the look for it and the lock: then it is looked for again.
        while !self.attach_named(link, conn, &named, last, own) {}
    }

    /// Says whether all keys were still there.
    fn attach_named(
        self: &Arc<Self>,
        link: &Link<K>,
        conn: &Arc<Conn>,
        named: &[(K, backplane::Topic)],
        last: &LastEventId,
        own: Option<&Of<K>>,
    ) -> bool {
        let topic = |(key, name): &(K, backplane::Topic)| {
            let of_topic = || Some(Box::new(TopicLink::new(name.clone())));
            (self.find_or_link(key, of_topic), name.clone())
        };
        let mut named: Vec<_> = named.iter().map(topic).collect();
        let mut were_there = true;
        let mut in_vain = Vec::new();
        link.node().shared().join(|joining| {
            let mut all = self.all_shards();
            let now = Instant::now();
            let inserted = conn.has_followed();
            if inserted {
                named.retain(|((topic, _), _)| !Self::follows(conn, topic));
            }
            were_there = named.iter().all(|((topic, _), _)| topic.is_current());
            if named.is_empty() || !conn.is_open() || !were_there {
                in_vain.extend(named.drain(..).map(|(topic, _)| topic));
                return;
            }
            all.iter_mut().for_each(|registry| registry.sweep(self.bounds(), now));
            let mut replaced = Vec::new();
            let topics = named.iter().map(|((topic, _), _)| &**topic);
            if !self.is_admitted(topics, &mut replaced) {
                in_vain.extend(named.drain(..).map(|(topic, _)| topic));
                let (conn, last) = (Arc::clone(conn), last.clone());
                joining.after.then(move || refuse(&conn, &last, Some(come_back())));
                return;
            }
            let known = (self.epoch(), self.newest());
            let mut waits = self.is_suspicious(last);
            let mut seats = Vec::with_capacity(named.len());
            let mut names = Vec::with_capacity(named.len());
            for ((topic, _), name) in named.drain(..) {
                let sink = || Arc::new(KeySink::new(Arc::downgrade(self), Arc::clone(&topic))) as _;
                waits |= joining.join(&name, link.owner, sink) == Joined::Waits;
                let id = {
                    let mut log = topic.log();
                    let end = log.end();
                    if self.config.one_per_key.is_some() {
                        log.hold(conn);
                    }
                    log.join(Arc::clone(conn), end)
                };
                all.of(topic.hash).joined(&topic);
                self.note_disconnect(link, &topic, &name, conn);
                if self.config.one_per_key.is_some() {
                    self.claim(&topic, conn, joining.after);
                }
                names.push(name);
                seats.push(Seat { topic, id });
            }
            if !replaced.is_empty() {
                joining.after.then(move || replace(&replaced));
            }
            if waits {
                self.wait(link, joining, conn, seats, &names, (last, own), known, inserted);
            } else {
                let has_state = own.is_some() || self.snapshots.of.is_some();
                let mut opening = self.plan(&seats, last, has_state, &[], now);
                for Seat { topic, id } in seats {
                    let (count, start) = (Arc::clone(&topic) as _, opening.start);
                    let state = Renewing::new(self, own, opening.anew);
                    let cursor =
                        TopicCursor { hub: Arc::clone(self), topic, id, start, inserted, state };
                    opening.unwanted.extend(conn.follow(Box::new(cursor), count).err());
                }
                let (hub, conn, last) = (Arc::clone(self), Arc::clone(conn), last.clone());
                joining.after.then(move || hub.tell(&conn, opening, &last, None));
            }
            all.iter_mut().for_each(|registry| self.plan_sweep(registry, now));
            drop(all);
            let evicted = self.relieve_later(now);
            if !evicted.is_empty() {
                let hub = Arc::clone(self);
                joining.after.then(move || hub.evict(&evicted));
            }
        });
        self.let_go(&in_vain);
        were_there
    }

    /// A disconnect that this node asked for before is not for this connection. Whether it is still to come nobody knows
    /// where the store has answered more than its feed has brought.
    fn note_disconnect(
        &self,
        link: &Link<K>,
        topic: &Topic<K>,
        name: &backplane::Topic,
        conn: &Arc<Conn>,
    ) {
        let answered = self.newest();
        let call = link.disconnecting.newest(name);
        let call = call.or_else(|| (answered > self.watermark()).then(|| Call::at(answered)));
        if let (Some(call), Some(link)) = (call, &topic.link) {
            lock_std(&link.state).came_after(conn, call, self.watermark());
        }
    }

    /// Has this client seen what this node has not, or does it name an epoch that this node does not know? Then
    /// how far the store is has to be found out: a node may know less than its client.
    fn is_suspicious(&self, last: &LastEventId) -> bool {
        last.token()
            .is_some_and(|token| token.epoch != self.epoch() || token.position > self.watermark())
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `attach_linked`")]
    fn wait(
        self: &Arc<Self>,
        link: &Link<K>,
        joining: &mut backplane::Joining<'_>,
        conn: &Arc<Conn>,
        seats: Vec<Seat<K>>,
        names: &[backplane::Topic],
        (last, own): (&LastEventId, Option<&Of<K>>),
        known: (Epoch, Position),
        inserted: bool,
    ) {
        let seen = last.token().filter(|token| token.epoch == known.0);
        let gate = Arc::new(Gate::new(seen.map_or(Position::ZERO, |token| token.position)));
        let mut unwanted = Vec::new();
        conn.begin_waiting();
        for Seat { topic, id } in &seats {
            if let Some(of_topic) = &topic.link {
                of_topic.wait(conn, known.1);
            }
            let cursor = TopicCursor {
                hub: Arc::clone(self),
                topic: Arc::clone(topic),
                id: *id,
                start: Position::ZERO,
                inserted,
                state: Renewing::new(self, own, false),
            };
            let (gate, conn_at) = (Arc::clone(&gate), address(conn));
            let cursor = GatedCursor { cursor, gate, conn: conn_at, asked: false };
            unwanted.extend(conn.follow(Box::new(cursor), Arc::clone(topic) as _).err());
        }
        let waiter = Arc::new(Waiting {
            hub: Arc::clone(self),
            conn: Arc::clone(conn),
            seats,
            last: last.clone(),
            has_state: own.is_some() || self.snapshots.of.is_some(),
            epoch: known.0,
            gate: Arc::clone(&gate),
        });
        let suspicious = self.is_suspicious(last);
        let id = joining.wait(names, link.owner, suspicious, waiter);
        let _ = gate.waiter.set(id);
        // Of a connection that is over: they leave when no lock is held.
        joining.after.then(move || drop(unwanted));
    }
}
