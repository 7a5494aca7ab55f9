//! `Remaining`: the listeners that have yet to run after the call that published returned.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::time::Sleep;

use super::{
    left::{Left, Part},
    outcome::Counts,
    plan::{Entry, Plan},
    returned::{Next, Returns},
    run::{Run, Stage, Suspended},
};
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::{
        failure::Failure,
        listener::{
            Answer, Call, ListenerTimedOut, MaybeShared, Meta, More, Running, guarded, guarded_poll,
        },
        scope::Origin,
        state::Bus,
        tasks::{InFlight, Tasks},
    },
    observe::Span,
};

/// Listeners that have yet to run, and the one that is running.
pub(crate) struct Remaining<E> {
    bus: Bus,
    plan: Arc<Plan<E>>,
    /// `None` while a listener's future has it.
    event: Option<MaybeShared<E>>,
    origin: Origin,
    stage: Stage,
    part: Part,
    next: usize,
    step: Step<E>,
    /// What listeners returned, theirs included.
    returns: Returns,
    deadline: Option<Pin<Box<Sleep>>>,
    pub(crate) stop_at_first: bool,
    /// It runs in a task already: if that is dropped, nobody is left to hand it to.
    pub(crate) handed_over: bool,
    in_flight: Option<InFlight>,
    /// The event is on its way into a store, which is waited for last.
    storing: Option<BoxFuture<Vec<Failure>>>,
    /// The span of the publication.
    span: Span,
}

/// What a publication is waiting for.
enum Step<E> {
    /// Nothing: the listener at `next` has its turn.
    Idle,
    /// The listener at this position is due.
    Due(usize),
    /// The listener at `next - 1`.
    Listener(Running<E>),
    /// What the last listener has to be waited for, or the store.
    Waits(Vec<BoxFuture<Vec<Failure>>>),
    /// An event that a listener returned.
    Returned(BoxFuture<More>),
}

