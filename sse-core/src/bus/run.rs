//! Running listeners in order, up to the first that has to be waited for.

use std::sync::{Arc, atomic::Ordering};

use super::{
    answer::More,
    call::{Call, EventMeta},
    error::{Failure, ListenerPanicked, TransactionNeeded},
    listener::{Phase, Profile},
    outcome::Tally,
    prepared::{Bound, BoxFuture, Held},
    publication::{guarded, settle, settle_more},
    scope::Origin,
    slot::{Entry, Plan},
    tasks::{InFlight, hand_over},
};
use crate::context::ApplicationContext;

/// Which of an event's listeners are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Published outside of a transaction.
    Now,
    BeforeCommit,
    /// A transaction's event is delivered: listeners without a phase, and those after the commit.
    Commit,
    Rollback,
    Completion,
}

impl Moment {
    /// Whether listeners without a phase run.
    #[inline]
    pub(crate) fn is_delivery(self) -> bool {
        matches!(self, Self::Now | Self::Commit)
    }
}

enum Verdict {
    Due,
    /// It will never run for this publication, and that is as it should be.
    Skipped,
    /// Another moment is its own.
    NotNow,
    Misplaced(Phase),
}

fn verdict(profile: &Profile, moment: Moment) -> Verdict {
    match (moment, profile.phase) {
        (Moment::Now | Moment::Commit, None)
        | (Moment::BeforeCommit, Some(Phase::BeforeCommit))
        | (Moment::Commit, Some(Phase::AfterCommit))
        | (Moment::Rollback, Some(Phase::AfterRollback))
        | (Moment::Completion, Some(Phase::AfterCompletion)) => Verdict::Due,
        (Moment::Now, Some(_)) if profile.fallback => Verdict::Due,
        // What was never in a transaction is never rolled back.
        (Moment::Now, Some(Phase::AfterRollback)) => Verdict::Skipped,
        (Moment::Now, Some(phase)) => Verdict::Misplaced(phase),
        _ => Verdict::NotNow,
    }
}

/// Why running stopped.
pub(crate) enum Stop {
    /// Every listener was seen to.
    End,
    /// A listener failed; `next` is to follow if the publisher wants to go on.
    Failed { next: usize },
    /// A listener returned events whose asynchronous listeners come before `next`.
    Children { next: usize, pending: Vec<BoxFuture<Vec<Failure>>> },
    /// The asynchronous listener `at` is due.
    Async { at: usize },
}

/// One publication at one moment.
pub(crate) struct Run<'a, E> {
    pub(crate) context: &'a ApplicationContext,
    pub(crate) plan: &'a Arc<Plan<E>>,
    pub(crate) held: &'a Held<E>,
    pub(crate) meta: &'a EventMeta,
    pub(crate) moment: Moment,
}

impl<E: Send + Sync + 'static> Run<'_, E> {
    /// Runs listeners from `from` on. The caller has entered the publication's scope.
    pub(crate) fn from(&self, from: usize, tally: &mut Tally) -> Stop {
        let mut at = from;
        // One for the whole run, since entering it for each listener would cost as much as calling one.
        match guarded(|| self.advance(&mut at, tally)) {
            Ok(stop) => self.at_end(stop),
            Err(panicked) => self.panicked(at, panicked, tally),
        }
    }

    /// Goes on after the plain listener `at`.
    pub(crate) fn resume(
        &self,
        at: usize,
        stopped: Result<Box<More>, ListenerPanicked>,
        tally: &mut Tally,
    ) -> Stop {
        match stopped {
            Err(panicked) => self.panicked(at, panicked, tally),
            Ok(more) => {
                let pending = settle_more(tally, *more);
                match self.settled(at, pending, tally) {
                    Some(stop) => self.at_end(stop),
                    None => self.from(at + 1, tally),
                }
            }
        }
    }

    fn panicked(&self, at: usize, panicked: ListenerPanicked, tally: &mut Tally) -> Stop {
        if let Some(entry) = self.plan.entries.get(at) {
            tally.failures.push(Failure::new(&entry.profile, self.meta, None, panicked));
        }
        self.at_end(Stop::Failed { next: at + 1 })
    }

