//! One connection: what its sending half, its receiving half and the logs it follows share.
//!
//! Here is its state and what the stream does; `sending` is what comes in, `following` what the logs
//! make of it, `beginning` is for logs that have to be had first, `ending` how it ends and who is told.

mod beginning;
mod ending;
mod following;
mod sending;

use std::{
    fmt,
    task::{Wake, Waker},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

pub(crate) use self::beginning::never;
use super::{
    callbacks::{CallbackQueue, Hooks},
    lifecycle::Lifecycle,
    queue::Queue,
    settings::ConnSettings,
};
use crate::{
    few::Few,
    log::{Cursor, Offset, ReceiverCounts, Sign},
    panics,
    sync::{Arc, AtomicU32, Mutex, Ordering, lock},
    timer::{Nanos, Tick},
};

/// A log that this connection follows has something new.
pub(crate) const SHARED: u32 = 1;
/// Something under `state` changed that the stream must see.
pub(crate) const STATE: u32 = 2;
/// A timer fired.
pub(crate) const TICK: u32 = 4;
/// No later event is for this connection. Never cleared, and nothing for the stream to look at.
const CLOSED: u32 = 8;
/// Somebody asks whether the stream is polled at all; a poll clears it.
pub(crate) const ASKED: u32 = 16;

/// One connection. Publishers touch `bits` and `carrier` alone: in this order, so that both are in
/// the cache line that the reference counts are in.
///
/// There are many, and most of them are silent: what only few have is in a block of its own, and a test says how large this
/// may be.
#[repr(C)]
pub(crate) struct Conn {
    bits: AtomicU32,
    /// How many handles there are on the sending side.
    handles: AtomicU32,
    carrier: Mutex<Carrier>,
    state: Mutex<State>,
    callbacks: CallbackQueue,
}

/// The waker of whoever carries the stream.
#[derive(Default)]
struct Carrier {
    /// Taken out while it is called.
    waker: Option<Waker>,
    /// How many wakers were registered so far.
    registered: u32,
    /// Whether a thread is calling it at this moment.
    waking: bool,
    /// Whether another thread wanted to call it meanwhile.
    again: bool,
}

struct State {
    lifecycle: Lifecycle,
    /// While ending: shared events after this offset are not written.
    until: Offset,
    queue: Queue,
    /// Logs to follow that the stream has not taken over yet.
    cursors: Cursors,
    /// How many followed logs are not complete.
    open_logs: usize,
    has_followed: bool,
    /// Whether the state of a followed key can be asked for.
    renews: bool,
    /// Where this connection counts as one that takes events.
    counts: ReceiverCounts,
    settings: ConnSettings,
    response: IntoResponseState,
    head: Head,
    /// For how many sets of keys it is not known yet where this connection begins.
    waiting: u16,
    hooks: Hooks,
    signals: Option<Arc<Signals>>,
}

/// Both call wakers of the program's, hence no lock is held.
impl Signals {
    /// Wakes those who wait for the close and those who wait for room: no event is accepted any more.
    pub(super) fn tell_closed(&self) {
        panics::contain(|| self.closed.cancel());
        self.tell_room();
    }

    pub(super) fn tell_room(&self) {
        panics::contain(|| self.room.notify_waiters());
    }
}

/// The cursors of one connection: most follow one log, and there are many of them.
pub(crate) type Cursors = Few<Box<dyn Cursor>>;

/// Made when somebody first waits for something.
#[derive(Default)]
pub(crate) struct Signals {
    /// Nothing more is accepted.
    pub(crate) closed: CancellationToken,
    /// The last callback has returned.
    pub(crate) over: CancellationToken,
    /// The queue has room again, or will never have.
    pub(crate) room: Notify,
}

/// What an emitter becomes when it is returned from a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntoResponseState {
    Stream,
    /// 204: everything was said, and the client need not come back.
    NoContent,
    /// It is a response already.
    Taken,
}

/// The state of the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// It is not known to be out.
    Held,
    /// It is to be 204, without content.
    NoContent,
    Out,
}

/// What the stream takes over at once.
pub(crate) struct Update {
    pub(crate) cursors: Cursors,
    /// Set once the connection is ending: shared events up to here are still written.
    pub(crate) until: Option<Offset>,
    /// The offset of the first queued event, if those taken before have to be written first.
    pub(crate) queued: Option<Offset>,
}

