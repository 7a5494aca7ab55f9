//! `Publication`: one published event on its way through its listeners.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem::{self, ManuallyDrop},
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    left::Left,
    outcome::{Counts, Outcome, PublishError},
    remaining::Remaining,
};
use crate::bus::{
    event::{ApplicationEvent, EventMeta, Journey, PublicationId, describe},
    failure::Failure,
    listener::{Delivered, More, RuntimeGone},
    state::Bus,
};

/// One published event on its way through its listeners: a future of its outcome.
///
/// Publishing has begun when you hold one: synchronous listeners ran in the call, up to the first
/// listener that is asynchronous or that failed. What you do with the rest is your choice, and
/// none of them loses a listener:
///
/// * **await** it: the rest runs here, one listener after the other; every listener runs, also
///   after failures. `Err` if any failed.
/// * [`first_error`](Self::first_error)`().await`: the same, but nothing more is started after the
///   first failure.
/// * [`detach`](Self::detach), or drop it: the rest runs in a task of its own. Failures are logged
///   (feature `tracing`).
///
/// # Errors
/// [`PublishError`], which is what `?` converts. A task or a closure has no signature that says so, and ends with
/// `Ok::<(), PublishError>(())`, or with [`BoxError`](crate::BoxError) in its place.
///
/// # Cancel safety
/// Dropping it while it is awaited, as axum does with a handler's future when the client leaves,
/// stops no listener: the one that is running and all that follow are handed to a task, which
/// [`settled`](crate::ApplicationContext::settled) waits for.
///
/// # Where the rest runs
/// What nobody awaits, listeners declared `spawn` among it, runs on the runtime that drops it if that has several threads.
/// One of a single thread may have nobody who drives it once the publisher is through, so it runs on the context's: the one
/// that the context was built in, or else that `sse_tower::serve` runs on. Without that too, on a thread of the library's
/// own, which after a second also begins what no runtime has begun. A runtime that is shut down takes with it what has
/// begun on it; one that stands still keeps it.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().build()?;
/// context.on(|_: &Paid| println!("paid")).forever();
/// let outcome = context.publish_event(Paid).await?;
/// assert_eq!(outcome.ran(), 1);
/// # Ok(()) }
/// ```
#[must_use = "its listeners run in any case; await it for the outcome, or say `.detach()`"]
pub struct Publication<E: ApplicationEvent> {
    /// Dropped by [`end`](Self::end), out of line: so the compiler sees at the call that where every listener ran
    /// there is nothing to drop.
    state: ManuallyDrop<State<E>>,
}

/// In two layers: the common one has nothing to drop.
#[allow(
    clippy::large_enum_variant,
    reason = "the small one is common; a box would cost the other an allocation"
)]
enum State<E> {
    /// Every listener ran, and none had anything to say.
    Ran {
        id: PublicationId,
        at: &'static Location<'static>,
        ran: u32,
    },
    Detailed(Detailed<E>),
}

/// There is more to say than how many listeners ran.
#[allow(clippy::large_enum_variant, reason = "it lives on its publisher's stack; a box costs more")]
enum Detailed<E> {
    /// All is known.
    Known(Counts),
    /// Some listeners are left.
    Open { counts: Counts, remaining: Remaining<E> },
    /// A task has the rest, and sends the result.
    HandedOver { counts: oneshot::Receiver<Counts>, meta: EventMeta, bus: Bus },
    /// The outcome was given.
    Given,
}

impl<E: ApplicationEvent> Publication<E> {
    #[inline(always)]
    fn of(state: State<E>) -> Self {
        Self { state: ManuallyDrop::new(state) }
    }

    fn replace(&mut self, state: State<E>) -> State<E> {
        ManuallyDrop::into_inner(mem::replace(&mut self.state, ManuallyDrop::new(state)))
    }

    fn take(&mut self) -> State<E> {
        self.replace(State::Detailed(Detailed::Given))
    }

