//! Publishing: from the event to the outcome.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    answer::{Answer, More},
    call::{EventMeta, PublicationId},
    error::{Failure, ListenerPanicked, RepublishedTooDeep, RuntimeGone},
    event::{ApplicationEvent, describe},
    outcome::{Outcome, PublishError, Tally},
    prepared::{BoxFuture, Held},
    rest::Rest,
    run::{Moment, Run, Stop},
    scope::{Origin, Scope},
    slot::{Plan, run_plain},
};
use crate::{context::ApplicationContext, observe};

/// One published event on its way through its listeners; a future of what became of it.
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
/// # Cancel safety
/// Dropping it while it is awaited, as axum does with a handler's future when the client leaves,
/// stops no listener: the one that is running and all that follow are handed to a task, which
/// [`settled`](ApplicationContext::settled) waits for. The task runs on the runtime that drops
/// it; without one, on the runtime the context was built in; without that, on a thread of the
/// library's own. A runtime that is shut down takes its tasks with it.
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
    state: State<E>,
}

/// In two layers, so that the common one has nothing to drop and the compiler sees it at the call.
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
    Told(Told<E>),
}

/// There is more to say than how many listeners ran.
enum Told<E> {
    /// All is known.
    Known(Tally),
    /// Some listeners are left.
    Open { tally: Tally, rest: Rest<E> },
    /// A task has the rest, and says what became of it.
    Handed { tally: oneshot::Receiver<Tally>, meta: EventMeta },
    /// The outcome was given.
    Given,
}

/// Publishes outside of any transaction.
///
/// At the call itself, as far as [`publish_noted`] goes: there the compiler sees that a publication
/// whose listeners all ran has nothing to drop.
#[inline(always)]
pub(crate) fn publish<E: ApplicationEvent>(
    context: &ApplicationContext,
    event: E,
    at: &'static Location<'static>,
) -> Publication<E> {
    observe::publishing(std::any::type_name::<E>, || publish_noted(context, event, at))
}

#[inline(always)]
fn publish_noted<E: ApplicationEvent>(
    context: &ApplicationContext,
    event: E,
    at: &'static Location<'static>,
) -> Publication<E> {
    let id = PublicationId::next();
    let Some(listeners) = context.plain::<E>() else {
        return publish_slowly(context, event, id, at);
    };
    let scope = match Scope::enter(describe::<E>, id, at) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(id, at, cycle),
    };
    let mut left = listeners.iter();
    let stopped = guarded(|| run_plain(&mut left, context, scope.meta(), &event));
    let stopped = match stopped {
        Ok(answer) => match answer.into_more() {
            None => {
                drop(scope);
                // Never more than a plan can hold.
                let ran = listeners.len() as u32;
                return Publication { state: State::Ran { id, at, ran } };
            }
            Some(more) => Ok(more),
        },
        Err(panicked) => Err(panicked),
    };
    // Those before the one that is not plain after all.
    let ran = listeners.len().saturating_sub(left.len() + 1);
    resume(context, Held::Owned(event), scope.meta(), ran, stopped)
}

/// Out of line, and away from the straight way: it is the one with more to do anyhow.
#[cold]
#[inline(never)]
fn publish_slowly<E: ApplicationEvent>(
    context: &ApplicationContext,
    event: E,
    id: PublicationId,
    at: &'static Location<'static>,
) -> Publication<E> {
    publish_held(context, Held::Owned(event), id, at, Moment::Now)
}

/// After a plain listener that had something to say, or that panicked.
#[cold]
#[inline(never)]
fn resume<E: ApplicationEvent>(
    context: &ApplicationContext,
    held: Held<E>,
    meta: &EventMeta,
    ran: usize,
    stopped: Result<Box<More>, ListenerPanicked>,
) -> Publication<E> {
    let mut tally = Tally::new(*meta, describe::<E>);
    tally.ran = ran as u32;
    context.with_slot::<E, _>(|slot| {
        let plan = slot.fixed();
        let run = Run { context, plan, held: &held, meta, moment: Moment::Now };
        let stop = run.resume(ran, stopped, &mut tally);
        Publication::after(context, plan, held, Moment::Now, tally, stop)
    })
}