impl Conn {
    pub(crate) fn new(settings: ConnSettings) -> Self {
        Self {
            bits: AtomicU32::new(STATE),
            handles: AtomicU32::new(0),
            carrier: Mutex::default(),
            state: Mutex::new(State {
                lifecycle: Lifecycle::Open,
                until: Offset::FIRST,
                queue: Queue::default(),
                cursors: Cursors::new(),
                open_logs: 0,
                has_followed: false,
                renews: false,
                counts: ReceiverCounts::default(),
                settings,
                response: IntoResponseState::Stream,
                head: Head::Held,
                waiting: 0,
                hooks: Hooks::default(),
                signals: None,
            }),
            callbacks: CallbackQueue::default(),
        }
    }

    // Who holds it.

    /// Counts one more handle on the sending side.
    pub(super) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one handle less; the last one ends what only the program can feed.
    pub(super) fn drop_handle(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.senders_dropped();
        }
    }

    // What publishers and timers do.

    /// Marks that there is something to look at, and wakes the stream unless somebody has already.
    /// Says whether the connection still takes events.
    #[inline]
    pub(crate) fn notify(&self, bit: u32) -> bool {
        let before = self.bits.fetch_or(bit, Ordering::AcqRel);
        if before & !CLOSED == 0 {
            self.wake_carrier();
        }
        before & CLOSED == 0
    }

    /// Wakes the stream. The waker is taken out meanwhile: it is not our code, so it is called under no lock. Another
    /// thread that finds it taken out leaves word, and it is called once more.
    #[inline(never)]
    fn wake_carrier(&self) {
        while let Some((waker, registered)) = self.take_waker() {
            // Of whoever carries the stream: the next one's must not notice.
            panics::contain(|| waker.wake_by_ref());
            if !self.put_back(waker, registered) {
                return;
            }
        }
    }

    fn take_waker(&self) -> Option<(Waker, u32)> {
        let mut carrier = lock(&self.carrier);
        let Some(waker) = carrier.waker.take() else {
            // Without anybody who wakes it there is nobody to be woken.
            carrier.again = carrier.waking;
            return None;
        };
        carrier.waking = true;
        Some((waker, carrier.registered))
    }

    /// Puts the waker back. `true` if it is to be called once more.
    fn put_back(&self, waker: Waker, registered: u32) -> bool {
        {
            let mut carrier = lock(&self.carrier);
            if carrier.registered == registered {
                carrier.waking = false;
                carrier.waker = Some(waker);
                return std::mem::take(&mut carrier.again);
            }
        }
        // Another one was registered meanwhile, or the stream is over: who does that looks at all that there is.
        panics::contain(|| drop(waker));
        false
    }

    // What the stream does.

    pub(crate) fn register(&self, waker: &Waker) {
        let waker = Some(waker.clone());
        // Dropped under no lock: it is not ours.
        drop(self.replace_carrier(waker));
    }

    fn replace_carrier(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut carrier = lock(&self.carrier);
        let registered = carrier.registered.wrapping_add(1);
        let new = Carrier { waker, registered, ..Carrier::default() };
        std::mem::replace(&mut *carrier, new).waker
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.bits.load(Ordering::Acquire) & !CLOSED == 0
    }

    pub(crate) fn has(&self, bit: u32) -> bool {
        self.sign(bit).is_given()
    }

    /// A view of this bit, for a log that is read.
    pub(crate) fn sign(&self, bit: u32) -> Sign<'_> {
        Sign { bits: &self.bits, bit }
    }

    /// Whether only a followed log has had something since the last time; if so, that is taken now.
    pub(crate) fn take_shared(&self) -> bool {
        self.bits.compare_exchange(SHARED, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The bits that were set since the last time.
    pub(crate) fn take_bits(&self) -> u32 {
        self.bits.fetch_and(CLOSED, Ordering::AcqRel) & !CLOSED
    }

    /// Takes over what was queued for this connection alone, once `out` is written: so that what
    /// waits stays bounded by twice the capacity.
    pub(crate) fn take_queue(&self, out: &mut Queue) -> Update {
        let (update, signals) = {
            let mut state = lock(&self.state);
            if out.first().is_none_or(|first| first == Offset::LAST) {
                state.queue.move_to(out);
            }
            let until = state.lifecycle.closed().map(|_| state.until);
            let (cursors, queued) = (std::mem::take(&mut state.cursors), state.queue.first());
            (Update { cursors, until, queued }, state.signals.clone())
        };
        if let Some(signals) = signals {
            signals.tell_room();
        }
        update
    }

    pub(crate) fn settings(&self) -> ConnSettings {
        lock(&self.state).settings
    }

    // What the program does.

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        lock(&self.state).lifecycle
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lifecycle() == Lifecycle::Open
    }

    pub(crate) fn configure(
        &self,
        timeout: Option<Duration>,
        keep_alive: Option<Duration>,
        retry: Option<Duration>,
    ) {
        let mut state = lock(&self.state);
        let settings = &mut state.settings;
        settings.timeout = timeout.map(Nanos::of).or(settings.timeout);
        settings.retry = retry.map(Nanos::of).or(settings.retry);
        if let Some(interval) = keep_alive {
            settings.set_keep_alive(Some(interval));
        }
    }

    pub(crate) fn default_keep_alive(&self, interval: Duration) {
        let mut state = lock(&self.state);
        state.settings.carried = true;
        state.settings.set_default_keep_alive(interval);
    }

    pub(crate) fn admit(&self) {
        lock(&self.state).settings.admitted = true;
    }

    /// Makes the connection a response, which it becomes once.
    pub(crate) fn take(&self) -> IntoResponseState {
        let mut state = lock(&self.state);
        std::mem::replace(&mut state.response, IntoResponseState::Taken)
    }
}

