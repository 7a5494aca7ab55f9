//! What is left of a publication after its call returned.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Sleep;

use super::{
    answer::Answer,
    call::Call,
    error::{BoxError, Failure, ListenerTimedOut},
    outcome::Tally,
    prepared::{Bound, BoxFuture, Held},
    publication::{guarded, settle},
    run::{Moment, Run, Stop},
    scope::Origin,
    slot::Plan,
    tasks::InFlight,
};
use crate::{context::ApplicationContext, observe::Span};

/// Listeners that have yet to run, and the one that is running.
pub(crate) struct Rest<E> {
    context: ApplicationContext,
    plan: Arc<Plan<E>>,
    /// `None` while a listener's future has it.
    held: Option<Held<E>>,
    origin: Origin,
    moment: Moment,
    next: usize,
    running: Running<E>,
    deadline: Option<Pin<Box<Sleep>>>,
    pub(crate) stop_at_first: bool,
    /// It runs in a task; where that is dropped there is nothing to hand it to.
    pub(crate) handed_over: bool,
    in_flight: Option<InFlight>,
    /// Of the publication: what is left of it belongs to it too.
    span: Span,
}

enum Running<E> {
    Nothing,
    /// The listener at `next - 1`.
    Lent(BoxFuture<(Held<E>, Answer)>),
    /// The listener at `next - 1`.
    Shared(BoxFuture<Answer>),
    /// Events that the last listener returned.
    Children(Vec<BoxFuture<Vec<Failure>>>),
    /// The listener at this position is due.
    Due(usize),
}