pub(crate) fn publish_held<E: ApplicationEvent>(
    context: &ApplicationContext,
    held: Held<E>,
    id: PublicationId,
    at: &'static Location<'static>,
    moment: Moment,
) -> Publication<E> {
    let scope = match Scope::enter(describe::<E>, id, at) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(id, at, cycle),
    };
    let meta = *scope.meta();
    let mut tally = Tally::new(meta, describe::<E>);
    #[cfg(feature = "test-util")]
    let held = if moment.is_delivery() { context.show(held, describe::<E>, &meta) } else { held };
    context.with_slot::<E, _>(|slot| {
        slot.with_plan(|plan| {
            if plan.entries.is_empty() && moment.is_delivery() {
                context.unheard_event(slot, at);
            }
            let held = match held {
                Held::Owned(event) if plan.shared => Held::Shared(Arc::new(event)),
                held => held,
            };
            let run = Run { context, plan, held: &held, meta: &meta, moment };
            let stop = run.from(0, &mut tally);
            Publication::after(context, plan, held, moment, tally, stop)
        })
    })
}

#[cold]
#[inline(never)]
fn too_deep<E: ApplicationEvent>(
    id: PublicationId,
    at: &'static Location<'static>,
    cycle: Arc<str>,
) -> Publication<E> {
    let depth = u32::try_from(super::MAX_PUBLICATION_DEPTH).unwrap_or(u32::MAX);
    let meta = EventMeta { event_id: id, published_at: at, depth, parent: None };
    let mut tally = Tally::new(meta, describe::<E>);
    tally.failures.push(Failure::of_bus(&meta, RepublishedTooDeep { cycle }));
    Publication { state: State::Told(Told::Known(tally)) }
}

impl<E: ApplicationEvent> Publication<E> {
    fn after(
        context: &ApplicationContext,
        plan: &Arc<Plan<E>>,
        held: Held<E>,
        moment: Moment,
        tally: Tally,
        stop: Stop,
    ) -> Self {
        let state = match stop {
            Stop::End => State::Told(Told::Known(tally)),
            stop => {
                let origin = Origin::current(tally.meta.event_id);
                let rest = Rest::new(context, Arc::clone(plan), held, origin, moment, stop);
                State::Told(Told::Open { tally, rest })
            }
        };
        Self { state }
    }

