//! One durable listener in this process: how much it may take, what runs, and whether everything fails.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{backoff, lease::Hold};
use crate::{
    backplane::{Claim, DeadReason, Delivery, EventKind, Verdict},
    bus::{failure::Advice, profile::DurableOptions, publish::RunsOne},
    observe,
};

use super::attempt::Outcome;

/// So many failures in a row, with no success between, are an outage of something else: from then on one event at a
/// time is tried, so that a backlog is not burnt into dead letters.
pub(super) const OUTAGE: u32 = 10;

/// The longest pause between two such probes.
const LONGEST_PROBE: Duration = Duration::from_secs(60);

/// The error of what was not run again: each time it was, its process died.
pub(super) const LOST: &str = "was lost with its process, as often as it may be tried";

/// How many an ordered listener takes at once, to be run one by one.
const ORDERED_BATCH: usize = 16;

/// What is taken ahead has to be done within this.
const AHEAD: Duration = Duration::from_secs(1);

/// The most that one claim may ask for.
const MAX_CLAIM: usize = 256;

/// Something that this process has taken.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) delivery: Delivery,
    pub(super) hold: Hold,
}

impl Held {
    /// It was lost with a process, which may be its doing: it runs alone.
    fn is_suspect(&self) -> bool {
        self.delivery.losses > 0
    }

    pub(super) fn tried(&self) -> u32 {
        self.delivery.failures.saturating_add(self.delivery.losses)
    }
}

/// What runs.
#[derive(Debug)]
struct Running {
    number: u64,
    since: Instant,
    suspect: bool,
    overdue: bool,
}

/// One listener.
pub(super) struct Worker {
    pub(super) id: Arc<str>,
    pub(super) one: Arc<dyn RunsOne>,
    kinds: Vec<EventKind>,
    /// What it takes is a turn: one of it is held, and others are too many.
    is_turn: bool,
    options: DurableOptions,
    timeout: Duration,
    ready: VecDeque<Held>,
    running: Vec<Running>,
    /// What is ready, what runs, and what is done and not yet said.
    pub(super) holds: Arc<AtomicUsize>,
    begun: u64,
    /// There may be more than was taken.
    pub(super) more: bool,
    /// Failures in a row.
    streak: u32,
    probe_at: Option<Instant>,
    /// It has a dead letter and stops with it: nothing more begins until both are stored.
    stopping: bool,
    /// Of one run, as a moving mean.
    mean: Option<Duration>,
}

impl Worker {
    pub(super) fn new(
        id: Arc<str>,
        one: Arc<dyn RunsOne>,
        kinds: Vec<EventKind>,
        options: DurableOptions,
        timeout: Duration,
    ) -> Self {
        Self {
            id,
            one,
            kinds,
            is_turn: false,
            options,
            timeout,
            ready: VecDeque::new(),
            running: Vec::new(),
            holds: Arc::default(),
            begun: 0,
            more: false,
            streak: 0,
            probe_at: None,
            stopping: false,
            mean: None,
        }
    }

    /// Of a [turn](super::turn): held by one process at a time, for as long as that lives.
    pub(super) fn turn(kind: EventKind, runs: Arc<dyn RunsOne>) -> Self {
        let options =
            DurableOptions { attempts: u32::MAX, ordered: true, ..DurableOptions::DEFAULT };
        let id = Arc::clone(&kind.name);
        Self { is_turn: true, ..Self::new(id, runs, vec![kind], options, Duration::MAX) }
    }

    pub(super) fn is_turn(&self) -> bool {
        self.is_turn
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.ready.is_empty()
    }

    fn slots(&self) -> usize {
        let slots = if self.options.ordered { 1 } else { self.options.concurrency };
        usize::try_from(slots).unwrap_or(1).clamp(1, MAX_CLAIM)
    }

    /// What it would take now.
    pub(super) fn claim(&self, now: Instant) -> Option<Claim> {
        let count = self.room(now);
        (count > 0 && !self.stopping).then(|| Claim {
            listener: Arc::clone(&self.id),
            kinds: self.kinds.clone(),
            count,
            ordered: self.options.ordered,
        })
    }

    fn room(&self, now: Instant) -> usize {
        if self.is_turn {
            // While it is held too, to take away what is too many.
            return ORDERED_BATCH;
        }
        let suspect =
            self.running.iter().any(|it| it.suspect) || self.ready.iter().any(Held::is_suspect);
        if suspect {
            return 0;
        }
        if let Some(probe_at) = self.probe_at {
            return usize::from(self.is_idle() && now >= probe_at);
        }
        if self.options.ordered {
            return if self.is_idle() { ORDERED_BATCH } else { 0 };
        }
        let wanted = self.slots().saturating_add(self.ahead());
        wanted.saturating_sub(self.holds.load(Ordering::Acquire)).min(MAX_CLAIM)
    }

    /// How many it takes ahead of free places: none unless they are soon done.
    fn ahead(&self) -> usize {
        let Some(mean) = self.mean else { return 0 };
        let mean = mean.as_micros().max(1);
        let soon = usize::try_from(AHEAD.as_micros() / mean).unwrap_or(usize::MAX);
        soon.min(self.slots())
    }