    /// Every listener ran in the call.
    #[inline(always)]
    pub(super) fn ran(id: PublicationId, at: &'static Location<'static>, ran: u32) -> Self {
        Self::of(State::Ran { id, at, ran })
    }

    /// Nothing is left.
    pub(super) fn known(counts: Counts) -> Self {
        Self::of(State::Detailed(Detailed::Known(counts)))
    }

    /// After those listeners that ran in the call.
    pub(super) fn after(bus: &Bus, mut counts: Counts, left: Left<'_, E>) -> Self {
        if left.is_nothing(&counts) {
            return Self::known(counts);
        }
        let mut remaining = Remaining::new(bus, left);
        if remaining.advance_unless_failed(&mut counts) {
            return Self::known(counts);
        }
        Self::of(State::Detailed(Detailed::Open { counts, remaining }))
    }

    /// Starts no listener after the first that failed. Those that did not run are
    /// [`not_run`](PublishError::not_run); what earlier listeners returned and was not yet published is discarded.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// let context = ApplicationContext::bare().build()?;
    /// context.on(|_: &Paid| Err::<(), _>("no")).forever();
    /// context.on(|_: &Paid| println!("never said")).forever();
    /// let failed = context.publish_event(Paid).first_error().await.unwrap_err();
    /// assert_eq!((failed.failures().len(), failed.not_run()), (1, 1));
    /// # Ok(()) }
    /// ```
    pub fn first_error(mut self) -> Self {
        if let State::Detailed(Detailed::Open { remaining, .. }) = &mut *self.state {
            remaining.stop_at_first = true;
        }
        self
    }

    /// Makes it stop where it stands when it is dropped, instead of going on in a task.
    pub(super) fn ends_when_dropped(mut self) -> Self {
        if let State::Detailed(Detailed::Open { remaining, .. }) = &mut *self.state {
            remaining.handed_over = true;
        }
        self
    }

    /// Lets the rest run in a task of its own. The same as dropping it, in a word.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// # let context = ApplicationContext::bare().build()?;
    /// context.publish_event(Paid).detach(); // the answer does not wait for it
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn detach(self) {
        drop(self);
    }

    /// For an event that a listener returned: what is known of it, and what is to come.
    pub(super) fn into_delivered(mut self) -> Delivered {
        self.advance();
        let (mut done, mut rest) = (More::default(), None);
        match self.take() {
            State::Detailed(Detailed::Known(counts)) => done = counts.into_more(),
            State::Ran { .. } | State::Detailed(Detailed::Given) => {}
            state @ (State::Detailed(Detailed::Open { .. })
            | State::Detailed(Detailed::HandedOver { .. })) => {
                let mut publication = Self::of(state);
                rest = Some(Box::pin(async move {
                    poll_fn(|cx| publication.poll_counts(cx)).await.into_more()
                }) as crate::boxed::BoxFuture<More>);
            }
        }
        Delivered { done, rest }
    }

    /// Runs what can be run here and now: synchronous listeners after one that failed.
    fn advance(&mut self) {
        if let State::Detailed(Detailed::Open { counts, remaining }) = &mut *self.state
            && remaining.advance(counts)
            && let State::Detailed(Detailed::Open { counts, .. }) = self.take()
        {
            drop(self.replace(State::Detailed(Detailed::Known(counts))));
        }
    }