impl<E: Send + Sync + 'static> Remaining<E> {
    /// The rest of the publication that this thread is in.
    #[cold]
    pub(super) fn new(bus: &Bus, left: Left<'_, E>) -> Self {
        let Left { plan, event, stage, part, suspended, storing } = left;
        let mut remaining = Self {
            bus: bus.clone(),
            next: plan.entries.len(),
            plan: Arc::clone(plan),
            event: Some(event),
            origin: Origin::current(),
            stage,
            part,
            step: Step::Idle,
            returns: Returns::default(),
            deadline: None,
            stop_at_first: false,
            // A part of another one goes with that.
            handed_over: part == Part::Nested,
            in_flight: None,
            storing,
            span: Span::current(),
        };
        remaining.suspended(suspended);
        remaining
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn tasks(&self) -> &Arc<Tasks> {
        self.bus.tasks()
    }

    pub(crate) fn needs_clock(&self) -> bool {
        self.plan.timed
    }

    /// From now on its bus is not settled before it is done.
    pub(crate) fn count(&mut self) {
        if self.in_flight.is_none() {
            self.in_flight = Some(InFlight::new(self.bus.tasks()));
        }
    }

    fn suspended(&mut self, suspended: Suspended) {
        match suspended {
            Suspended::End => self.next = self.plan.entries.len(),
            Suspended::Failed { next } => self.next = next,
            Suspended::Waits { next, pending } => {
                self.next = next;
                self.step = Step::Waits(pending);
            }
            Suspended::Async { at } => {
                self.next = at + 1;
                self.step = Step::Due(at);
            }
        }
    }

    /// In the call that publishes: a publisher that wants to hear of the first failure is asked before more runs.
    pub(super) fn advance_unless_failed(&mut self, counts: &mut Counts) -> bool {
        loop {
            if !matches!(self.step, Step::Idle) || !counts.failures.is_empty() {
                return false;
            }
            if self.advance_once(counts) {
                return true;
            }
        }
    }

    /// Runs synchronous listeners that are next, and those of what was returned. True if that was all.
    pub(crate) fn advance(&mut self, counts: &mut Counts) -> bool {
        loop {
            if !matches!(self.step, Step::Idle) {
                return false;
            }
            if self.advance_once(counts) {
                return true;
            }
        }
    }

    fn advance_once(&mut self, counts: &mut Counts) -> bool {
        let left = self.plan.entries.len().saturating_sub(self.next);
        if self.stop_at_first && !counts.failures.is_empty() {
            counts.not_run += u32::try_from(left).unwrap_or(u32::MAX);
            self.next = self.plan.entries.len();
            self.returns.discard();
            counts.returned.clear();
            return self.is_stored();
        }
        if left == 0 {
            return self.publish_returned(counts);
        }
        let Some(event) = &self.event else { return true };
        let run = Run {
            bus: &self.bus,
            plan: &self.plan,
            event,
            meta: &counts.meta.clone(),
            stage: &self.stage,
        };
        let suspended = self.origin.within(|| run.from(self.next, counts));
        self.suspended(suspended);
        false
    }

    /// Every listener was seen to: the next of what they returned.
    fn publish_returned(&mut self, counts: &mut Counts) -> bool {
        if self.part == Part::Nested {
            return self.is_stored();
        }
        let Counts { meta, failures, returned, .. } = counts;
        self.returns.take(&self.bus, meta, returned, failures);
        match self.returns.next(&self.bus, meta, failures) {
            Next::None => return self.is_stored(),
            Next::Ran => {}
            Next::Rest(rest) => self.step = Step::Returned(rest),
        }
        false
    }

    /// All listeners are through: `true` if there is no store to wait for; otherwise the wait for it begins.
    fn is_stored(&mut self) -> bool {
        match self.storing.take() {
            None => true,
            Some(storing) => {
                self.step = Step::Waits(vec![storing]);
                false
            }
        }
    }

    pub(crate) fn poll(&mut self, counts: &mut Counts, cx: &mut Context<'_>) -> Poll<()> {
        let span = self.span.clone();
        span.run(|| self.poll_inside(counts, cx))
    }

    fn poll_inside(&mut self, counts: &mut Counts, cx: &mut Context<'_>) -> Poll<()> {
        self.count();
        loop {
            if ready!(self.poll_step(counts, cx)) && self.advance(counts) {
                self.in_flight = None;
                return Poll::Ready(());
            }
        }
    }

    /// Finishes the step that is under way. True once there is none.
    fn poll_step(&mut self, counts: &mut Counts, cx: &mut Context<'_>) -> Poll<bool> {
        match &mut self.step {
            Step::Idle => Poll::Ready(true),
            Step::Due(at) => {
                let at = *at;
                self.start(at, counts);
                Poll::Ready(false)
            }
            Step::Waits(waits) => {
                while let Some(wait) = waits.first_mut() {
                    let failures = ready!(wait.as_mut().poll(cx));
                    counts.failures.extend(failures);
                    drop(waits.remove(0));
                }
                self.step = Step::Idle;
                Poll::Ready(true)
            }
            Step::Returned(rest) => {
                let more = ready!(rest.as_mut().poll(cx));
                self.step = Step::Idle;
                self.returns.took(&self.bus, &counts.meta, more, &mut counts.failures);
                Poll::Ready(true)
            }
            Step::Listener(listener) => {
                let event = &mut self.event;
                let poll = || listener.poll(event, cx);
                let answer = match self.origin.within(|| guarded_poll(poll)) {
                    Poll::Ready(Ok(answer)) => Ok(answer),
                    Poll::Ready(Err(panicked)) => Err(BoxError::from(panicked)),
                    Poll::Pending => {
                        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                        ready!(deadline.as_mut().poll(cx));
                        let timeout = self.entry().and_then(|entry| entry.profile.timeout);
                        Err(ListenerTimedOut { timeout: timeout.unwrap_or_default() }.into())
                    }
                };
                self.listener_is_over(answer, counts);
                Poll::Ready(matches!(self.step, Step::Idle))
            }
        }
    }

    #[inline]
    fn listener_is_over(&mut self, answer: Result<Answer, BoxError>, counts: &mut Counts) {
        self.deadline = None;
        let listener = std::mem::replace(&mut self.step, Step::Idle);
        // A listener that was stopped runs its destructors now: in its publication, and caught.
        let _ = self.origin.within(|| guarded(|| drop(listener)));
        match answer {
            Ok(answer) => {
                let pending = counts.settle(answer);
                if !pending.is_empty() {
                    self.step = Step::Waits(pending);
                }
            }
            Err(error) => {
                if let Some(entry) = self.entry() {
                    // In its publication: what a hook publishes is as deep as the listener.
                    counts.failures.push(self.origin.within(|| {
                        let hooks = self.bus.failures();
                        Failure::new(hooks, &entry.profile, &counts.meta, None, error)
                    }));
                }
            }
        }
    }

    /// The listener that is running.
    fn entry(&self) -> Option<&Entry<E>> {
        self.plan.entries.get(self.next.checked_sub(1)?)
    }

    #[inline]
    fn start(&mut self, at: usize, counts: &Counts) {
        self.step = Step::Idle;
        let Some(entry) = self.plan.entries.get(at) else { return };
        let call = Call {
            bus: &self.bus,
            meta: Meta::Known(&counts.meta),
            listener: &entry.profile,
            transaction: self.stage.transaction(),
        };
        let call = call.to_owned();
        let event = match &self.event {
            Some(MaybeShared::Shared(event)) => Some(MaybeShared::Shared(Arc::clone(event))),
            _ => self.event.take(),
        };
        let Some(running) = event.and_then(|event| entry.start(event, call)) else { return };
        self.deadline = entry.profile.timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout)));
        self.step = Step::Listener(running);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::{
        super::fixture::{Heard, Paid, bus, meta, plan, registered, with},
        *,
    };
    use crate::bus::{event::describe, listener::Handler, listeners::Registered};

    /// A publication of which nothing has run, as its first listener is asynchronous.
    fn remaining(listeners: Vec<Registered>) -> (Remaining<Paid>, Counts) {
        let (bus, plan, meta) = (bus(Vec::new()), plan(listeners), meta());
        let event = MaybeShared::Owned(Paid(7));
        let event = if plan.shared { MaybeShared::Shared(event.into_shared()) } else { event };
        let suspended = Suspended::Async { at: 0 };
        let left = Left {
            plan: &plan,
            event,
            stage: Stage::Now,
            part: Part::Whole,
            suspended,
            storing: None,
        };
        let remaining = Remaining::new(&bus, left);
        (remaining, Counts::new(meta, describe::<Paid>))
    }

    async fn finish((mut remaining, mut counts): (Remaining<Paid>, Counts)) -> Counts {
        poll_fn(|cx| remaining.poll(&mut counts, cx)).await;
        counts
    }

    fn hanging(name: &'static str) -> Registered {
        let handler = Handler::lent(|_, _| Box::pin(std::future::pending()));
        registered(name, handler, |it| it.timeout = Some(Duration::from_secs(5)))
    }

    #[tokio::test]
    async fn nothing_runs_before_it_is_polled_and_then_all_in_order() {
        let heard = Heard::default();
        let left = remaining(vec![heard.lent("a"), heard.plain("b"), heard.lent("c")]);
        assert!(heard.names().is_empty());
        let counts = finish(left).await;
        assert_eq!((heard.names(), counts.ran), (vec!["a", "b", "c"], 3));
    }

    #[tokio::test]
    async fn a_failure_stops_nobody_unless_it_was_asked_for() {
        for (stop_at_first, names, not_run) in
            [(false, vec!["a", "b", "c", "d"], 0), (true, vec!["a", "b"], 2)]
        {
            let heard = Heard::default();
            let listeners =
                vec![heard.lent("a"), heard.failing("b"), heard.plain("c"), heard.lent("d")];
            let (mut left, counts) = remaining(listeners);
            left.stop_at_first = stop_at_first;
            let counts = finish((left, counts)).await;
            assert_eq!((heard.names(), counts.not_run), (names, not_run));
            assert_eq!(counts.failures.len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_is_stopped_at_its_timeout_and_the_next_has_its_turn() {
        let heard = Heard::default();
        let begun = tokio::time::Instant::now();
        let counts = finish(remaining(vec![hanging("a"), heard.plain("b")])).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        assert_eq!((heard.names(), counts.ran), (vec!["b"], 1));
        let failure = &counts.failures[0];
        assert!(failure.listener == "a" && failure.source.is::<ListenerTimedOut>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_is_for_one_listener_and_not_for_those_after_it() {
        let heard = Heard::default();
        let slow = Handler::lent(|event, _| {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_secs(60)).await;
                (event, Answer::RAN)
            })
        });
        let in_time = with(heard.lent("a"), |it| it.timeout = Some(Duration::from_secs(5)));
        let counts = finish(remaining(vec![in_time, registered("b", slow, |_| ())])).await;
        assert_eq!((counts.ran, counts.failures.len()), (2, 0));
    }

    #[tokio::test]
    async fn its_bus_is_not_settled_from_its_first_poll_to_its_end() {
        let heard = Heard::default();
        let (mut left, mut counts) = remaining(vec![hanging("a"), heard.plain("b")]);
        let tasks = Arc::clone(left.tasks());
        assert_eq!(tasks.running(), 0);
        let polled = poll_fn(|cx| Poll::Ready(left.poll(&mut counts, cx))).await;
        assert!(polled.is_pending());
        assert_eq!(tasks.running(), 1);
        drop(left);
        assert_eq!(tasks.running(), 0);
    }
}
