//! Reading the logs and the queue of one connection in one order, and its time.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{output::Output, timing::Timing};
use crate::{
    CloseReason, Lag, SseEvent, bye,
    emitter::{Conn, LAST, Queued, STATE, TICK},
    emitters::{Feed, READ_BYTES, Read, Record, clock},
    event::{GapReason, gap},
    observe,
    sync::Arc,
};

/// What keeps proxies and peers from taking silence for death.
const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// As where a connection ends that does not.
const NOT_ENDING: u64 = u64::MAX;

/// The reading side of one connection. Owns its cursors; nobody else moves them.
pub(super) struct Reader {
    conn: Arc<Conn>,
    feeds: Vec<Box<dyn Feed>>,
    /// Taken over from the connection's queue, in order.
    local: VecDeque<Queued>,
    /// Shared events up to here are still written; all, unless the connection is ending. Not an
    /// `Option`, because there are many readers.
    until: u64,
    /// The offset of the last shared event that was given out.
    position: u64,
    /// The connection's queue holds more.
    queued: bool,
    /// Something was left for the next poll.
    more: bool,
    at_end: bool,
    /// What `conn` has, to compare without a lock.
    waker: Option<Waker>,
    timing: Option<Timing>,
}

/// What one feed has to give in one round.
struct Batch {
    records: Vec<Record>,
    /// Nothing else waits below the limit.
    all: bool,
}

impl Reader {
    pub(super) fn new(conn: Arc<Conn>) -> Self {
        Self {
            conn,
            feeds: Vec::new(),
            local: VecDeque::new(),
            until: NOT_ENDING,
            position: 0,
            queued: false,
            more: false,
            at_end: false,
            waker: None,
            timing: None,
        }
    }

