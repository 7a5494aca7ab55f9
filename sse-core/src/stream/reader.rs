//! The reading side of one connection: what a poll finds, and the short ways to it.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{output::Output, timing::Timing};
use crate::{
    emitter::{Conn, Queued, STATE, TICK},
    event::{KEEP_ALIVE_COMMENT, SseEvent},
    log::{Cursor, Offset, Position, Read},
    sync::Arc,
};

/// As where a connection ends that does not.
const NOT_ENDING: Offset = Offset::LAST;

/// The reading side of one connection. Owns its cursors; nobody else moves them.
pub(super) struct Reader {
    pub(super) conn: Arc<Conn>,
    pub(super) cursors: Vec<Box<dyn Cursor>>,
    /// Taken over from the connection's queue, in order.
    pub(super) local: VecDeque<Queued>,
    /// Shared events up to here are still written; all, unless the connection is ending. Not an
    /// `Option`, because there are many readers.
    pub(super) until: Offset,
    /// The position of the last shared event that was given out.
    pub(super) position: Position,
    /// The connection's queue holds more.
    pub(super) queued: bool,
    /// Something was left for the next poll.
    pub(super) more: bool,
    pub(super) at_end: bool,
    /// What `conn` has, to compare without a lock.
    waker: Option<Waker>,
    timing: Option<Timing>,
}

impl Reader {
    pub(super) fn new(conn: Arc<Conn>) -> Self {
        Self {
            conn,
            cursors: Vec::new(),
            local: VecDeque::new(),
            until: NOT_ENDING,
            position: Position::NONE,
            queued: false,
            more: false,
            at_end: false,
            waker: None,
            timing: None,
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.until != NOT_ENDING
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Is there nothing to do but wait? A server polls three times for each event: this is one
    /// atomic load.
    #[inline]
    pub(super) fn is_idle(&self, cx: &Context<'_>) -> bool {
        !self.more && self.conn.is_quiet() && self.is_registered(cx)
    }

    #[inline]
    fn is_registered(&self, cx: &Context<'_>) -> bool {
        self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// What nearly every poll finds: one log has something new, and nothing else is to be looked at.
    /// `None` if it is not that, and nothing was done.
    #[inline]
    pub(super) fn poll_shared(&mut self, cx: &Context<'_>) -> Option<Bytes> {
        let Self { conn, cursors, local, until: NOT_ENDING, queued: false, more: false, .. } = self
        else {
            return None;
        };
        let ([cursor], true) = (&mut **cursors, local.is_empty()) else { return None };
        let timing = self.timing.as_mut()?;
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
            || !conn.take_shared()
        {
            return None;
        }
        match cursor.read(Offset::LAST, &|| !conn.has(STATE)) {
            Read::Piece(piece) => {
                self.position = piece.position;
                self.more = piece.more;
                timing.wrote(Some(piece.at));
                Some(piece.bytes)
            }
            // Looked at by the rules.
            Read::Careful => {
                self.more = true;
                None
            }
            Read::Nothing => None,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.is_registered(cx) {
            // Registered before looking, so that what comes after the look wakes this task.
            self.conn.register(cx.waker());
            self.waker = Some(cx.waker().clone());
        }
        let mut out = Output::default();
        let mut silent = false;
        if self.timing.is_none() {
            self.start(&mut out);
        }
        while out.is_empty() && !self.at_end && !silent && (self.more || !self.conn.is_quiet()) {
            let bits = self.conn.take_bits();
            self.more = false;
            if bits & TICK != 0 {
                silent = self.tick();
            }
            self.collect(bits, &mut out);
        }
        if self.at_end {
            // What was followed is left before the callbacks hear of the end.
            self.cursors.clear();
            self.conn.finish(true);
        } else if silent && out.is_empty() {
            out.push(KEEP_ALIVE_COMMENT);
        }
        let at = out.at;
        match out.finish() {
            Some(bytes) => {
                if let Some(timing) = &mut self.timing {
                    timing.wrote(at);
                }
                Poll::Ready(Some(bytes))
            }
            None if self.at_end => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// The response begins: clocks start.
    fn start(&mut self, out: &mut Output) {
        let settings = self.conn.settings();
        self.timing = Some(Timing::start(&self.conn, &settings));
        if let Some(retry) = settings.retry
            && let Ok(retry) = SseEvent::builder().retry(retry).build()
        {
            out.push(retry.encode());
        }
        self.more = true;
    }

    /// A timer fired: is a keep-alive due?
    fn tick(&mut self) -> bool {
        let Some(timing) = &mut self.timing else { return false };
        let due = timing.due();
        if due.timeout {
            self.conn.time_out();
        }
        due.keep_alive
    }

    fn collect(&mut self, bits: u32, out: &mut Output) {
        if bits & STATE != 0 {
            self.take_over();
        }
        if !self.read_one(out) {
            self.merge(out);
        }
    }

    /// The common case: one log, and nothing for this connection alone but a farewell. `false` if
    /// it is not that case.
    fn read_one(&mut self, out: &mut Output) -> bool {
        let only_farewell = self.has_only_farewell();
        let [cursor] = &mut *self.cursors else { return false };
        if self.queued || !only_farewell {
            return false;
        }
        let conn = &self.conn;
        match cursor.read(self.until, &|| !conn.has(STATE)) {
            Read::Careful => return false,
            Read::Nothing => {}
            Read::Piece(piece) => {
                if out.is_empty() {
                    out.at = Some(piece.at);
                }
                self.position = piece.position;
                self.more = piece.more;
                out.push(piece.bytes);
            }
        }
        if self.is_ending() && !self.more {
            out_all(&mut self.local, out);
            self.at_end = true;
        }
        true
    }

    /// Takes over what the connection has got since the last time. What is left there, from which
    /// offset on, has to wait.
    pub(super) fn take_over(&mut self) -> Option<Offset> {
        let update = self.conn.take_queue(&mut self.local);
        if self.position == Position::NONE {
            let starts = update.cursors.iter().map(|cursor| cursor.start());
            self.position = starts.min().unwrap_or(Position::NONE);
        }
        if self.cursors.is_empty() {
            self.cursors = update.cursors;
        } else {
            self.cursors.extend(update.cursors);
        }
        self.until = update.until.unwrap_or(NOT_ENDING);
        self.queued = update.queued.is_some();
        update.queued
    }

    /// Does nothing wait for this connection alone but what ends its stream?
    pub(super) fn has_only_farewell(&self) -> bool {
        self.local.front().is_none_or(|queued| queued.offset == Offset::LAST)
    }

    /// Gives out what is for this connection alone and comes before `offset`.
    pub(super) fn give_local(&mut self, offset: Offset, out: &mut Output) {
        while self.local.front().is_some_and(|queued| queued.offset < offset)
            && let Some(queued) = self.local.pop_front()
        {
            if let Some(id) = &queued.id {
                self.cursors.iter().for_each(|cursor| cursor.record_own_id(id, self.position));
            }
            out.push(queued.frame);
        }
    }
}

pub(super) fn out_all(local: &mut VecDeque<Queued>, out: &mut Output) {
    for queued in local.drain(..) {
        out.push(queued.frame);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.cursors.clear();
        self.conn.finish(false);
    }
}