impl<E: Send + Sync + 'static> Rest<E> {
    #[cold]
    pub(crate) fn new(
        context: &ApplicationContext,
        plan: Arc<Plan<E>>,
        held: Held<E>,
        origin: Origin,
        moment: Moment,
        stop: Stop,
    ) -> Self {
        let mut rest = Self {
            context: context.clone(),
            next: plan.entries.len(),
            plan,
            held: Some(held),
            origin,
            moment,
            running: Running::Nothing,
            deadline: None,
            stop_at_first: false,
            handed_over: false,
            in_flight: None,
            span: Span::current(),
        };
        rest.stopped(stop);
        rest
    }

    pub(crate) fn context(&self) -> &ApplicationContext {
        &self.context
    }

    pub(crate) fn needs_clock(&self) -> bool {
        self.plan.timed
    }

    /// From now on its context is not settled before it is done.
    pub(crate) fn count(&mut self) {
        if self.in_flight.is_none() {
            self.in_flight = Some(InFlight::new(&self.context));
        }
    }

    fn stopped(&mut self, stop: Stop) {
        match stop {
            Stop::End => self.next = self.plan.entries.len(),
            Stop::Failed { next } => self.next = next,
            Stop::Children { next, pending } => {
                self.next = next;
                self.running = Running::Children(pending);
            }
            Stop::Async { at } => {
                self.next = at + 1;
                self.running = Running::Due(at);
            }
        }
    }

    /// Runs synchronous listeners that are next. True if that was all.
    pub(crate) fn advance(&mut self, tally: &mut Tally) -> bool {
        loop {
            if !matches!(self.running, Running::Nothing) {
                return false;
            }
            let left = self.plan.entries.len().saturating_sub(self.next);
            if left == 0 {
                return true;
            }
            if self.stop_at_first && !tally.failures.is_empty() {
                tally.not_run += u32::try_from(left).unwrap_or(u32::MAX);
                return true;
            }
            let Some(held) = &self.held else { return true };
            let run = Run {
                context: &self.context,
                plan: &self.plan,
                held,
                meta: &tally.meta.clone(),
                moment: self.moment,
            };
            let stop = self.origin.within(|| run.from(self.next, tally));
            self.stopped(stop);
        }
    }

    pub(crate) fn poll(&mut self, tally: &mut Tally, cx: &mut Context<'_>) -> Poll<()> {
        let span = self.span.clone();
        span.run(|| self.poll_inside(tally, cx))
    }

    fn poll_inside(&mut self, tally: &mut Tally, cx: &mut Context<'_>) -> Poll<()> {
        self.count();
        loop {
            if std::task::ready!(self.poll_running(tally, cx)) && self.advance(tally) {
                self.in_flight = None;
                return Poll::Ready(());
            }
        }
    }

    /// Finishes what is running. True once nothing is.
    fn poll_running(&mut self, tally: &mut Tally, cx: &mut Context<'_>) -> Poll<bool> {
        let origin = &self.origin;
        let answer = match &mut self.running {
            Running::Nothing => return Poll::Ready(true),
            Running::Due(at) => {
                let at = *at;
                self.start(at, tally);
                return Poll::Ready(false);
            }
            Running::Children(children) => {
                while let Some(child) = children.first_mut() {
                    let failures = std::task::ready!(child.as_mut().poll(cx));
                    tally.failures.extend(failures);
                    drop(children.remove(0));
                }
                self.running = Running::Nothing;
                return Poll::Ready(true);
            }
            Running::Lent(listener) => {
                match origin.within(|| guarded(|| listener.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => None,
                    Ok(Poll::Ready((held, answer))) => {
                        self.held = Some(held);
                        Some(Ok(answer))
                    }
                    Err(panicked) => Some(Err(BoxError::from(panicked))),
                }
            }
            Running::Shared(listener) => {
                match origin.within(|| guarded(|| listener.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => None,
                    Ok(Poll::Ready(answer)) => Some(Ok(answer)),
                    Err(panicked) => Some(Err(BoxError::from(panicked))),
                }
            }
        };
        let answer = match answer {
            Some(answer) => answer,
            None => {
                let Some(deadline) = &mut self.deadline else { return Poll::Pending };
                std::task::ready!(deadline.as_mut().poll(cx));
                let timeout = self.profile().and_then(|profile| profile.timeout);
                Err(ListenerTimedOut { timeout: timeout.unwrap_or_default() }.into())
            }
        };
        self.deadline = None;
        let stopped = std::mem::replace(&mut self.running, Running::Nothing);
        // A listener that was stopped runs its destructors now: in its publication, and caught.
        let _ = self.origin.within(|| guarded(|| drop(stopped)));
        match answer {
            Ok(answer) => {
                let pending = settle(tally, answer);
                if !pending.is_empty() {
                    self.running = Running::Children(pending);
                }
            }
            Err(error) => {
                if let Some(profile) = self.profile() {
                    tally.failures.push(Failure::new(&profile, &tally.meta, None, error));
                }
            }
        }
        Poll::Ready(matches!(self.running, Running::Nothing))
    }

    /// The listener that is running.
    fn profile(&self) -> Option<Arc<super::listener::Profile>> {
        let entry = self.plan.entries.get(self.next.checked_sub(1)?)?;
        Some(Arc::clone(&entry.profile))
    }

    fn start(&mut self, at: usize, tally: &mut Tally) {
        self.running = Running::Nothing;
        let Some(entry) = self.plan.entries.get(at) else { return };
        let call =
            Call { context: &self.context, meta: &tally.meta, listener: &entry.profile }.to_owned();
        let held = match &self.held {
            Some(Held::Shared(event)) => Some(Held::Shared(Arc::clone(event))),
            _ => self.held.take(),
        };
        self.running = match (&entry.bound, held) {
            (Bound::Lent(listener), Some(held)) => Running::Lent(listener.start(held, call)),
            (Bound::Future(listener), Some(Held::Shared(event))) => {
                Running::Shared(listener(event, call))
            }
            _ => Running::Nothing,
        };
        self.deadline = entry.profile.timeout.map(|timeout| Box::pin(tokio::time::sleep(timeout)));
    }
}