    pub(crate) fn poll_counts(&mut self, cx: &mut Context<'_>) -> Poll<Counts> {
        match &mut *self.state {
            State::Detailed(Detailed::Open { remaining, .. })
                if remaining.needs_clock() && Handle::try_current().is_err() =>
            {
                self.hand_over_and_wait();
                return self.poll_counts(cx);
            }
            State::Detailed(Detailed::Open { counts, remaining }) => {
                ready!(remaining.poll(counts, cx));
            }
            State::Detailed(Detailed::HandedOver { counts, meta, bus }) => {
                let counts = ready!(Pin::new(counts).poll(cx)).unwrap_or_else(|_| {
                    // The task is gone only with its runtime.
                    let mut counts = Counts::new(*meta, describe::<E>);
                    counts.failures.push(Failure::of_bus(bus.failures(), meta, RuntimeGone));
                    counts
                });
                drop(self.take());
                return Poll::Ready(counts);
            }
            State::Ran { .. }
            | State::Detailed(Detailed::Known(_))
            | State::Detailed(Detailed::Given) => {}
        }
        match self.take() {
            State::Ran { id, at, ran } => {
                let meta = EventMeta {
                    event_id: id,
                    published_at: at,
                    depth: 0,
                    parent: None,
                    journey: Journey::NONE,
                };
                let mut counts = Counts::new(meta, describe::<E>);
                counts.ran = ran;
                Poll::Ready(counts)
            }
            State::Detailed(Detailed::Known(counts))
            | State::Detailed(Detailed::Open { counts, .. }) => Poll::Ready(counts),
            // `poll` after completion.
            State::Detailed(Detailed::HandedOver { .. }) | State::Detailed(Detailed::Given) => {
                Poll::Pending
            }
        }
    }

    /// Timeouts need a clock, and there is none here.
    #[cold]
    fn hand_over_and_wait(&mut self) {
        let State::Detailed(Detailed::Open { counts, mut remaining }) = self.take() else {
            return;
        };
        let (done, receiver) = oneshot::channel();
        let (meta, bus) = (counts.meta, remaining.bus().clone());
        drop(self.replace(State::Detailed(Detailed::HandedOver { counts: receiver, meta, bus })));
        remaining.handed_over = true;
        remaining.count();
        let tasks = Arc::clone(remaining.tasks());
        let mut publication = Self::of(State::Detailed(Detailed::Open { counts, remaining }));
        let task = async move {
            let counts = poll_fn(|cx| publication.poll_counts(cx)).await;
            // Whoever waited may have gone: the listeners ran all the same.
            let _ = done.send(counts);
        };
        tasks.hand_over(Box::pin(task));
    }

    #[cold]
    #[inline(never)]
    fn end(&mut self) {
        if let State::Detailed(Detailed::Open { .. }) = *self.state {
            self.hand_over();
        }
        drop(self.take());
    }

    fn hand_over(&mut self) {
        // Synchronous listeners run before this returns, as they would have without a failure
        // before them.
        self.advance();
        let State::Detailed(Detailed::Open { counts, mut remaining }) = self.take() else {
            return;
        };
        if remaining.handed_over {
            // The task itself was dropped, by the end of its runtime.
            return;
        }
        remaining.handed_over = true;
        remaining.count();
        let tasks = Arc::clone(remaining.tasks());
        let mut publication = Self::of(State::Detailed(Detailed::Open { counts, remaining }));
        let task = async move {
            poll_fn(|cx| publication.poll_counts(cx)).await;
        };
        tasks.hand_over(Box::pin(task));
    }
}

// The event is moved, never pinned.
impl<E: ApplicationEvent> Unpin for Publication<E> {}

impl<E: ApplicationEvent> Future for Publication<E> {
    type Output = Result<Outcome, PublishError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_counts(cx).map(Counts::into_result)
    }
}

impl<E: ApplicationEvent> Drop for Publication<E> {
    #[inline(always)]
    fn drop(&mut self) {
        match *self.state {
            State::Ran { .. } | State::Detailed(Detailed::Given) => {}
            State::Detailed(_) => self.end(),
        }
    }
}

impl<E: ApplicationEvent> fmt::Debug for Publication<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.state {
            State::Ran { .. } | State::Detailed(Detailed::Known(_)) => {
                "Publication(all listeners ran)"
            }
            State::Detailed(Detailed::Open { .. }) => "Publication(listeners are left)",
            State::Detailed(Detailed::HandedOver { .. }) => "Publication(listeners run in a task)",
            State::Detailed(Detailed::Given) => "Publication(its outcome was given)",
        })
    }
}
