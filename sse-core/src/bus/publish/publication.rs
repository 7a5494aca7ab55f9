//! Publishing: from the event to the outcome.

use std::{
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    departure::Departure,
    outcome::{Counts, Outcome, PublishError},
    plan::Plan,
    remaining::Remaining,
    run::{Run, Stage, Suspended, run_plain},
    scope::{MAX_PUBLICATION_DEPTH, Origin, Scope},
};
#[cfg(feature = "test-util")]
use crate::bus::tap::Tapped;
use crate::{
    boxed::BoxFuture,
    bus::{
        event::{ApplicationEvent, EventMeta, EventUid, Journey, PublicationId, describe},
        listener::{
            Failure, ListenerPanicked, MaybeShared, More, RepublishedTooDeep, RuntimeGone, guarded,
        },
        state::Bus,
    },
    observe,
};

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
/// [`settled`](crate::ApplicationContext::settled) waits for. The task runs on the runtime that drops
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
    Detailed(Detailed<E>),
}

/// There is more to say than how many listeners ran.
enum Detailed<E> {
    /// All is known.
    Known(Counts),
    /// Some listeners are left.
    Open { counts: Counts, remaining: Remaining<E> },
    /// A task has the rest, and says what became of it.
    HandedOver { counts: oneshot::Receiver<Counts>, meta: EventMeta },
    /// The outcome was given.
    Given,
}

/// Publishes outside of any transaction.
///
/// At the call itself, as far as [`publish_noted`] goes: there the compiler sees that a publication
/// whose listeners all ran has nothing to drop.
#[inline(always)]
pub(crate) fn publish<E: ApplicationEvent>(
    bus: &Bus,
    event: E,
    at: &'static Location<'static>,
) -> Publication<E> {
    observe::publishing(std::any::type_name::<E>, || publish_noted(bus, event, at))
}

#[inline(always)]
fn publish_noted<E: ApplicationEvent>(
    bus: &Bus,
    event: E,
    at: &'static Location<'static>,
) -> Publication<E> {
    let id = PublicationId::next();
    let Some(listeners) = bus.plain::<E>() else {
        return publish_slowly(bus, event, id, at);
    };
    let scope = match Scope::enter(describe::<E>, id, at) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(id, at, cycle),
    };
    let mut left = listeners.iter();
    let stopped = guarded(|| run_plain(&mut left, bus, scope.meta(), &event));
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
    resume(bus, MaybeShared::Owned(event), scope.meta(), ran, stopped)
}

/// Out of line, and away from the straight way: it is the one with more to do anyhow.
#[cold]
#[inline(never)]
fn publish_slowly<E: ApplicationEvent>(
    bus: &Bus,
    event: E,
    id: PublicationId,
    at: &'static Location<'static>,
) -> Publication<E> {
    publish_held(bus, MaybeShared::Owned(event), id, at, Stage::Now, Departure::IfWanted)
}

/// After a plain listener that had something to say, or that panicked.
#[cold]
#[inline(never)]
fn resume<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    meta: &EventMeta,
    ran: usize,
    stopped: Result<Box<More>, ListenerPanicked>,
) -> Publication<E> {
    let mut counts = Counts::new(*meta, describe::<E>);
    counts.ran = ran as u32;
    bus.with_plan_cell::<E, _>(|cell| {
        let plan = cell.fixed();
        let run = Run { bus, plan, event: &event, meta, stage: Stage::Now };
        let suspended = run.resume(ran, stopped, &mut counts);
        Publication::after(bus, plan, event, Stage::Now, counts, suspended, None)
    })
}

pub(crate) fn publish_held<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    id: PublicationId,
    at: &'static Location<'static>,
    stage: Stage,
    departure: Departure,
) -> Publication<E> {
    publish_in_place(bus, event, id, at, stage, departure, Journey::NONE)
}

/// An event that came from elsewhere, to all listeners of this process. It was committed there.
pub(super) fn publish_arrived<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    at: &'static Location<'static>,
    departure: Departure,
    journey: Journey,
) -> Publication<E> {
    let id = PublicationId::next();
    observe::publishing(std::any::type_name::<E>, || {
        publish_in_place(bus, event, id, at, Stage::Commit, departure, journey)
    })
}