/// Whoever waits for something that is to wake this stream.
impl Wake for Conn {
    fn wake(self: Arc<Self>) {
        self.notify(STATE);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify(STATE);
    }
}

impl Tick for Conn {
    fn tick(&self, _: Instant) {
        self.notify(TICK);
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("lifecycle", &self.lifecycle()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering as StdOrdering},
        task::Wake,
    };

    use super::*;
    use crate::{
        close_reason::CloseReason, emitter::error::TrySendError, event::SseEvent, log::clock,
    };

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, StdOrdering::Relaxed);
        }
    }

    fn conn() -> Conn {
        Conn::new(ConnSettings::default())
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_connection_is_small() {
        assert!(size_of::<Conn>() <= 200, "{}", size_of::<Conn>());
    }

    fn frames(out: &Queue) -> Vec<&[u8]> {
        out.iter().map(|queued| &*queued.frame).collect()
    }

    #[test]
    fn several_events_cost_one_wake_up_until_the_stream_looks() {
        let (conn, wakes) = (conn(), Arc::new(Wakes::default()));
        conn.register(&Arc::clone(&wakes).into());
        conn.take_bits();
        assert!(conn.notify(SHARED) && conn.notify(SHARED) && conn.notify(STATE));
        assert_eq!(wakes.0.load(StdOrdering::Relaxed), 1);
        assert_eq!(conn.take_bits(), SHARED | STATE);
        conn.notify(SHARED);
        assert_eq!(wakes.0.load(StdOrdering::Relaxed), 2);
    }

    /// Hands the stream on when it is woken, as a task does that another one takes over from.
    struct HandsOn {
        conn: Arc<Conn>,
        to: Arc<Wakes>,
    }

    impl Wake for HandsOn {
        fn wake(self: Arc<Self>) {
            self.conn.register(&Arc::clone(&self.to).into());
            self.conn.take_bits();
            self.conn.notify(SHARED);
        }
    }

    #[test]
    fn a_waker_that_was_registered_while_another_was_woken_is_the_one_that_stays() {
        let (conn, wakes) = (Arc::new(conn()), Arc::new(Wakes::default()));
        let first = HandsOn { conn: Arc::clone(&conn), to: Arc::clone(&wakes) };
        conn.register(&Arc::new(first).into());
        conn.take_bits();
        for count in 1..3 {
            conn.notify(SHARED);
            assert_eq!(wakes.0.load(StdOrdering::Relaxed), count);
            conn.take_bits();
        }
    }

    /// Somebody else wakes the stream while it is woken, once.
    struct Meanwhile {
        conn: Arc<Conn>,
        wakes: Wakes,
    }

    impl Wake for Meanwhile {
        fn wake(self: Arc<Self>) {
            if self.wakes.0.fetch_add(1, StdOrdering::Relaxed) == 0 {
                self.conn.take_bits();
                self.conn.notify(SHARED);
            }
        }
    }

    #[test]
    fn whoever_comes_while_the_stream_is_woken_has_it_woken_again() {
        let conn = Arc::new(conn());
        let waker = Meanwhile { conn: Arc::clone(&conn), wakes: Wakes::default() };
        let waker = Arc::new(waker);
        conn.register(&Arc::clone(&waker).into());
        conn.take_bits();
        conn.notify(SHARED);
        assert_eq!(waker.wakes.0.load(StdOrdering::Relaxed), 2);
        conn.replace_carrier(None);
    }

    #[test]
    fn a_waker_that_panics_is_woken_the_next_time_too() {
        struct Bomb(Wakes);

        impl Wake for Bomb {
            fn wake(self: Arc<Self>) {
                self.0.0.fetch_add(1, StdOrdering::Relaxed);
                std::panic::panic_any("of the program's");
            }
        }

        let (conn, bomb) = (conn(), Arc::new(Bomb(Wakes::default())));
        conn.register(&Arc::clone(&bomb).into());
        for count in 1..3 {
            conn.take_bits();
            conn.notify(SHARED);
            assert_eq!(bomb.0.0.load(StdOrdering::Relaxed), count);
        }
    }

    #[test]
    fn a_closed_connection_takes_no_event_and_keeps_its_first_reason() {
        let conn = conn();
        assert!(conn.close(CloseReason::TimedOut, None));
        assert!(!conn.close(CloseReason::Completed, None));
        assert!(!conn.notify(SHARED));
        let refused = conn.try_send("late");
        assert!(matches!(refused, Err(TrySendError::Closed { reason: CloseReason::TimedOut, .. })));
    }

    #[test]
    fn what_is_queued_keeps_the_place_at_which_it_came() {
        let conn = conn();
        conn.try_send("first").unwrap();
        let between = clock::next();
        conn.try_send("second").unwrap();
        conn.close(CloseReason::Completed, Some(SseEvent::data("last")));
        let mut out = Queue::default();
        let update = conn.take_queue(&mut out);
        assert_eq!(frames(&out), [&b"data:first\n\n"[..], b"data:second\n\n", b"data:last\n\n"]);
        let offsets: Vec<_> = out.iter().map(|queued| queued.offset).collect();
        assert!(offsets[0] < between && between < offsets[1]);
        assert_eq!(offsets[2], Offset::LAST);
        assert!(update.until.is_some_and(|until| until >= offsets[1]));
    }

    #[test]
    fn the_queue_is_taken_over_once_what_was_taken_before_is_written() {
        let conn = conn();
        conn.try_send("first").unwrap();
        let mut out = Queue::default();
        assert!(conn.take_queue(&mut out).queued.is_none());
        conn.try_send("second").unwrap();
        assert!(conn.take_queue(&mut out).queued.is_some());
        assert_eq!(frames(&out), [b"data:first\n\n"]);
        assert!(out.pop().is_some() && out.is_empty());
        assert!(conn.take_queue(&mut out).queued.is_none());
        assert_eq!(frames(&out), [b"data:second\n\n"]);
    }

    #[test]
    fn a_client_with_something_of_its_own_is_not_sent_away() {
        let (one, other) = (conn(), conn());
        one.try_send("hello").unwrap();
        assert!(!one.no_content(0, false));
        assert_eq!(one.take(), IntoResponseState::Stream);
        assert!(other.no_content(0, false));
        assert_eq!(other.take(), IntoResponseState::NoContent);
        assert_eq!(other.take(), IntoResponseState::Taken);
    }

    #[test]
    fn without_senders_a_response_ends_and_what_never_was_one_is_over() {
        let (response, forgotten) = (conn(), conn());
        response.take();
        response.senders_dropped();
        assert_eq!(response.lifecycle(), Lifecycle::Ending(CloseReason::Completed));
        forgotten.senders_dropped();
        assert_eq!(forgotten.lifecycle(), Lifecycle::Over(CloseReason::ClientGone));
    }
}
