//! One connection: what its sending half, its receiving half and the logs it follows share.

use std::{collections::VecDeque, fmt, task::Waker, time::Duration};

use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    SendError, TrySendError,
    callbacks::{Callback, CallbackQueue},
    lifecycle::Lifecycle,
    queue::{Queue, Queued},
    settings::{ConnSettings, KeepAlive},
};
use crate::{
    close_reason::CloseReason,
    event::{IntoEvent, SseEvent},
    log::{Cursor, Offset, ReceiverCount, ReceiverCounts, clock},
    observe,
    sync::{Arc, AtomicU32, Mutex, Ordering, lock},
    timer::Tick,
};

/// Something that can go wrong in the program.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A log that this connection follows has something new.
pub(crate) const SHARED: u32 = 1;
/// Something under `state` changed that the stream must see.
pub(crate) const STATE: u32 = 2;
/// A timer fired.
pub(crate) const TICK: u32 = 4;
/// No event that comes now is for this connection any more. Once set it stays, and is nothing to
/// look at.
const CLOSED: u32 = 8;

/// One connection. Publishers touch `bits` and `waker` alone: in this order, so that both are in
/// the cache line that the reference counts are in.
#[repr(C)]
pub(crate) struct Conn {
    bits: AtomicU32,
    waker: Mutex<Option<Waker>>,
    state: Mutex<State>,
    callbacks: CallbackQueue,
}

struct State {
    lifecycle: Lifecycle,
    /// While ending: shared events after this offset are not written.
    until: Offset,
    queue: Queue,
    /// Logs to follow that the stream has not taken over yet.
    cursors: Vec<Box<dyn Cursor>>,
    /// How many followed logs are not complete.
    open_logs: usize,
    has_followed: bool,
    /// Where this connection counts as one that takes events.
    counts: ReceiverCounts,
    settings: ConnSettings,
    response: IntoResponseState,
    hooks: Hooks,
    signals: Option<Arc<Signals>>,
}

type OnError = Box<dyn FnOnce(&BoxError) + Send>;
type OnCompletion = Box<dyn FnOnce(CloseReason) + Send>;

#[derive(Default)]
struct Hooks {
    completion: Vec<OnCompletion>,
    /// Few connections have any of these.
    others: Option<Box<OtherHooks>>,
}

#[derive(Default)]
struct OtherHooks {
    timeout: Vec<Callback>,
    error: Vec<OnError>,
}

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
    /// Everything was said: the client need not come back.
    NoContent,
    /// It is a response already.
    Taken,
}

/// What the stream takes over at once.
pub(crate) struct Update {
    pub(crate) cursors: Vec<Box<dyn Cursor>>,
    /// Set once the connection is ending: shared events up to here are still written.
    pub(crate) until: Option<Offset>,
    /// The offset of the first queued event, if those taken before have to be written first.
    pub(crate) queued: Option<Offset>,
}

impl Conn {
    pub(crate) fn new(settings: ConnSettings) -> Self {
        Self {
            bits: AtomicU32::new(STATE),
            waker: Mutex::new(None),
            state: Mutex::new(State {
                lifecycle: Lifecycle::Open,
                until: Offset::FIRST,
                queue: Queue::default(),
                cursors: Vec::new(),
                open_logs: 0,
                has_followed: false,
                counts: ReceiverCounts::default(),
                settings,
                response: IntoResponseState::Stream,
                hooks: Hooks::default(),
                signals: None,
            }),
            callbacks: CallbackQueue::default(),
        }
    }

    // What publishers and timers do.