    fn is_ending(&self) -> bool {
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
        let Self { conn, feeds, local, until: NOT_ENDING, queued: false, more: false, .. } = self
        else {
            return None;
        };
        let ([feed], true) = (&mut **feeds, local.is_empty()) else { return None };
        let timing = self.timing.as_mut()?;
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
            || !conn.take_shared()
        {
            return None;
        }
        match feed.read(u64::MAX, &|| !conn.has(STATE)) {
            Read::Piece(piece) => {
                self.position = piece.offset;
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
            self.feeds.clear();
            self.conn.finish(true);
        } else if silent && out.is_empty() {
            out.push(KEEP_ALIVE);
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
        let only_farewell = self.local.front().is_none_or(|queued| queued.offset == LAST);
        let [feed] = &mut *self.feeds else { return false };
        if self.queued || !only_farewell {
            return false;
        }
        let conn = &self.conn;
        match feed.read(self.until, &|| !conn.has(STATE)) {
            Read::Careful => return false,
            Read::Nothing => {}
            Read::Piece(piece) => {
                if out.is_empty() {
                    out.at = Some(piece.at);
                }
                self.position = piece.offset;
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

    /// One round over all logs and the queue, in order of offsets.
    ///
    /// The clock is read first. Whatever was queued for this connection alone at an offset up to
    /// there is then found in the queue, because queueing takes the offset under the queue's lock;
    /// and a shared event that was published before it is then found in its log. What has a later
    /// offset waits for the next round.
    fn merge(&mut self, out: &mut Output) {
        let now = clock::last();
        let queued = self.take_over();
        let before_queued = queued.map_or(u64::MAX, |offset| offset.saturating_sub(1));
        let mut limit = now.min(self.until).min(before_queued);
        // Across logs only what every publisher up to here has appended.
        match &*self.feeds {
            [] | [_] => {}
            [first, rest @ ..] if rest.iter().all(|feed| feed.source() == first.source()) => {
                limit = limit.min(first.cut());
            }
            several => several.iter().for_each(|feed| feed.settle()),
        }
        let batches = self.gather(&mut limit, out);
        for feed_and_batch in self.feeds.iter_mut().zip(&batches) {
            let (feed, batch) = feed_and_batch;
            if let Some(last) = batch.records.iter().rev().find(|record| record.offset <= limit) {
                feed.advance_past(last.offset);
            }
        }
        let everything = batches.iter().all(|batch| batch.all);
        self.more |= !everything || self.queued;
        let mut records: Vec<_> = batches
            .into_iter()
            .flat_map(|batch| batch.records)
            .filter(|record| record.offset <= limit)
            .collect();
        records.sort_unstable_by_key(|record| record.offset);
        // An event to all keys has one offset; a connection to several of them gets it once.
        records.dedup_by_key(|record| record.offset);
        for record in records {
            self.give_local(record.offset, out);
            self.position = record.offset;
            out.push(record.frame);
        }
        if everything {
            self.give_local(now.saturating_add(1), out);
        }
        let only_farewell = self.local.front().is_none_or(|queued| queued.offset == LAST);
        // The end may have come after the look at the clock, and events before it.
        let saw_the_end = self.until <= now;
        if saw_the_end && everything && only_farewell && !self.queued {
            self.give_local(u64::MAX, out);
            out_all(&mut self.local, out);
            self.at_end = true;
        } else {
            self.more |= !only_farewell || self.is_ending();
        }
    }

    /// Takes over what the connection has got since the last time. What is left there, from which
    /// offset on, has to wait.
    fn take_over(&mut self) -> Option<u64> {
        let update = self.conn.take_queue(&mut self.local);
        if self.position == 0 {
            self.position = update.feeds.iter().map(|feed| feed.start()).min().unwrap_or(0);
        }
        if self.feeds.is_empty() {
            self.feeds = update.feeds;
        } else {
            self.feeds.extend(update.feeds);
        }
        self.until = update.until.unwrap_or(NOT_ENDING);
        self.queued = update.queued.is_some();
        update.queued
    }

    /// What each log has up to `limit`, which comes down to where the first log was cut short.
    fn gather(&mut self, limit: &mut u64, out: &mut Output) -> Vec<Batch> {
        let budget = (READ_BYTES / self.feeds.len().max(1)).max(1);
        let mut batches = Vec::with_capacity(self.feeds.len());
        let mut behind = Vec::new();
        for index in 0..self.feeds.len() {
            let feed = &mut self.feeds[index];
            let overtaken = feed.overtaken();
            let lag = feed.lag();
            let closes = lag == Lag::Close && !self.is_ending();
            if let (Some(overtaken), [_], false) = (overtaken, &*self.feeds, closes) {
                // It is told: nothing to tell again when it comes back from here.
                self.position = self.position.max(overtaken.offset);
            }
            match (overtaken, lag) {
                // One that is ending anyway gets what there still is.
                (Some(overtaken), Lag::Close) if closes => {
                    observe::lagged(overtaken.missed);
                    self.conn.begin_end(CloseReason::Lagged, Some(bye(CloseReason::Lagged, None)));
                    // What is its own it still gets, and can come back from.
                    self.give_local(LAST, out);
                    self.take_over();
                    self.give_local(LAST, out);
                    self.feeds.clear();
                    return Vec::new();
                }
                (Some(overtaken), Lag::Latest) => {
                    behind.push((index, overtaken.missed));
                    batches.push(Batch { records: Vec::new(), all: true });
                    continue;
                }
                (Some(overtaken), Lag::Gap | Lag::Close) => {
                    observe::lagged(overtaken.missed);
                    observe::gap("lagged", Some(overtaken.missed));
                    out.push(gap(GapReason::Lagged, Some(overtaken.missed)).encode());
                }
                (None, _) => {}
            }
            let (records, all) = self.feeds[index].peek(*limit, budget);
            if !all && let Some(last) = records.last() {
                *limit = last.offset.min(*limit);
            }
            batches.push(Batch { records, all });
        }
        for (index, overtaken) in behind {
            let (records, passed) = self.feeds[index].newest_by_name(*limit);
            observe::lagged(overtaken);
            observe::gap("latest", Some(overtaken + passed));
            out.push(gap(GapReason::Latest, Some(overtaken + passed)).encode());
            batches[index] = Batch { records, all: true };
        }
        batches
    }

    /// Gives out what is for this connection alone and comes before `offset`.
    fn give_local(&mut self, offset: u64, out: &mut Output) {
        while self.local.front().is_some_and(|queued| queued.offset < offset)
            && let Some(queued) = self.local.pop_front()
        {
            if let Some(id) = &queued.id {
                self.feeds.iter().for_each(|feed| feed.mark(id, self.position));
            }
            out.push(queued.frame);
        }
    }
}

fn out_all(local: &mut VecDeque<Queued>, out: &mut Output) {
    for queued in local.drain(..) {
        out.push(queued.frame);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feeds.clear();
        self.conn.finish(false);
    }
}