    /// Starts no listener after the first that failed. Those that did not run are
    /// [`not_run`](PublishError::not_run).
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
        if let State::Told(Told::Open { rest, .. }) = &mut self.state {
            rest.stop_at_first = true;
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

    /// For an event that a listener returned: its failures so far, and those to come.
    pub(crate) fn into_parts(mut self) -> (Vec<Failure>, Option<BoxFuture<Vec<Failure>>>) {
        self.advance();
        match std::mem::replace(&mut self.state, State::Told(Told::Given)) {
            State::Told(Told::Known(tally)) => (tally.failures, None),
            State::Ran { .. } | State::Told(Told::Given) => (Vec::new(), None),
            state @ (State::Told(Told::Open { .. }) | State::Told(Told::Handed { .. })) => {
                let mut publication = Self { state };
                let rest = async move {
                    std::future::poll_fn(|cx| publication.poll_tally(cx)).await.failures
                };
                (Vec::new(), Some(Box::pin(rest)))
            }
        }
    }

    /// Runs what can be run here and now: synchronous listeners after one that failed.
    fn advance(&mut self) {
        if let State::Told(Told::Open { tally, rest }) = &mut self.state
            && rest.advance(tally)
            && let State::Told(Told::Open { tally, .. }) =
                std::mem::replace(&mut self.state, State::Told(Told::Given))
        {
            self.state = State::Told(Told::Known(tally));
        }
    }

    pub(crate) fn poll_tally(&mut self, cx: &mut Context<'_>) -> Poll<Tally> {
        match &mut self.state {
            State::Told(Told::Open { rest, .. })
                if rest.needs_clock() && Handle::try_current().is_err() =>
            {
                self.hand_over_and_wait();
                return self.poll_tally(cx);
            }
            State::Told(Told::Open { tally, rest }) => ready!(rest.poll(tally, cx)),
            State::Told(Told::Handed { tally, meta }) => {
                let tally = ready!(Pin::new(tally).poll(cx)).unwrap_or_else(|_| {
                    // The task is gone only with its runtime.
                    let mut tally = Tally::new(*meta, describe::<E>);
                    tally.failures.push(Failure::of_bus(meta, RuntimeGone));
                    tally
                });
                self.state = State::Told(Told::Given);
                return Poll::Ready(tally);
            }
            State::Ran { .. } | State::Told(Told::Known(_)) | State::Told(Told::Given) => {}
        }
        match std::mem::replace(&mut self.state, State::Told(Told::Given)) {
            State::Ran { id, at, ran } => {
                let meta = EventMeta { event_id: id, published_at: at, depth: 0, parent: None };
                let mut tally = Tally::new(meta, describe::<E>);
                tally.ran = ran;
                Poll::Ready(tally)
            }
            State::Told(Told::Known(tally)) | State::Told(Told::Open { tally, .. }) => {
                Poll::Ready(tally)
            }
            // It was awaited to its end before.
            State::Told(Told::Handed { .. }) | State::Told(Told::Given) => Poll::Pending,
        }
    }

    /// Timeouts need a clock, and there is none here.
    #[cold]
    fn hand_over_and_wait(&mut self) {
        let State::Told(Told::Open { tally, mut rest }) =
            std::mem::replace(&mut self.state, State::Told(Told::Given))
        else {
            return;
        };
        let (done, receiver) = oneshot::channel();
        self.state = State::Told(Told::Handed { tally: receiver, meta: tally.meta });
        rest.handed_over = true;
        rest.count();
        let context = rest.context().clone();
        let mut publication = Self { state: State::Told(Told::Open { tally, rest }) };
        let task = async move {
            let tally = std::future::poll_fn(|cx| publication.poll_tally(cx)).await;
            // Whoever waited may have gone: the listeners ran all the same.
            let _ = done.send(tally);
        };
        super::tasks::hand_over(&context, Box::pin(task));
    }

    #[cold]
    fn hand_over(&mut self) {
        // Synchronous listeners run before this returns, as they would have without a failure
        // before them.
        self.advance();
        let State::Told(Told::Open { tally, mut rest }) =
            std::mem::replace(&mut self.state, State::Told(Told::Given))
        else {
            return;
        };
        if rest.handed_over {
            // The task itself was dropped, by the end of its runtime.
            return;
        }
        rest.handed_over = true;
        rest.count();
        let context = rest.context().clone();
        let mut publication = Self { state: State::Told(Told::Open { tally, rest }) };
        let task = async move {
            std::future::poll_fn(|cx| publication.poll_tally(cx)).await;
        };
        super::tasks::hand_over(&context, Box::pin(task));
    }
}

// The event is moved, never pinned.
impl<E: ApplicationEvent> Unpin for Publication<E> {}

impl<E: ApplicationEvent> Future for Publication<E> {
    type Output = Result<Outcome, PublishError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_tally(cx).map(Tally::into_result)
    }
}

impl<E: ApplicationEvent> Drop for Publication<E> {
    #[inline]
    fn drop(&mut self) {
        if let State::Told(Told::Open { .. }) = self.state {
            self.hand_over();
        }
    }
}

impl<E: ApplicationEvent> fmt::Debug for Publication<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Ran { .. } | State::Told(Told::Known(_)) => "Publication(all listeners ran)",
            State::Told(Told::Open { .. }) => "Publication(listeners are left)",
            State::Told(Told::Handed { .. }) => "Publication(listeners run in a task)",
            State::Told(Told::Given) => "Publication(its outcome was given)",
        })
    }
}

/// Catches a panic of user code around `f`.
#[inline]
pub(crate) fn guarded<R>(f: impl FnOnce() -> R) -> Result<R, ListenerPanicked> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| ListenerPanicked::new(&*panic))
}

/// Adds what a listener answered. What it returned and is not done comes back.
pub(crate) fn settle(tally: &mut Tally, answer: Answer) -> Vec<BoxFuture<Vec<Failure>>> {
    match answer.into_more() {
        None => {
            tally.ran += 1;
            Vec::new()
        }
        Some(more) => settle_more(tally, *more),
    }
}

pub(crate) fn settle_more(tally: &mut Tally, more: More) -> Vec<BoxFuture<Vec<Failure>>> {
    tally.ran += u32::from(!more.failed);
    tally.failures.extend(more.failures);
    more.pending
}