    /// Marks that there is something to look at, and wakes the stream unless somebody has already.
    /// Says whether the connection still takes events.
    pub(crate) fn notify(&self, bit: u32) -> bool {
        let before = self.bits.fetch_or(bit, Ordering::AcqRel);
        if before & !CLOSED == 0 {
            let waker = lock(&self.waker).clone();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        before & CLOSED == 0
    }

    // What the stream does.

    pub(crate) fn register(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.bits.load(Ordering::Acquire) & !CLOSED == 0
    }

    pub(crate) fn has(&self, bit: u32) -> bool {
        self.bits.load(Ordering::Acquire) & bit != 0
    }

    /// Was it a followed log, and nothing else, since the last time? If so this is it now.
    pub(crate) fn take_shared(&self) -> bool {
        self.bits.compare_exchange(SHARED, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The bits that were set since the last time.
    pub(crate) fn take_bits(&self) -> u32 {
        self.bits.fetch_and(CLOSED, Ordering::AcqRel) & !CLOSED
    }

    /// Takes over what was queued for this connection alone, once `out` is written: so that what
    /// waits stays bounded by twice the capacity.
    pub(crate) fn take_queue(&self, out: &mut VecDeque<Queued>) -> Update {
        let (update, signals) = {
            let mut state = lock(&self.state);
            if out.front().is_none_or(|event| event.offset == Offset::LAST) {
                state.queue.move_to(out);
            }
            let until = state.lifecycle.closed().map(|_| state.until);
            let (cursors, queued) = (std::mem::take(&mut state.cursors), state.queue.first());
            (Update { cursors, until, queued }, state.signals.clone())
        };
        if let Some(signals) = signals {
            signals.room.notify_waiters();
        }
        update
    }

    pub(crate) fn settings(&self) -> ConnSettings {
        lock(&self.state).settings
    }

    /// The stream lived as long as it may.
    pub(crate) fn time_out(&self) {
        {
            let mut state = lock(&self.state);
            if state.lifecycle.closed().is_none() {
                let others = state.hooks.others.as_mut();
                self.callbacks
                    .add(others.map(|o| std::mem::take(&mut o.timeout)).into_iter().flatten());
            }
        }
        self.callbacks.run();
        self.close(CloseReason::TimedOut, None);
    }

    /// Nothing more will be written. Callbacks run here, unless they run elsewhere at this moment.
    pub(crate) fn finish(&self, everything_was_written: bool) {
        let (left, hooks, signals) = {
            let mut state = lock(&self.state);
            let Some(reason) = state.lifecycle.finish(everything_was_written) else { return };
            self.bits.fetch_or(CLOSED, Ordering::AcqRel);
            let counts = state.counts.close();
            state.queue = Queue::default();
            let hooks = std::mem::take(&mut state.hooks);
            let completion = hooks.completion;
            self.callbacks
                .add(completion.into_iter().map(|hook| Box::new(move || hook(reason)) as Callback));
            let left = (std::mem::take(&mut state.cursors), counts);
            (left, hooks.others, state.signals.clone())
        };
        *lock(&self.waker) = None;
        // Dropped here because they are the program's: their drop may do anything.
        drop((left, hooks));
        if let Some(signals) = &signals {
            signals.closed.cancel();
            signals.room.notify_waiters();
            let signals = Arc::clone(signals);
            self.callbacks.add([Box::new(move || signals.over.cancel()) as Callback]);
        }
        self.callbacks.run();
    }

    // What the program does.

    /// Takes no more events; the stream ends once what is queued was written.
    pub(crate) fn close(&self, reason: CloseReason, last: Option<SseEvent>) -> bool {
        self.close_with(reason, last, None)
    }

    fn close_with(
        &self,
        reason: CloseReason,
        last: Option<SseEvent>,
        error: Option<BoxError>,
    ) -> bool {
        let (signals, counts) = {
            let mut state = lock(&self.state);
            if !state.lifecycle.close(reason) {
                return false;
            }
            self.bits.fetch_or(CLOSED, Ordering::AcqRel);
            let counts = state.counts.close();
            state.until = clock::last();
            if let Some(last) = last {
                state.queue.push(Queued { offset: Offset::LAST, frame: last.encode(), id: None });
            }
            if let Some(error) = error {
                let error = Arc::new(error);
                let others = state.hooks.others.as_mut();
                let hooks = others.map(|others| std::mem::take(&mut others.error));
                self.callbacks.add(hooks.into_iter().flatten().map(|hook| {
                    let error = Arc::clone(&error);
                    Box::new(move || hook(&error)) as Callback
                }));
            }
            (state.signals.clone(), counts)
        };
        drop(counts);
        self.callbacks.run();
        if let Some(signals) = signals {
            signals.closed.cancel();
            signals.room.notify_waiters();
        }
        self.notify(STATE);
        true
    }

    pub(crate) fn fail(&self, error: BoxError) {
        #[cfg(feature = "tracing")]
        tracing::warn!(
            target: "sse_tower",
            error = %crate::causes::WithCauses(&*error),
            "stream was completed with an error"
        );
        self.close_with(CloseReason::Failed, None, Some(error));
    }

    /// Every sending handle was dropped.
    pub(crate) fn senders_dropped(&self) {
        let (taken, follows) = {
            let state = lock(&self.state);
            (state.response == IntoResponseState::Taken, state.open_logs > 0)
        };
        if !taken {
            // It never became a response, and nobody is left who could make it one.
            self.finish(false);
        } else if !follows {
            // Nothing can come any more.
            self.close(CloseReason::Completed, None);
        }
    }

    pub(crate) fn try_send(&self, event: impl IntoEvent) -> Result<(), TrySendError> {
        let event = event.into_event()?;
        {
            let mut state = lock(&self.state);
            if let Some(reason) = state.lifecycle.closed() {
                return Err(TrySendError::Closed { event, reason });
            }
            let ConnSettings { capacity_events, capacity_bytes, .. } = state.settings;
            if !state.queue.has_room(event.encoded_len(), capacity_events, capacity_bytes) {
                return Err(TrySendError::Full(event));
            }
            let id = event.id().cloned();
            // Under the lock: whoever sees the clock at this offset finds the event in the queue.
            let offset = clock::next();
            state.queue.push(Queued { offset, frame: event.encode(), id });
        }
        self.notify(STATE);
        observe::event_sent(1);
        Ok(())
    }

    pub(crate) async fn send(&self, event: impl IntoEvent) -> Result<(), SendError> {
        let mut event = event.into_event()?;
        loop {
            let Some(full) = unsent(self.try_send(event))? else {
                return Ok(());
            };
            let signals = self.signals();
            // Registered before looking again: room that comes between is not missed.
            let room = signals.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let Some(full) = unsent(self.try_send(full))? else {
                return Ok(());
            };
            event = full;
            room.await;
        }
    }

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        lock(&self.state).lifecycle
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lifecycle() == Lifecycle::Open
    }

    pub(crate) fn signals(&self) -> Arc<Signals> {
        let mut state = lock(&self.state);
        let signals = Arc::clone(state.signals.get_or_insert_with(Default::default));
        let lifecycle = state.lifecycle;
        drop(state);
        if lifecycle.closed().is_some() {
            signals.closed.cancel();
        }
        if lifecycle.over().is_some() {
            // Behind the callbacks that may still run.
            let signals = Arc::clone(&signals);
            self.callbacks.add([Box::new(move || signals.over.cancel()) as Callback]);
            self.callbacks.run();
        }
        signals
    }

    pub(crate) fn on_timeout(&self, hook: Callback) {
        let mut state = lock(&self.state);
        if state.lifecycle.over().is_none() {
            state.hooks.others.get_or_insert_default().timeout.push(hook);
        }
    }

    pub(crate) fn on_error(&self, hook: OnError) {
        let mut state = lock(&self.state);
        if state.lifecycle.over().is_none() {
            state.hooks.others.get_or_insert_default().error.push(hook);
        }
    }

    pub(crate) fn on_completion(&self, hook: OnCompletion) {
        let reason = {
            let mut state = lock(&self.state);
            let Some(reason) = state.lifecycle.over() else {
                if state.hooks.completion.is_empty() {
                    // Most have one, whose guard a limit or a drain holds.
                    state.hooks.completion.reserve_exact(1);
                }
                state.hooks.completion.push(hook);
                return;
            };
            reason
        };
        self.callbacks.add([Box::new(move || hook(reason)) as Callback]);
        self.callbacks.run();
    }

    pub(crate) fn configure(
        &self,
        timeout: Option<Duration>,
        keep_alive: Option<Duration>,
        retry: Option<Duration>,
    ) {
        let mut state = lock(&self.state);
        let settings = &mut state.settings;
        settings.timeout = timeout.or(settings.timeout);
        settings.retry = retry.or(settings.retry);
        if let Some(interval) = keep_alive {
            settings.keep_alive = KeepAlive::Every(interval);
        }
    }

    pub(crate) fn default_keep_alive(&self, interval: Duration) {
        let mut state = lock(&self.state);
        if matches!(state.settings.keep_alive, KeepAlive::Default(_)) {
            state.settings.keep_alive = KeepAlive::Default(interval);
        }
    }

    /// Becomes a response: once.
    pub(crate) fn take(&self) -> IntoResponseState {
        let mut state = lock(&self.state);
        std::mem::replace(&mut state.response, IntoResponseState::Taken)
    }

    // What the logs do.

    /// Follows a log; the stream hears of it by the next `notify(STATE)`. Gives the cursor back
    /// if the connection is over.
    pub(crate) fn follow(
        &self,
        cursor: Box<dyn Cursor>,
        count: Arc<dyn ReceiverCount>,
    ) -> Result<(), Box<dyn Cursor>> {
        let mut state = lock(&self.state);
        if state.lifecycle.over().is_some() {
            return Err(cursor);
        }
        if state.lifecycle.closed().is_none() {
            state.counts.open(count);
        }
        if state.cursors.is_empty() {
            // Most follow one log, and there are many of them.
            state.cursors.reserve_exact(1);
        }
        state.cursors.push(cursor);
        state.open_logs += 1;
        state.has_followed = true;
        Ok(())
    }

    /// Did this connection ever follow a log?
    pub(crate) fn has_followed(&self) -> bool {
        lock(&self.state).has_followed
    }

    /// A followed log is complete. With the last of them the connection is.
    pub(crate) fn log_completed(&self) {
        let last = {
            let mut state = lock(&self.state);
            state.open_logs = state.open_logs.saturating_sub(1);
            state.open_logs == 0
        };
        if last {
            self.close(CloseReason::Completed, None);
        }
    }

    /// A followed log that was complete is so no more.
    pub(crate) fn log_reopened(&self) {
        lock(&self.state).open_logs += 1;
    }

    /// Queues something that the library says, whatever the capacity, before or after the shared
    /// events that there are.
    pub(crate) fn send_control(&self, frame: Bytes, first: bool) {
        {
            let mut state = lock(&self.state);
            let offset = if first { Offset::FIRST } else { clock::next() };
            state.queue.push(Queued { offset, frame, id: None });
        }
        self.notify(STATE);
    }

    /// There is nothing to say to this client, now or later, unless it is a response already, has
    /// got something of its own, or follows more than `logs` logs.
    pub(crate) fn no_content(&self, logs: usize) -> bool {
        {
            let mut state = lock(&self.state);
            let alone = state.open_logs <= logs && state.queue.is_empty();
            if state.response != IntoResponseState::Stream || !alone {
                return false;
            }
            state.response = IntoResponseState::NoContent;
        }
        self.close(CloseReason::Completed, None)
    }
}

/// The event for which there was no room, if that is all that was wrong.
fn unsent(tried: Result<(), TrySendError>) -> Result<Option<SseEvent>, SendError> {
    match tried {
        Ok(()) => Ok(None),
        Err(TrySendError::Full(event)) => Ok(Some(event)),
        Err(TrySendError::Closed { event, reason }) => Err(SendError::Closed { event, reason }),
        Err(TrySendError::Invalid(invalid)) => Err(invalid.into()),
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

    fn frames(out: &VecDeque<Queued>) -> Vec<&[u8]> {
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
        let mut out = VecDeque::new();
        let update = conn.take_queue(&mut out);
        assert_eq!(frames(&out), [&b"data:first\n\n"[..], b"data:second\n\n", b"data:last\n\n"]);
        assert!(out[0].offset < between && between < out[1].offset);
        assert_eq!(out[2].offset, Offset::LAST);
        assert!(update.until.is_some_and(|until| until >= out[1].offset));
    }

    #[test]
    fn the_queue_is_taken_over_once_what_was_taken_before_is_written() {
        let conn = conn();
        conn.try_send("first").unwrap();
        let mut out = VecDeque::new();
        assert!(conn.take_queue(&mut out).queued.is_none());
        conn.try_send("second").unwrap();
        assert!(conn.take_queue(&mut out).queued.is_some());
        assert_eq!(frames(&out), [b"data:first\n\n"]);
        out.clear();
        assert!(conn.take_queue(&mut out).queued.is_none());
        assert_eq!(frames(&out), [b"data:second\n\n"]);
    }

    #[test]
    fn a_client_with_something_of_its_own_is_not_sent_away() {
        let (one, other) = (conn(), conn());
        one.try_send("hello").unwrap();
        assert!(!one.no_content(0));
        assert_eq!(one.take(), IntoResponseState::Stream);
        assert!(other.no_content(0));
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
