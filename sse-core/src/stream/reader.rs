//! The reading side of one connection: what a poll finds, and the short ways to it.

use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;

use super::{awaited::Awaited, output::Output, timing::Timing, window::Window};
#[cfg(any(feature = "http", test))]
use crate::close_reason::CloseReason;
use crate::{
    emitter::{Conn, Cursors, Kind, Queue, Queued, STATE, TICK, never},
    event::{EventId, GapReason, KEEP_ALIVE_COMMENT, SseEvent, frame_with_id},
    log::{Missed, Offset, Position, Read, Source},
    sync::Arc,
};

/// The end of a connection that is not ending.
const NOT_ENDING: Offset = Offset::LAST;

/// The reading side of one connection. Owns its cursors; nobody else moves them.
pub(super) struct Reader {
    pub(super) conn: Arc<Conn>,
    pub(super) cursors: Cursors,
    /// Taken over from the connection's queue, in order.
    pub(super) local: Queue,
    /// Shared events up to here are still written; all, unless the connection is ending. Not an
    /// `Option`, because there are many readers.
    pub(super) until: Offset,
    /// The position of the last shared event that was given out.
    pub(super) position: Position,
    /// Where it stood before the first, as far as that is known; nowhere, once positions began anew.
    pub(super) began: Position,
    /// The cursor that it came from.
    pub(super) of: usize,
    /// Whether the client got the event at `position`, and not only stands there.
    pub(super) got: bool,
    pub(super) aside: Option<Box<Aside>>,
    /// The connection's queue holds more.
    pub(super) queued: bool,
    /// Something was left for the next poll.
    pub(super) more: bool,
    pub(super) at_end: bool,
    /// The state of one of its keys can be asked for.
    has_state: bool,
    /// Whether it reads nothing before it has got the state of its keys: then there is an [`Awaited`].
    pub(super) waits: bool,
    /// Whether it follows one log and there is nothing else to look at: set at the end of each poll by the rules.
    usual: bool,
    /// A clone of the waker that `conn` has, to be compared without a lock.
    waker: Option<Waker>,
    pub(super) timing: Option<Timing>,
    window: Window,
}

/// Events that the client does not get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    pub(super) source: Source,
    /// The cursor that they were lost to.
    pub(super) cursor: usize,
    pub(super) reason: GapReason,
    pub(super) missed: Missed,
    /// Where the last of them stood; [`Position::ZERO`] if the client is to be told at once.
    pub(super) position: Position,
}

/// What only few readers have.
#[derive(Default)]
pub(super) struct Aside {
    /// An id that the client holds and that is no position: the program gave it to this connection
    /// alone, or the client came with it. And where it got it.
    pub(super) own: Option<(EventId, Position)>,
    /// What the client does not get and was not told of yet.
    pub(super) lost: Vec<Lost>,
    /// What has to be there before anything is read.
    pub(super) renewal: Option<Awaited>,
}

impl Reader {
    pub(super) fn new(conn: Arc<Conn>) -> Self {
        Self {
            conn,
            cursors: Cursors::new(),
            local: Queue::default(),
            until: NOT_ENDING,
            position: Position::ZERO,
            began: Position::ZERO,
            of: 0,
            got: false,
            aside: None,
            queued: false,
            more: false,
            at_end: false,
            has_state: false,
            waits: false,
            usual: false,
            waker: None,
            timing: None,
            window: Window::default(),
        }
    }

    /// Whether the response is about to begin, and nobody who leads a drain knows of it.
    #[cfg(all(feature = "http", feature = "tracing"))]
    pub(super) fn begins_unknown(&self) -> bool {
        self.timing.is_none() && !self.conn.settings().carried
    }

    pub(super) fn is_ending(&self) -> bool {
        self.until != NOT_ENDING
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Whether the program ended the connection with an error, or the state could not be had.
    #[cfg(feature = "http")]
    pub(super) fn has_failed(&self) -> bool {
        self.conn.lifecycle().closed() == Some(CloseReason::Failed)
    }

    /// Whether there is nothing to do but wait, for the task that is registered. A server polls three times for each
    /// event: this is one atomic load.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        !self.more && self.conn.is_quiet()
    }

