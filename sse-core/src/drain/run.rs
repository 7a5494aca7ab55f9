//! `Draining`: a drain that runs.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    open::{OpenStreams, StreamOrder},
    plan::Drain,
};
use crate::{
    boxed::BoxFuture, close_reason::CloseReason, event::bye, observe, panics, slot_map::SlotKey,
    timer::later,
};

impl OpenStreams {
    /// Ends every open stream: each is told goodbye (`stream-bye` with a jittered `retry`) in its
    /// slice, writes what it has queued, and ends. Returns how many were still open at `deadline`.
    ///
    /// New streams are refused from the first moment.
    pub(crate) async fn say_goodbye(&self, drain: &Drain, deadline: Instant) -> usize {
        let quarter = drain.time() / 4;

        self.slices(drain, StreamOrder::InTurn, deadline - quarter).await;
        let last = self.keys(StreamOrder::Last);
        if !last.is_empty() {
            // Those who asked to be last may finish by themselves as long as there is time.
            let _ = timeout_at(deadline - quarter, self.all_gone()).await;
            self.slices(drain, StreamOrder::Last, deadline - quarter / 2).await;
        }
        let _ = timeout_at(deadline, self.all_gone()).await;
        self.len()
    }

    async fn slices(&self, drain: &Drain, order: StreamOrder, until: Instant) {
        let keys = self.keys(order);
        let now = Instant::now();
        let (in_a_slice, pause) = drain.slice(keys.len(), until.saturating_duration_since(now));
        let mut at = now;
        for slice in keys.chunks(in_a_slice) {
            sleep_until(at).await;
            self.end_slice(drain.clone(), order, slice.to_vec());
            at = later(at, pause);
        }
    }

    /// Ends these streams where code may block: a callback of the program that does so holds up those behind it in
    /// its slice, and not the drain.
    fn end_slice(&self, drain: Drain, order: StreamOrder, slice: Vec<SlotKey>) {
        let streams = self.clone();
        spawn_blocking(move || {
            for key in slice.iter().copied() {
                if let Some(handle) = streams.handle(order, key) {
                    let farewell = bye(CloseReason::Drained, Some(drain.jittered_retry()));
                    panics::contain(|| handle.end(CloseReason::Drained, Some(farewell)));
                }
            }
            observe::drain_slice(slice.len(), streams.len());
        });
    }

    async fn all_gone(&self) {
        let mut left = self.inner.left.subscribe();
        // The sender lives in `self`, so this cannot fail. The count is written by whoever is
        // removed; a removal that raced with another may write the older number last, so ask.
        loop {
            if self.is_empty() {
                return;
            }
            if left.changed().await.is_err() {
                return;
            }
        }
    }
}

/// A drain that starts when this future is first polled, or when its signal comes.
///
/// # Cancel safety
/// The drain runs in a task of its own: once begun it goes on whether or not this future is kept.
/// Before it has begun, dropping the future calls it off.
///
/// ```
/// # use {sse_tower_core::{ApplicationContext, Drain, WiringError}, std::time::Duration};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
/// # let context = ApplicationContext::bare().build()?;
/// let (leave, signal) = tokio::sync::oneshot::channel::<()>();
/// let draining = context.drain_on(async { drop(signal.await) }).with(Drain::new().slices(500));
/// drop(leave);
/// draining.await;
/// # Ok(()) }
/// ```
#[must_use = "a drain begins when it is awaited"]
pub struct Draining {
    state: State,
}

enum State {
    Waiting {
        signal: BoxFuture<()>,
        drain: Drain,
        begin: Box<dyn FnOnce(Drain) -> BoxFuture<()> + Send>,
    },
    Running(BoxFuture<()>),
    Over,
}

impl Draining {
    pub(crate) fn new(
        signal: impl Future<Output = ()> + Send + 'static,
        begin: impl FnOnce(Drain) -> BoxFuture<()> + Send + 'static,
    ) -> Self {
        Self {
            state: State::Waiting {
                signal: Box::pin(signal),
                drain: Drain::new(),
                begin: Box::new(begin),
            },
        }
    }

    /// Drains this way instead of with the defaults. Changes nothing once the drain has begun; of
    /// several drains of one context the first one's way counts.
    pub fn with(mut self, how: Drain) -> Self {
        if let State::Waiting { drain, .. } = &mut self.state {
            *drain = how;
        }
        self
    }
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Waiting { mut signal, drain, begin } => {
                    if signal.as_mut().poll(cx).is_pending() {
                        self.state = State::Waiting { signal, drain, begin };
                        return Poll::Pending;
                    }
                    self.state = State::Running(begin(drain));
                }
                State::Running(mut running) => {
                    if running.as_mut().poll(cx).is_pending() {
                        self.state = State::Running(running);
                        return Poll::Pending;
                    }
                    return Poll::Ready(());
                }
                State::Over => return Poll::Ready(()),
            }
        }
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Waiting { .. } => "Draining(waiting)",
            State::Running(_) => "Draining(running)",
            State::Over => "Draining(over)",
        })
    }
}
