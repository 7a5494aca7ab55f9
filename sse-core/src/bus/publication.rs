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
    answer::Answer,
    call::{EventMeta, PublicationId},
    error::{Failure, ListenerPanicked, RepublishedTooDeep, RuntimeGone},
    event::{ApplicationEvent, describe},
    outcome::{Outcome, PublishError, Tally},
    prepared::{BoxFuture, Held},
    rest::Rest,
    run::{Moment, Run, Stop},
    scope::{Origin, Scope},
};
use crate::context::ApplicationContext;

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
    /// `None` once the outcome was given.
    tally: Option<Tally>,
    rest: Option<Rest<E>>,
    handed: Option<Box<Handed>>,
}

/// A task has the rest, and says what became of it.
struct Handed {
    tally: oneshot::Receiver<Tally>,
    meta: EventMeta,
}

/// Publishes outside of any transaction.
#[inline]
pub(crate) fn publish<E: ApplicationEvent>(
    context: &ApplicationContext,
    event: E,
    at: &'static Location<'static>,
) -> Publication<E> {
    publish_held(context, Held::Owned(event), PublicationId::next(), at, Moment::Now)
}

pub(crate) fn publish_held<E: ApplicationEvent>(
    context: &ApplicationContext,
    held: Held<E>,
    id: PublicationId,
    at: &'static Location<'static>,
    moment: Moment,
) -> Publication<E> {
    let scope = match Scope::enter(describe::<E>, id) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(id, at, cycle),
    };
    let depth = u32::try_from(scope.depth).unwrap_or(u32::MAX);
    let meta = EventMeta { event_id: id, published_at: at, depth, parent: scope.parent };
    let mut tally = Tally::new(meta, describe::<E>);
    let rest = context.with_slot::<E, _>(|slot| {
        slot.with_plan(|plan| {
            if plan.entries.is_empty() {
                if moment.is_delivery() {
                    context.unheard_event(slot, at);
                }
                return None;
            }
            let held = match held {
                Held::Owned(event) if plan.shared => Held::Shared(Arc::new(event)),
                held => held,
            };
            let run = Run { context, plan, held: &held, meta: &meta, moment };
            match run.from(0, &mut tally) {
                Stop::End => None,
                stop => {
                    let origin = Origin::current(id);
                    Some(Rest::new(context, Arc::clone(plan), held, origin, moment, stop))
                }
            }
        })
    });
    Publication { tally: Some(tally), rest, handed: None }
}

#[cold]
fn too_deep<E: ApplicationEvent>(
    id: PublicationId,
    at: &'static Location<'static>,
    cycle: Arc<str>,
) -> Publication<E> {
    let depth = u32::try_from(super::MAX_PUBLICATION_DEPTH).unwrap_or(u32::MAX);
    let meta = EventMeta { event_id: id, published_at: at, depth, parent: None };
    let mut tally = Tally::new(meta, describe::<E>);
    tally.failures.push(Failure::of_bus(&meta, RepublishedTooDeep { cycle }));
    Publication { tally: Some(tally), rest: None, handed: None }
}

impl<E: ApplicationEvent> Publication<E> {
    /// Starts no listener after the first that failed. Those that did not run are
    /// [`not_run`](PublishError::not_run).
    pub fn first_error(mut self) -> Self {
        if let Some(rest) = &mut self.rest {
            rest.stop_at_first = true;
        }
        self
    }

    /// Lets the rest run in a task of its own. The same as dropping it, in a word.
    pub fn detach(self) {
        drop(self);
    }

    /// The publication's number, which each listener can have as [`EventMeta::event_id`].
    #[must_use]
    pub fn id(&self) -> Option<PublicationId> {
        self.tally.as_ref().map(|tally| tally.meta.event_id)
    }

    /// For an event that a listener returned: its failures so far, and those to come.
    pub(crate) fn into_parts(mut self) -> (Vec<Failure>, Option<BoxFuture<Vec<Failure>>>) {
        self.advance();
        if self.rest.is_some() {
            return (
                Vec::new(),
                Some(Box::pin(async move {
                    match self.await {
                        Ok(_) => Vec::new(),
                        Err(error) => error.into_failures(),
                    }
                })),
            );
        }
        (self.tally.take().map(|tally| tally.failures).unwrap_or_default(), None)
    }

    /// Runs what can be run here and now: synchronous listeners after one that failed.
    fn advance(&mut self) {
        if let (Some(rest), Some(tally)) = (&mut self.rest, &mut self.tally)
            && rest.advance(tally)
        {
            self.rest = None;
        }
    }

    pub(crate) fn poll_tally(&mut self, cx: &mut Context<'_>) -> Poll<Tally> {
        if let Some(handed) = &mut self.handed {
            let meta = handed.meta;
            return Pin::new(&mut handed.tally).poll(cx).map(|tally| match tally {
                Ok(tally) => tally,
                // The task is gone only with its runtime.
                Err(_) => {
                    let mut tally = Tally::new(meta, describe::<E>);
                    tally.failures.push(Failure::of_bus(&meta, RuntimeGone));
                    tally
                }
            });
        }
        if let (Some(rest), Some(tally)) = (&mut self.rest, &mut self.tally) {
            if rest.needs_clock() && Handle::try_current().is_err() {
                return self.hand_over_and_wait(cx);
            }
            ready!(rest.poll(tally, cx));
            self.rest = None;
        }
        match self.tally.take() {
            Some(tally) => Poll::Ready(tally),
            // It was awaited to its end before.
            None => Poll::Pending,
        }
    }

    /// Timeouts need a clock, and there is none here.
    #[cold]
    fn hand_over_and_wait(&mut self, cx: &mut Context<'_>) -> Poll<Tally> {
        let (done, receiver) = oneshot::channel();
        if let (Some(mut rest), Some(tally)) = (self.rest.take(), self.tally.take()) {
            self.handed = Some(Box::new(Handed { tally: receiver, meta: tally.meta }));
            rest.handed_over = true;
            let context = rest.context().clone();
            let mut publication = Self { tally: Some(tally), rest: Some(rest), handed: None };
            super::tasks::hand_over(
                &context,
                Box::pin(async move {
                    let tally = std::future::poll_fn(|cx| publication.poll_tally(cx)).await;
                    // Whoever waited may have gone: the listeners ran all the same.
                    let _ = done.send(tally);
                }),
            );
        }
        self.poll_tally(cx)
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
        if self.rest.is_some() {
            self.hand_over();
        }
    }
}

impl<E: ApplicationEvent> Publication<E> {
    #[cold]
    fn hand_over(&mut self) {
        // Synchronous listeners run before this returns, as they would have without a failure
        // before them.
        self.advance();
        let (Some(mut rest), Some(tally)) = (self.rest.take(), self.tally.take()) else { return };
        if rest.handed_over {
            // The task itself was dropped, by the end of its runtime.
            return;
        }
        rest.handed_over = true;
        rest.count();
        let context = rest.context().clone();
        let mut publication = Self { tally: Some(tally), rest: Some(rest), handed: None };
        super::tasks::hand_over(
            &context,
            Box::pin(async move {
                std::future::poll_fn(|cx| publication.poll_tally(cx)).await;
            }),
        );
    }
}

impl<E: ApplicationEvent> fmt::Debug for Publication<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("so_far", &self.tally)
            .field("listeners_left", &self.rest.is_some())
            .finish()
    }
}

/// Catches a panic of user code around `f`.
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
        Some(more) => {
            tally.ran += u32::from(!more.failed);
            tally.failures.extend(more.failures);
            more.pending
        }
    }
}
