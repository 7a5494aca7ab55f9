//! Running listeners in order, up to the first that has to be waited for.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
};

use super::{
    outcome::Counts,
    plan::{Entry, Plain, Plan},
    returned::deliver_all,
};
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::{
        event::EventMeta,
        failure::Failure,
        listener::{
            Answer, Call, JoinedTransaction, ListenerPanicked, ListenerTimedOut, MaybeShared, Meta,
            More, guarded, guarded_poll,
        },
        profile::{Phase, Profile},
        scope::Origin,
        state::Bus,
        tasks::SpawnedInFlight,
    },
};

/// Which of an event's listeners are due.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Published outside of a transaction.
    Now,
    /// This transaction is about to commit.
    BeforeCommit(JoinedTransaction),
    /// A transaction's event is delivered: listeners without a phase, and those after the commit.
    Commit,
    Rollback,
    Completion,
}

impl Stage {
    /// Whether listeners without a phase run.
    #[inline]
    pub(crate) fn is_delivery(&self) -> bool {
        matches!(self, Self::Now | Self::Commit)
    }

    /// What a listener may add events to.
    #[inline]
    pub(crate) fn transaction(&self) -> Option<&JoinedTransaction> {
        match self {
            Self::BeforeCommit(transaction) => Some(transaction),
            _ => None,
        }
    }
}

enum Verdict {
    Due,
    /// It will never run for this publication, and that is as it should be.
    Skipped,
    /// It will never run for this publication, which is probably a mistake of the program's, and is logged.
    Misplaced(Phase),
    /// It runs at another stage.
    NotNow,
}

fn verdict(profile: &Profile, stage: &Stage) -> Verdict {
    match (stage, profile.phase) {
        (Stage::Now | Stage::Commit, None)
        | (Stage::BeforeCommit(_), Some(Phase::BeforeCommit))
        | (Stage::Commit, Some(Phase::AfterCommit))
        | (Stage::Rollback, Some(Phase::AfterRollback))
        | (Stage::Completion, Some(Phase::AfterCompletion)) => Verdict::Due,
        (Stage::Now, Some(_)) if profile.fallback => Verdict::Due,
        // What was never in a transaction is never rolled back.
        (Stage::Now, Some(Phase::AfterRollback)) => Verdict::Skipped,
        (Stage::Now, Some(phase)) => Verdict::Misplaced(phase),
        _ => Verdict::NotNow,
    }
}

/// Why the run was suspended.
pub(crate) enum Suspended {
    /// No listener is left.
    End,
    /// A listener failed; `next` is to follow if the publisher wants to go on.
    Failed { next: usize },
    /// A listener has to be waited for before `next`: it sends what is being stored.
    Waits { next: usize, pending: Vec<BoxFuture<Vec<Failure>>> },
    /// The asynchronous listener `at` is due.
    Async { at: usize },
}

/// One publication at one stage.
pub(crate) struct Run<'a, E> {
    pub(crate) bus: &'a Bus,
    pub(crate) plan: &'a Arc<Plan<E>>,
    pub(crate) event: &'a MaybeShared<E>,
    pub(crate) meta: &'a EventMeta,
    pub(crate) stage: &'a Stage,
}

impl<E: Send + Sync + 'static> Run<'_, E> {
    /// Runs listeners from `from` on. The caller has entered the publication's scope.
    pub(crate) fn from(&self, from: usize, counts: &mut Counts) -> Suspended {
        let mut at = from;
        // One for the whole run, since entering it for each listener would cost as much as calling one.
        match guarded(|| self.advance(&mut at, counts)) {
            Ok(suspended) => self.at_end(suspended),
            Err(panicked) => self.panicked(at, panicked, counts),
        }
    }

    /// Goes on after the plain listener `at`.
    pub(crate) fn resume(
        &self,
        at: usize,
        stopped: Result<Box<More>, ListenerPanicked>,
        counts: &mut Counts,
    ) -> Suspended {
        match stopped {
            Err(panicked) => self.panicked(at, panicked, counts),
            Ok(more) => {
                let pending = counts.settle_more(*more);
                match self.settled(at, pending, counts) {
                    Some(suspended) => self.at_end(suspended),
                    None => self.from(at + 1, counts),
                }
            }
        }
    }

    fn panicked(&self, at: usize, panicked: ListenerPanicked, counts: &mut Counts) -> Suspended {
        if let Some(entry) = self.plan.entries.get(at) {
            let hooks = self.bus.failures();
            counts.failures.push(Failure::new(hooks, &entry.profile, self.meta, None, panicked));
        }
        self.at_end(Suspended::Failed { next: at + 1 })
    }

    fn at_end(&self, suspended: Suspended) -> Suspended {
        match suspended {
            Suspended::Failed { next } if next >= self.plan.entries.len() => Suspended::End,
            suspended => suspended,
        }
    }

