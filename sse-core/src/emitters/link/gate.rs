//! `Gate`: stands between a waiting connection and its logs.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use tokio::time::Instant;

use super::super::{cursor::TopicCursor, hub::Key};
use crate::{
    backplane::Position,
    event::{EventId, GapReason},
    log::{Cursor, Lag, Offset, Overtaken, Read, Record, Sign, Source, State, Until},
    sync::Arc,
};

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const GONE: u8 = 2;

/// A gate before the logs of one connection: closed while it waits.
#[derive(Debug)]
pub(in crate::emitters) struct Gate {
    state: AtomicU8,
    /// The position after which its reader begins, once that is known.
    start: AtomicU64,
    /// The reader begins with the state of its keys.
    anew: AtomicBool,
    /// The number by which the node knows it.
    waiter: OnceLock<u64>,
}

impl Gate {
    /// A closed gate. Its client has seen everything up to `start`.
    pub(super) fn new(start: Position) -> Self {
        Self {
            state: AtomicU8::new(CLOSED),
            start: AtomicU64::new(start.get()),
            anew: AtomicBool::new(false),
            waiter: OnceLock::new(),
        }
    }

    /// Notes that its client cannot go on from where it was. To be called before the gate opens.
    pub(in crate::emitters) fn begin_anew(&self) {
        self.anew.store(true, Ordering::Release);
    }

    /// Opens the gate: everything for the connection is queued, and it reads now.
    pub(in crate::emitters) fn open(&self) {
        let _ = self.state.compare_exchange(CLOSED, OPEN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Notes the number by which the node knows the connection.
    pub(super) fn is_known_as(&self, waiter: u64) {
        let _ = self.waiter.set(waiter);
    }

    /// Notes the position after which the reader begins.
    pub(super) fn begins_after(&self, start: Position) {
        self.start.store(start.get(), Ordering::Release);
    }

    /// Whether the connection has left.
    pub(super) fn is_gone(&self) -> bool {
        self.state.load(Ordering::Acquire) == GONE
    }

    fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) == OPEN
    }
}

/// A cursor behind a gate.
pub(super) struct GatedCursor<K: Key> {
    cursor: TopicCursor<K>,
    gate: Arc<Gate>,
    conn: usize,
    /// Whether it was asked, after the gate had opened, if it begins with the state.
    asked: bool,
}

impl<K: Key> GatedCursor<K> {
    /// A cursor of the connection at the address `conn`.
    pub(super) fn new(cursor: TopicCursor<K>, gate: Arc<Gate>, conn: usize) -> Self {
        Self { cursor, gate, conn, asked: false }
    }

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