    /// When it may take something again although nothing else happens.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.probe_at.filter(|_| self.is_idle())
    }

    /// There was nothing to probe with: it looks again then.
    pub(super) fn nothing_came(&mut self, until: Instant) {
        if let Some(probe_at) = &mut self.probe_at {
            *probe_at = until.max(*probe_at);
        }
    }

    /// Takes something. A verdict is for what is not to be run at all.
    pub(super) fn take(&mut self, held: Held) -> Option<(Held, Verdict)> {
        if self.is_turn && !self.is_idle() {
            return Some((held, Verdict::Finished));
        }
        if self.stopping {
            return Some((held, Verdict::Released));
        }
        if held.tried() >= self.options.attempts {
            self.stopping = self.options.stop;
            let error = LOST.into();
            return Some((held, Verdict::Dead { error, reason: DeadReason::Attempts }));
        }
        self.ready.push_back(held);
        None
    }

    /// Whether something else may be taken, and begin, before the store knows of this verdict. Not in order; not if the next may take
    /// the process along; and not where the store may give the same to this process again: said twice, it would be true of both times.
    pub(super) fn waits_for(&self, held: &Held, verdict: &Verdict) -> bool {
        self.options.ordered || held.is_suspect() || !matches!(verdict, Verdict::Finished)
    }

    /// Whether its dead letters pause it.
    pub(super) fn stops(&self) -> bool {
        self.options.stop
    }

    /// The dead letter with which it stopped is stored, or somebody else has the event.
    pub(super) fn has_stopped(&mut self) {
        self.stopping = false;
    }

    /// What is to begin now, with its number.
    pub(super) fn begin(&mut self, now: Instant) -> Option<(Held, u64)> {
        if self.stopping {
            return None;
        }
        let suspect = self.ready.front()?.is_suspect();
        let slots = if self.probe_at.is_some() { 1 } else { self.slots() };
        let alone = suspect || self.running.iter().any(|it| it.suspect);
        if self.running.len() >= slots || (alone && !self.running.is_empty()) {
            return None;
        }
        let held = self.ready.pop_front()?;
        self.begun += 1;
        self.running.push(Running { number: self.begun, since: now, suspect, overdue: false });
        Some((held, self.begun))
    }

    /// What was taken and has not begun.
    pub(super) fn unbegun(&mut self) -> Vec<Held> {
        self.ready.drain(..).collect()
    }

    /// What runs for longer than it may: what blocks its thread cannot be stopped.
    pub(super) fn note_overdue(&mut self, now: Instant) {
        let limit = self.timeout.saturating_add(AHEAD);
        for run in self.running.iter_mut().filter(|it| !it.overdue) {
            run.overdue = now.saturating_duration_since(run.since) > limit;
            if run.overdue {
                observe::durable_overdue(&self.id, limit);
            }
        }
    }

    /// One run is over. What is to be said of it, if anything; and what is given back with it.
    pub(super) fn over(
        &mut self,
        held: &Held,
        number: u64,
        outcome: Outcome,
        now: Instant,
        draining: bool,
    ) -> (Option<Verdict>, Vec<Held>) {
        if let Some(at) = self.running.iter().position(|it| it.number == number) {
            let took = now.saturating_duration_since(self.running.swap_remove(at).since);
            self.mean = Some(self.mean.map_or(took, |mean| (mean * 7 + took) / 8));
        }
        if self.is_turn {
            // Over it is only with its process, or with the drain: somebody else's turn.
            let cut = matches!(outcome, Outcome::Cut) && !draining;
            return ((!cut).then_some(Verdict::Released), Vec::new());
        }
        let (error, advice) = match outcome {
            Outcome::Cut => return (draining.then_some(Verdict::Released), Vec::new()),
            Outcome::Finished => {
                self.succeeded();
                return (Some(Verdict::Finished), Vec::new());
            }
            Outcome::Failed { error, advice } => (error, advice),
        };
        if advice == Advice::GiveUp {
            return self.dead(error, DeadReason::GivenUp);
        }
        self.failed(now);
        if held.tried().saturating_add(1) >= self.options.attempts {
            return self.dead(error, DeadReason::Attempts);
        }
        let failures = held.delivery.failures.saturating_add(1);
        let again = match advice {
            Advice::RetryAfter(after) => after,
            _ => backoff::after(failures, self.options.backoff),
        };
        // Nothing overtakes it; and while nothing works, nothing more is tried.
        let back = if self.options.ordered || self.probe_at.is_some() {
            self.unbegun()
        } else {
            Vec::new()
        };
        (Some(Verdict::Failed { error, again }), back)
    }

    /// It is not tried any more; and where that stops the listener, what was taken after it goes back.
    fn dead(&mut self, error: Arc<str>, reason: DeadReason) -> (Option<Verdict>, Vec<Held>) {
        self.stopping = self.options.stop;
        let back = if self.stopping { self.unbegun() } else { Vec::new() };
        (Some(Verdict::Dead { error, reason }), back)
    }

    fn succeeded(&mut self) {
        self.streak = 0;
        if self.probe_at.take().is_some() {
            self.more = true;
            observe::durable_outage(&self.id, false);
        }
    }

    fn failed(&mut self, now: Instant) {
        self.streak = self.streak.saturating_add(1);
        let Some(probes) = self.streak.checked_sub(OUTAGE) else { return };
        let first = self.probe_at.is_none();
        let pause = backoff::within(probes.saturating_add(1), self.options.backoff, LONGEST_PROBE);
        self.probe_at = Some(now + pause);
        if first {
            observe::durable_outage(&self.id, true);
        }
    }
}