    fn advance(&self, at: &mut usize, counts: &mut Counts) -> Suspended {
        while let Some(entry) = self.plan.entries.get(*at) {
            if let Some(suspended) = self.step(*at, entry, counts) {
                return suspended;
            }
            *at += 1;
        }
        Suspended::End
    }

    /// Runs one listener. `None` to go on with the next.
    #[inline]
    fn step(&self, at: usize, entry: &Entry<E>, counts: &mut Counts) -> Option<Suspended> {
        match verdict(&entry.profile, self.stage) {
            Verdict::Due => {}
            Verdict::NotNow => return None,
            Verdict::Skipped => {
                counts.skipped += 1;
                return None;
            }
            Verdict::Misplaced(phase) => {
                entry.is_misplaced(phase, self.meta);
                counts.skipped += 1;
                return None;
            }
        }
        if !entry.wants(self.event) {
            counts.skipped += 1;
            return None;
        }
        let call = Call {
            bus: self.bus,
            meta: Meta::Known(self.meta),
            listener: &entry.profile,
            transaction: self.stage.transaction(),
        };
        match entry.call(self.event, &call) {
            Some(answer) if answer.is_plain() => {
                counts.ran += 1;
                None
            }
            Some(answer) => {
                let pending = counts.settle(answer);
                self.settled(at, pending, counts)
            }
            None if entry.profile.spawn && self.spawn(entry, &call) => {
                counts.spawned += 1;
                None
            }
            None => Some(Suspended::Async { at }),
        }
    }

    fn settled(
        &self,
        at: usize,
        pending: Vec<BoxFuture<Vec<Failure>>>,
        counts: &Counts,
    ) -> Option<Suspended> {
        if !pending.is_empty() {
            Some(Suspended::Waits { next: at + 1, pending })
        } else if counts.failures.is_empty() {
            None
        } else {
            Some(Suspended::Failed { next: at + 1 })
        }
    }

    /// Starts a listener in a task of its own; false where there are too many.
    #[inline(never)]
    fn spawn(&self, entry: &Entry<E>, call: &Call<'_>) -> bool {
        let MaybeShared::Shared(event) = self.event else { return false };
        let Some(in_flight) = SpawnedInFlight::new(self.bus.tasks()) else { return false };
        let event = MaybeShared::Shared(Arc::clone(event));
        let Some(mut running) = entry.start(event, call.to_owned()) else { return false };
        let origin = Origin::current();
        let (bus, profile, meta) = (self.bus.clone(), Arc::clone(&entry.profile), *self.meta);
        self.bus.tasks().hand_over(Box::pin(async move {
            let polled = pin!(poll_fn(|cx| {
                // An event that was lent is dropped in here, where a panic of its destructor is caught.
                origin.within(|| guarded_poll(|| running.poll(&mut None, cx)))
            }));
            finish(polled, &bus, &profile, &meta, &origin).await;
            drop(in_flight);
        }));
        true
    }
}

/// Runs a listener in a task of its own to its end, and what follows from it.
async fn finish(
    running: Pin<&mut (dyn Future<Output = Result<Answer, ListenerPanicked>> + Send)>,
    bus: &Bus,
    profile: &Arc<Profile>,
    meta: &EventMeta,
    origin: &Origin,
) {
    let answer = match profile.timeout {
        Some(timeout) => match tokio::time::timeout(timeout, running).await {
            Ok(answer) => answer.map_err(BoxError::from),
            Err(_) => Err(ListenerTimedOut { timeout }.into()),
        },
        None => running.await.map_err(BoxError::from),
    };
    match answer {
        Ok(answer) => {
            let more = answer.into_more().map(|more| *more).unwrap_or_default();
            for wait in more.pending {
                wait.await;
            }
            drop(deliver_all(bus, meta, more.returned).await);
        }
        // Making it is what logs it.
        Err(error) => origin.within(|| {
            drop(Failure::new(bus.failures(), profile, meta, None, error));
        }),
    }
}