    fn at_end(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed { next } if next >= self.plan.entries.len() => Stop::End,
            stop => stop,
        }
    }

    fn advance(&self, at: &mut usize, tally: &mut Tally) -> Stop {
        let delivery = self.moment.is_delivery();
        let event: &E = self.held;
        while let Some(entry) = self.plan.entries.get(*at) {
            let stop = match &entry.bound {
                Bound::Ref(listener) if entry.plain && delivery => {
                    let call =
                        Call { context: self.context, meta: self.meta, listener: &entry.profile };
                    let answer = listener(event, &call);
                    if answer.is_plain() {
                        tally.ran += 1;
                        *at += 1;
                        continue;
                    }
                    self.settled(*at, settle(tally, answer), tally)
                }
                _ => self.special(*at, entry, tally),
            };
            if let Some(stop) = stop {
                return stop;
            }
            *at += 1;
        }
        Stop::End
    }

    /// Everything but a plain synchronous listener. `None`: go on.
    fn special(&self, at: usize, entry: &Entry<E>, tally: &mut Tally) -> Option<Stop> {
        match verdict(&entry.profile, self.moment) {
            Verdict::Due => {}
            Verdict::NotNow => return None,
            Verdict::Skipped => {
                tally.skipped += 1;
                return None;
            }
            Verdict::Misplaced(phase) => {
                let error = TransactionNeeded { phase };
                tally.failures.push(Failure::new(&entry.profile, self.meta, None, error));
                return Some(Stop::Failed { next: at + 1 });
            }
        }
        if entry.condition.as_ref().is_some_and(|condition| !condition(self.held)) {
            tally.skipped += 1;
            return None;
        }
        let call = Call { context: self.context, meta: self.meta, listener: &entry.profile };
        let answer = match (&entry.bound, self.held) {
            (Bound::Ref(listener), held) => listener(held, &call),
            (Bound::Shared(listener), Held::Shared(event)) => listener(Arc::clone(event), &call),
            (Bound::Future(_) | Bound::Lent(_), Held::Shared(event)) if entry.profile.spawn => {
                if !self.spawn(entry, event, &call) {
                    return Some(Stop::Async { at });
                }
                tally.spawned += 1;
                return None;
            }
            // A plan with a listener that shares the event has it in an `Arc`.
            (Bound::Shared(_), Held::Owned(_)) => return None,
            (Bound::Future(_) | Bound::Lent(_), _) => return Some(Stop::Async { at }),
        };
        let pending = settle(tally, answer);
        self.settled(at, pending, tally)
    }

    fn settled(
        &self,
        at: usize,
        pending: Vec<BoxFuture<Vec<Failure>>>,
        tally: &Tally,
    ) -> Option<Stop> {
        if !pending.is_empty() {
            Some(Stop::Children { next: at + 1, pending })
        } else if tally.failures.is_empty() {
            None
        } else {
            Some(Stop::Failed { next: at + 1 })
        }
    }

    /// Starts a listener in a task of its own; false where there are too many.
    fn spawn(&self, entry: &Entry<E>, event: &Arc<E>, call: &Call<'_>) -> bool {
        if !self.context.tasks().take_place() {
            return false;
        }
        let in_flight = InFlight::spawned(self.context);
        let owned = call.to_owned();
        let mut running = match &entry.bound {
            Bound::Future(listener) => listener(Arc::clone(event), owned),
            Bound::Lent(listener) => {
                let running = listener.start(Held::Shared(Arc::clone(event)), owned);
                Box::pin(async move { running.await.1 })
            }
            // Only an asynchronous listener may be declared `spawn`.
            Bound::Ref(_) | Bound::Shared(_) => return false,
        };
        let origin = Origin::current(self.meta.event_id);
        let (profile, meta) = (Arc::clone(&entry.profile), *self.meta);
        hand_over(
            self.context,
            Box::pin(async move {
                let polled = std::future::poll_fn(|cx| {
                    origin.within(|| match guarded(|| running.as_mut().poll(cx)) {
                        Ok(poll) => poll.map(Ok),
                        Err(panicked) => std::task::Poll::Ready(Err(panicked)),
                    })
                });
                let answer = match profile.timeout {
                    Some(timeout) => match tokio::time::timeout(timeout, polled).await {
                        Ok(answer) => answer.map_err(Into::into),
                        Err(_) => {
                            Err(super::error::BoxError::from(super::error::ListenerTimedOut {
                                timeout,
                            }))
                        }
                    },
                    None => polled.await.map_err(Into::into),
                };
                match answer {
                    Ok(answer) => {
                        for child in
                            answer.into_more().map(|more| more.pending).into_iter().flatten()
                        {
                            child.await;
                        }
                    }
                    // Making it is what logs it.
                    Err(error) => drop(Failure::new(&profile, &meta, None, error)),
                }
                drop(in_flight);
            }),
        );
        true
    }
}

/// Counts an event that nobody hears.
pub(crate) fn first_time(warned: &std::sync::atomic::AtomicBool) -> bool {
    !warned.swap(true, Ordering::Relaxed)
}