fn publish_in_place<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    id: PublicationId,
    at: &'static Location<'static>,
    stage: Stage,
    departure: Departure,
    journey: Journey,
) -> Publication<E> {
    let scope = match Scope::enter(describe::<E>, id, at) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(id, at, cycle),
    };
    let mut meta = *scope.meta();
    meta.journey = journey;
    bus.with_plan_cell::<E, _>(|cell| {
        let mut storing = None;
        if stage.is_delivery() {
            // Before anybody here hears it: what listeners publish comes after it.
            let departed = departure.depart(bus, cell, &event, &meta);
            meta.journey.id = departed.id.map_or(meta.journey.id, EventUid::get);
            storing = departed.storing;
        }
        let mut counts = Counts::new(meta, describe::<E>);
        #[cfg(feature = "test-util")]
        let event = if stage.is_delivery() { show_taps(bus, event, &meta) } else { event };
        cell.with_plan(|plan| {
            let leaves = storing.is_some() || meta.journey.id != 0;
            if plan.entries.is_empty() && stage.is_delivery() && !leaves {
                bus.unheard().add(&cell.description, &cell.warned, at);
            }
            let event = if plan.shared { MaybeShared::Shared(event.into_shared()) } else { event };
            let run = Run { bus, plan, event: &event, meta: &meta, stage };
            let suspended = run.from(0, &mut counts);
            Publication::after(bus, plan, event, stage, counts, suspended, storing)
        })
    })
}

/// One attempt of one listener, which is all of `plan`.
pub(super) fn publish_planned<E: ApplicationEvent>(
    bus: &Bus,
    plan: &Arc<Plan<E>>,
    event: MaybeShared<E>,
    at: &'static Location<'static>,
    journey: Journey,
) -> Publication<E> {
    let id = PublicationId::next();
    let scope = match Scope::enter(describe::<E>, id, at) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(id, at, cycle),
    };
    let mut meta = *scope.meta();
    meta.journey = journey;
    let mut counts = Counts::new(meta, describe::<E>);
    let event = if plan.shared { MaybeShared::Shared(event.into_shared()) } else { event };
    let run = Run { bus, plan, event: &event, meta: &meta, stage: Stage::Now };
    let suspended = run.from(0, &mut counts);
    Publication::after(bus, plan, event, Stage::Now, counts, suspended, None)
}

/// Shows an event to the taps, for which it has to be shared.
#[cfg(feature = "test-util")]
fn show_taps<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    meta: &EventMeta,
) -> MaybeShared<E> {
    let hooks = bus.taps().hooks();
    if hooks.is_empty() {
        return event;
    }
    let event = event.into_shared();
    for hook in hooks {
        let name = describe::<E>().label();
        hook(Tapped { event: event.clone(), name, meta: *meta });
    }
    MaybeShared::Shared(event)
}

#[cold]
#[inline(never)]
fn too_deep<E: ApplicationEvent>(
    id: PublicationId,
    at: &'static Location<'static>,
    cycle: Arc<str>,
) -> Publication<E> {
    let depth = u32::try_from(MAX_PUBLICATION_DEPTH).unwrap_or(u32::MAX);
    let meta =
        EventMeta { event_id: id, published_at: at, depth, parent: None, journey: Journey::NONE };
    let mut counts = Counts::new(meta, describe::<E>);
    counts.failures.push(Failure::of_bus(&meta, RepublishedTooDeep { cycle }));
    Publication { state: State::Detailed(Detailed::Known(counts)) }
}