/// Calls plain listeners of the publication that this thread is in up to the first that has something to say; `ran`
/// counts those before it.
///
/// What [`Run`] does, for plans in which there is nothing to ask: most of them, and the whole cost of
/// publishing to them is here.
#[inline(always)]
pub(crate) fn run_plain<E: Send + Sync + 'static>(
    plain: &Plain<E>,
    ran: &mut u32,
    bus: &Bus,
    meta: Meta<'_>,
    event: &E,
) -> Answer {
    let Plain { first, rest } = plain;
    let rest = &**rest;
    let mut call = Call { bus, meta, listener: &first.profile, transaction: None };
    let mut answer = first.call(event, &call);
    while answer.is_plain() {
        let next = rest.get(*ran as usize);
        *ran += 1;
        let Some(next) = next else { break };
        call.listener = &next.profile;
        answer = next.call(event, &call);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixture::{Heard, Paid, bus, meta, plan, registered, with},
        *,
    };
    use crate::bus::{event::describe, listener::Handler, listeners::Registered};

    fn run(listeners: Vec<Registered>, stage: Stage, from: usize) -> (Suspended, Counts) {
        let (bus, plan, meta) = (bus(Vec::new()), plan(listeners), meta());
        let mut counts = Counts::new(meta, describe::<Paid>);
        let event = MaybeShared::Owned(Paid(7));
        let run = Run { bus: &bus, plan: &plan, event: &event, meta: &meta, stage: &stage };
        (run.from(from, &mut counts), counts)
    }

    #[test]
    fn listeners_run_in_order_up_to_the_first_that_has_to_be_waited_for() {
        let heard = Heard::default();
        let listeners = vec![heard.plain("a"), heard.lent("b"), heard.plain("c")];
        let (suspended, counts) = run(listeners, Stage::Now, 0);
        assert!(matches!(suspended, Suspended::Async { at: 1 }));
        assert_eq!((heard.names(), counts.ran), (vec!["a"], 1));
    }

    #[test]
    fn a_failure_suspends_and_says_who_would_be_next() {
        let heard = Heard::default();
        let listeners = vec![heard.plain("a"), heard.failing("b"), heard.plain("c")];
        let (suspended, counts) = run(listeners, Stage::Now, 0);
        assert!(matches!(suspended, Suspended::Failed { next: 2 }));
        assert_eq!((counts.ran, counts.failures.len()), (1, 1));
        assert_eq!(counts.failures[0].listener, "b");
    }

    #[test]
    fn a_failure_of_the_last_one_is_the_end() {
        let heard = Heard::default();
        let (suspended, _) = run(vec![heard.plain("a"), heard.failing("b")], Stage::Now, 1);
        assert!(matches!(suspended, Suspended::End));
        assert_eq!(heard.names(), ["b"]);
    }

    #[test]
    #[allow(clippy::panic)]
    fn a_panic_is_a_failure_of_the_listener_that_panicked() {
        let heard = Heard::default();
        let panics = Handler::by_ref(|_: &Paid, _| -> Answer { panic!("oh") });
        let listeners = vec![heard.plain("a"), registered("b", panics, |_| ()), heard.plain("c")];
        let (suspended, counts) = run(listeners, Stage::Now, 0);
        assert!(matches!(suspended, Suspended::Failed { next: 2 }));
        assert_eq!(counts.failures[0].listener, "b");
        assert!(counts.failures[0].source.is::<ListenerPanicked>());
    }

    #[test]
    fn a_listener_whose_condition_does_not_hold_is_skipped() {
        let heard = Heard::default();
        let large = Handler::by_ref(|_: &Paid, _| Answer::RAN).when(|paid| paid.0 > 1000);
        let (suspended, counts) =
            run(vec![registered("a", large, |_| ()), heard.plain("b")], Stage::Now, 0);
        assert!(matches!(suspended, Suspended::End));
        assert_eq!((counts.skipped, counts.ran), (1, 1));
    }

    #[test]
    fn each_stage_runs_its_own_phases_and_no_others() {
        use Phase::{AfterCommit, AfterCompletion, AfterRollback, BeforeCommit};
        for (stage, expected) in [
            (Stage::BeforeCommit(Arc::new(())), vec!["before"]),
            (Stage::Commit, vec!["commit", "none"]),
            (Stage::Rollback, vec!["rollback"]),
            (Stage::Completion, vec!["completion"]),
        ] {
            let heard = Heard::default();
            let phase = |name, phase| with(heard.plain(name), |it| it.phase = Some(phase));
            let listeners = vec![
                phase("before", BeforeCommit),
                phase("commit", AfterCommit),
                phase("completion", AfterCompletion),
                heard.plain("none"),
                phase("rollback", AfterRollback),
            ];
            let (_, counts) = run(listeners, stage.clone(), 0);
            assert_eq!(heard.names(), expected, "{stage:?}");
            assert!(counts.failures.is_empty() && counts.skipped == 0, "{stage:?}");
        }
    }

    #[test]
    fn outside_of_a_transaction_a_phase_is_skipped_unless_it_falls_back() {
        let heard = Heard::default();
        for phase in [Phase::BeforeCommit, Phase::AfterCommit, Phase::AfterRollback] {
            let listener = with(heard.plain("a"), |it| it.phase = Some(phase));
            let (_, counts) = run(vec![listener], Stage::Now, 0);
            assert_eq!((counts.skipped, counts.ran, counts.failures.len()), (1, 0, 0));
        }
        assert!(heard.names().is_empty());
        let fallback = with(heard.plain("c"), |it| {
            it.phase = Some(Phase::AfterCommit);
            it.fallback = true;
        });
        assert_eq!(run(vec![fallback], Stage::Now, 0).1.ran, 1);
    }
}