    /// Whether this is the task that is woken.
    #[inline]
    pub(super) fn is_registered(&self, cx: &Context<'_>) -> bool {
        self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// What nearly every poll of the registered task finds: one log has something new, and nothing else is to be looked
    /// at. `None` if it is not that, and nothing was done.
    #[inline]
    pub(super) fn poll_shared(&mut self) -> Option<Bytes> {
        if !self.usual {
            return None;
        }
        let Self { conn, cursors, timing: Some(timing), window, .. } = self else { return None };
        let [cursor] = &mut **cursors else { return None };
        if !conn.take_shared() {
            return None;
        }
        match cursor.read(Offset::LAST, conn.sign(STATE)) {
            Read::Piece(piece) => {
                timing.wrote_at(piece.at);
                (self.position, self.got) = (piece.position, true);
                (self.more, self.usual) = (piece.more, !piece.more);
                if window.give(piece.bytes.len()) {
                    self.usual = false;
                }
                Some(piece.bytes)
            }
            // Looked at by the rules.
            Read::Careful => {
                (self.more, self.usual) = (true, false);
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
            if let Some(timing) = &mut self.timing {
                timing.moved(&self.conn);
            }
        }
        ready!(self.window.poll_room(cx, self.more));
        let mut out = Output::default();
        // Firefox opens a stream with its first bytes, and some proxies pass on its head with them.
        let opening = self.timing.is_none();
        if opening {
            self.start(&mut out);
        }
        let mut silent = false;
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
        } else if (silent || opening) && out.is_empty() {
            out.push(KEEP_ALIVE_COMMENT);
        }
        self.usual = self.is_usual();
        let at = out.at;
        match out.finish() {
            Some(bytes) => {
                if let Some(timing) = &mut self.timing {
                    timing.wrote(at);
                }
                self.usual &= !self.window.give(bytes.len());
                Poll::Ready(Some(bytes))
            }
            None if self.at_end => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Whether it follows one log and there is nothing else to look at.
    fn is_usual(&self) -> bool {
        let alone = self.cursors.len() == 1 && self.local.is_empty() && !self.queued;
        alone && !self.is_ending() && !self.more && !self.waits
    }

    /// Begins the response: its clocks start.
    fn start(&mut self, out: &mut Output) {
        let settings = self.conn.settings();
        self.timing = Some(Timing::start(&self.conn, &settings));
        if let Some(retry) = settings.retry
            && let Ok(retry) = SseEvent::builder().retry(retry.get()).build()
        {
            out.push(retry.encode());
        }
        if self.conn.head_goes_out() {
            // Nobody was there who could answer without content.
            out.push(never().encode());
        }
        self.more = true;
    }

    /// Handles a timer that fired. Whether a keep-alive comment is due.
    fn tick(&mut self) -> bool {
        let Some(timing) = &mut self.timing else { return false };
        let due = timing.due(&self.conn);
        if due.timeout {
            self.conn.time_out();
        }
        due.keep_alive
    }

    fn collect(&mut self, bits: u32, out: &mut Output) {
        if bits & STATE != 0 {
            self.take_over();
            if self.has_state {
                self.begin_anew();
            }
            if self.is_ending() && self.conn.was_given_up() {
                return self.end_as_given_up(out);
            }
        }
        if self.waits && !self.is_renewed(out) {
            return;
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
        match cursor.read(self.until, conn.sign(STATE)) {
            Read::Careful => return false,
            Read::Nothing => {}
            Read::Piece(piece) => {
                if out.is_empty() {
                    out.at = Some(piece.at);
                }
                (self.position, self.got) = (piece.position, true);
                self.more = piece.more;
                out.push(piece.bytes);
            }
        }
        if self.is_ending() && !self.more {
            self.give_all(out);
            self.at_end = true;
        }
        true
    }

    /// Takes over what the connection has got since the last time. What is left there, from which
    /// offset on, has to wait.
    pub(super) fn take_over(&mut self) -> Option<Offset> {
        let update = self.conn.take_queue(&mut self.local);
        let has_new = !update.cursors.is_empty();
        self.has_state |= update.cursors.iter().any(|cursor| cursor.has_state());
        if self.position == self.began {
            // One that waited for its logs learns later where it begins.
            let cursors = self.cursors.iter().chain(&*update.cursors);
            let starts = cursors.filter(|cursor| cursor.is_in_order()).map(|cursor| cursor.start());
            self.began = starts.min().unwrap_or(self.position);
            self.position = self.began;
        }
        if self.cursors.is_empty() {
            self.cursors = update.cursors;
        } else {
            self.cursors.extend(update.cursors);
        }
        if has_new && self.has_state {
            self.begin_anew();
        }
        self.until = update.until.unwrap_or(NOT_ENDING);
        self.queued = update.queued.is_some();
        update.queued
    }

    /// Whether nothing waits for this connection alone but what ends its stream.
    pub(super) fn has_only_farewell(&self) -> bool {
        self.local.first().is_none_or(|first| first == Offset::LAST)
    }

    /// Gives out what is for this connection alone and comes before `offset`.
    pub(super) fn give_local(&mut self, offset: Offset, out: &mut Output) {
        while self.local.first().is_some_and(|first| first < offset)
            && let Some(queued) = self.local.pop()
        {
            self.give(queued, out);
        }
    }

    /// Gives out everything that is for this connection alone.
    pub(super) fn give_all(&mut self, out: &mut Output) {
        while let Some(queued) = self.local.pop() {
            self.give(queued, out);
        }
    }

    fn give(&mut self, queued: Queued, out: &mut Output) {
        if matches!(queued.kind, Kind::Anew) {
            (self.position, self.got, self.began) = (Position::ZERO, false, Position::LAST);
            if let Some(aside) = &mut self.aside {
                aside.own = None;
                aside.lost.clear();
            }
        }
        let frame = match (queued.kind, self.client_id()) {
            (Kind::Control | Kind::Anew, Some(id)) => frame_with_id(&queued.frame, &id),
            (Kind::Event(Some(id)), _) => {
                self.holds(id);
                queued.frame
            }
            _ => queued.frame,
        };
        if !frame.is_empty() {
            out.push(frame);
        }
    }

    /// Notes an id that the client holds and that is no position.
    pub(super) fn holds(&mut self, id: EventId) {
        self.aside.get_or_insert_default().own = Some((id, self.position));
    }

    /// The id that the client holds; if it holds none, the one that it should.
    pub(super) fn client_id(&self) -> Option<EventId> {
        let own = self.aside.as_ref().and_then(|aside| aside.own.as_ref());
        match own {
            Some((id, at)) if *at == self.position => Some(id.clone()),
            _ if self.is_nowhere() => None,
            _ => self.cursors.get(self.of).map(|cursor| cursor.id_at(self.position, self.got)),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.cursors.clear();
        self.conn.finish(false);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{
        emitter::{ConnSettings, SHARED},
        event::{EventId, GapReason},
        log::{
            Bounds, Cursor, Lag, Log, Overtaken, ReaderId, ReceiverCount, Record, Sign, Source,
            Until, clock,
        },
        sync::plain::{self, Mutex, MutexGuard},
    };

    /// A log, and the one reader it has.
    struct OneLog {
        log: Arc<Mutex<Log<()>>>,
        id: ReaderId,
    }

    impl OneLog {
        fn log(&self) -> MutexGuard<'_, Log<()>> {
            plain::lock(&self.log)
        }
    }

    impl Cursor for OneLog {
        fn read(&mut self, until: Offset, sign: Sign<'_>) -> Read {
            if sign.is_given() || self.log().is_overtaken(self.id) {
                return Read::Careful;
            }
            self.log().read(self.id, until).map_or(Read::Nothing, Read::Piece)
        }

        fn overtaken(&mut self, apart: usize) -> Option<(GapReason, Overtaken)> {
            self.log().overtaken(self.id, apart)
        }

        fn peek(&mut self, until: Until, budget: usize) -> (Vec<Record>, bool) {
            self.log().peek(self.id, until, budget)
        }

        fn advance_past(&mut self, position: Position) {
            self.log().advance_past(self.id, position);
        }

        fn newest_by_name(&mut self, until: Until) -> (Vec<Record>, u64) {
            self.log().newest_by_name(self.id, until)
        }

        fn source(&self) -> Source {
            Source::of(&*self.log)
        }

        fn watermark(&self) -> Position {
            Position::LAST
        }

        fn sync_watermark(&self) {}

        fn start(&self) -> Position {
            Position::ZERO
        }

        fn next_position(&self) -> Option<Position> {
            self.log().next_position(self.id)
        }

        fn is_in_order(&self) -> bool {
            true
        }

        fn id_at(&self, position: Position, _: bool) -> EventId {
            EventId::try_from(position.get().to_string()).unwrap()
        }

        fn lag(&self) -> Lag {
            Lag::Gap
        }
    }

    impl ReceiverCount for OneLog {
        fn opened(&self) {}
        fn closed(&self) {}
    }

    struct Setup {
        conn: Arc<Conn>,
        reader: Reader,
        log: Arc<Mutex<Log<()>>>,
    }

    impl Setup {
        fn new() -> Self {
            let conn = Arc::new(Conn::new(ConnSettings::default()));
            let log = Arc::new(Mutex::new(Log::new(Position::ZERO)));
            let id = {
                let mut log = plain::lock(&log);
                let end = log.end();
                log.join(Arc::new(()), end)
            };
            let cursor = |id| OneLog { log: Arc::clone(&log), id };
            assert!(conn.follow(Box::new(cursor(id)), Arc::new(cursor(id))).is_ok());
            let reader = Reader::new(Arc::clone(&conn));
            Self { conn, reader, log }
        }

        fn append(&self, text: &str) {
            let offset = clock::next();
            let record = Record {
                offset,
                position: offset.into(),
                frame: SseEvent::data(text).encode(),
                name: None,
                own_id: None,
                at: Instant::now(),
            };
            plain::lock(&self.log).append(record, &Bounds::default());
            self.conn.notify(SHARED);
        }

        /// The data of all events that one poll gives out, as any body's poll does.
        fn poll(&mut self) -> Option<String> {
            let mut cx = Context::from_waker(Waker::noop());
            let is_registered = self.reader.is_registered(&cx);
            if is_registered && self.reader.is_idle() {
                return None;
            }
            let bytes = match is_registered.then(|| self.reader.poll_shared()).flatten() {
                Some(bytes) => bytes,
                None => match self.reader.poll(&mut cx) {
                    Poll::Ready(bytes) => bytes?,
                    Poll::Pending => return None,
                },
            };
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
            Some(data.collect::<Vec<_>>().join(" "))
        }
    }

    #[test]
    fn all_that_waits_comes_at_once_and_then_nothing() {
        let mut setup = Setup::new();
        assert_eq!(setup.poll().unwrap(), "", "it opens without an event");
        assert_eq!(setup.poll(), None);
        setup.append("a");
        setup.append("b");
        assert_eq!(setup.poll().unwrap(), "a b");
        assert_eq!(setup.poll(), None);
    }

    #[test]
    fn an_own_event_comes_in_its_place_among_the_shared_ones() {
        let mut setup = Setup::new();
        setup.poll();
        setup.append("a");
        setup.conn.try_send("own").unwrap();
        setup.append("b");
        assert_eq!(setup.poll().unwrap(), "a own b");
    }

    #[test]
    fn what_came_before_the_end_comes_with_it_and_nothing_after() {
        let mut setup = Setup::new();
        setup.poll();
        setup.append("before");
        setup.conn.close(CloseReason::Completed, Some(SseEvent::data("farewell")));
        setup.append("after");
        assert_eq!(setup.poll().unwrap(), "before farewell");
        assert!(setup.reader.is_at_end());
    }

    #[test]
    fn a_reader_that_was_overtaken_is_told_before_it_reads_on() {
        let mut setup = Setup::new();
        setup.poll();
        (0..=Bounds::default().history.events.max(Bounds::default().backlog_events))
            .for_each(|n| setup.append(&n.to_string()));
        let all = setup.poll().unwrap();
        assert!(all.starts_with("{\"reason\":\"lagged\",\"missed\":1} 1 2 "), "{all}");
    }
}