impl<E: ApplicationEvent> Publication<E> {
    fn after(
        bus: &Bus,
        plan: &Arc<Plan<E>>,
        event: MaybeShared<E>,
        stage: Stage,
        counts: Counts,
        suspended: Suspended,
        storing: Option<BoxFuture<Vec<Failure>>>,
    ) -> Self {
        let state = match suspended {
            Suspended::End if storing.is_none() => State::Detailed(Detailed::Known(counts)),
            suspended => {
                let origin = Origin::current(counts.meta.event_id);
                let mut remaining =
                    Remaining::new(bus, Arc::clone(plan), event, origin, stage, suspended);
                remaining.storing = storing;
                State::Detailed(Detailed::Open { counts, remaining })
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
        if let State::Detailed(Detailed::Open { remaining, .. }) = &mut self.state {
            remaining.stop_at_first = true;
        }
        self
    }

    /// Dropped, it stops where it stands, instead of going on in a task.
    pub(super) fn ends_when_dropped(mut self) -> Self {
        if let State::Detailed(Detailed::Open { remaining, .. }) = &mut self.state {
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

    /// For an event that a listener returned: its failures so far, and those to come.
    pub(crate) fn into_parts(mut self) -> (Vec<Failure>, Option<BoxFuture<Vec<Failure>>>) {
        self.advance();
        match std::mem::replace(&mut self.state, State::Detailed(Detailed::Given)) {
            State::Detailed(Detailed::Known(counts)) => (counts.failures, None),
            State::Ran { .. } | State::Detailed(Detailed::Given) => (Vec::new(), None),
            state @ (State::Detailed(Detailed::Open { .. })
            | State::Detailed(Detailed::HandedOver { .. })) => {
                let mut publication = Self { state };
                let remaining =
                    async move { poll_fn(|cx| publication.poll_counts(cx)).await.failures };
                (Vec::new(), Some(Box::pin(remaining)))
            }
        }
    }

    /// Runs what can be run here and now: synchronous listeners after one that failed.
    fn advance(&mut self) {
        if let State::Detailed(Detailed::Open { counts, remaining }) = &mut self.state
            && remaining.advance(counts)
            && let State::Detailed(Detailed::Open { counts, .. }) =
                std::mem::replace(&mut self.state, State::Detailed(Detailed::Given))
        {
            self.state = State::Detailed(Detailed::Known(counts));
        }
    }

    pub(crate) fn poll_counts(&mut self, cx: &mut Context<'_>) -> Poll<Counts> {
        match &mut self.state {
            State::Detailed(Detailed::Open { remaining, .. })
                if remaining.needs_clock() && Handle::try_current().is_err() =>
            {
                self.hand_over_and_wait();
                return self.poll_counts(cx);
            }
            State::Detailed(Detailed::Open { counts, remaining }) => {
                ready!(remaining.poll(counts, cx));
            }
            State::Detailed(Detailed::HandedOver { counts, meta }) => {
                let counts = ready!(Pin::new(counts).poll(cx)).unwrap_or_else(|_| {
                    // The task is gone only with its runtime.
                    let mut counts = Counts::new(*meta, describe::<E>);
                    counts.failures.push(Failure::of_bus(meta, RuntimeGone));
                    counts
                });
                self.state = State::Detailed(Detailed::Given);
                return Poll::Ready(counts);
            }
            State::Ran { .. }
            | State::Detailed(Detailed::Known(_))
            | State::Detailed(Detailed::Given) => {}
        }
        match std::mem::replace(&mut self.state, State::Detailed(Detailed::Given)) {
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
        let State::Detailed(Detailed::Open { counts, mut remaining }) =
            std::mem::replace(&mut self.state, State::Detailed(Detailed::Given))
        else {
            return;
        };
        let (done, receiver) = oneshot::channel();
        self.state = State::Detailed(Detailed::HandedOver { counts: receiver, meta: counts.meta });
        remaining.handed_over = true;
        remaining.count();
        let tasks = Arc::clone(remaining.tasks());
        let mut publication = Self { state: State::Detailed(Detailed::Open { counts, remaining }) };
        let task = async move {
            let counts = poll_fn(|cx| publication.poll_counts(cx)).await;
            // Whoever waited may have gone: the listeners ran all the same.
            let _ = done.send(counts);
        };
        tasks.hand_over(Box::pin(task));
    }

    #[cold]
    fn hand_over(&mut self) {
        // Synchronous listeners run before this returns, as they would have without a failure
        // before them.
        self.advance();
        let State::Detailed(Detailed::Open { counts, mut remaining }) =
            std::mem::replace(&mut self.state, State::Detailed(Detailed::Given))
        else {
            return;
        };
        if remaining.handed_over {
            // The task itself was dropped, by the end of its runtime.
            return;
        }
        remaining.handed_over = true;
        remaining.count();
        let tasks = Arc::clone(remaining.tasks());
        let mut publication = Self { state: State::Detailed(Detailed::Open { counts, remaining }) };
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
    #[inline]
    fn drop(&mut self) {
        if let State::Detailed(Detailed::Open { .. }) = self.state {
            self.hand_over();
        }
    }
}

impl<E: ApplicationEvent> fmt::Debug for Publication<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Ran { .. } | State::Detailed(Detailed::Known(_)) => {
                "Publication(all listeners ran)"
            }
            State::Detailed(Detailed::Open { .. }) => "Publication(listeners are left)",
            State::Detailed(Detailed::HandedOver { .. }) => "Publication(listeners run in a task)",
            State::Detailed(Detailed::Given) => "Publication(its outcome was given)",
        })
    }
}
