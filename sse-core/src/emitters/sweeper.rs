//! `Sweeper`: when the histories are swept next, and who does it.
//!
//! Whatever adds something sweeps what is due. Where nothing happens any more, a timer does: on the
//! runtime of whoever set it, whose clock may be a paused one. That runtime may end, or nobody may drive
//! it any more; so whoever comes later on another one takes over what is late, and where nobody comes the
//! [last resort](crate::backstop) does. It first asks the runtime for a sign of life: one whose clock
//! stands still is alive, and its sweeper has time.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time::Instant};

use crate::{
    backstop::{self, Watched},
    boxed::spawn,
    timer::{Tick, Timer, later},
};

/// How late a sweep may be before somebody else does it, and how long a runtime has for a sign of life.
const LATE: Duration = Duration::from_secs(1);
/// When a runtime that is alive, and whose clock has not come to the sweep, is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct Sweeper {
    timer: Timer,
    watched: Weak<dyn Watched>,
    /// When the next sweep is, if one is planned.
    at: Option<Instant>,
    /// When that is late.
    late: Option<Instant>,
    /// Whose timer it is.
    runtime: Option<Handle>,
    /// Set by the runtime, to say that it lives.
    sign: Option<Arc<AtomicBool>>,
    is_watched: bool,
}

/// When the planned sweep is late, for those who have no reason to take the sweeper's lock.
pub(super) struct Planned {
    born: Instant,
    /// In nanoseconds since then; at once where none is planned.
    late: AtomicU64,
}

impl Default for Planned {
    fn default() -> Self {
        Self { born: Instant::now(), late: AtomicU64::new(0) }
    }
}

impl Planned {
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.nanos(now) >= self.late.load(Ordering::Relaxed)
    }

    fn show(&self, late: Option<Instant>) {
        self.late.store(late.map_or(0, |late| self.nanos(late)), Ordering::Relaxed);
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.born);
        // Asked with each send: not by `as_nanos`, which counts in 128 bits.
        since.as_secs().saturating_mul(1_000_000_000).saturating_add(since.subsec_nanos().into())
    }
}

/// What the thread of last resort finds.
pub(super) enum Looked {
    Nothing,
    Again(Duration),
    /// The sweep that was planned for then did not happen.
    Overdue(Instant),
}

impl Sweeper {
    pub(super) fn new<T: Tick + Watched>(hub: &Weak<T>) -> Self {
        Self {
            timer: Timer::new(Weak::clone(hub) as _),
            watched: Weak::clone(hub) as _,
            at: None,
            late: None,
            runtime: None,
            sign: None,
            is_watched: false,
        }
    }

    /// Sets the timer to `next`, unless it is set to something earlier; at once if that is late.
    pub(super) fn plan(&mut self, now: Instant, next: Instant, planned: &Planned) {
        let is_late = self.late.is_some_and(|late| late <= now);
        if !is_late && self.at.is_some_and(|at| at <= next) {
            return;
        }
        let at = if is_late { now } else { next };
        let late = later(at, LATE);
        (self.at, self.late) = (Some(at), Some(late));
        planned.show(Some(late));
        self.timer.set(at);
        self.runtime = Handle::try_current().ok();
        self.sign = None;
        if !self.is_watched {
            self.is_watched = true;
            let after = at.saturating_duration_since(now).saturating_add(LATE);
            backstop::watch(Weak::clone(&self.watched), after);
        }
    }

    /// Notes that a sweep begins: none is planned any more.
    pub(super) fn done(&mut self, planned: &Planned) {
        self.timer.clear();
        (self.at, self.late, self.sign) = (None, None, None);
        planned.show(None);
    }

    pub(super) fn look(&mut self) -> Looked {
        let Some(at) = self.at else {
            self.is_watched = false;
            return Looked::Nothing;
        };
        let now = Instant::now();
        if at > now {
            // It was done, and the next one is planned.
            return Looked::Again(at.saturating_duration_since(now).saturating_add(LATE));
        }
        match (&self.runtime, self.sign.take()) {
            (Some(runtime), None) => {
                let sign = Arc::new(AtomicBool::new(false));
                self.sign = Some(Arc::clone(&sign));
                spawn(runtime, async move { sign.store(true, Ordering::Release) });
                Looked::Again(LATE)
            }
            (Some(_), Some(sign)) if sign.load(Ordering::Acquire) => Looked::Again(ASK_AGAIN),
            _ => Looked::Overdue(at),
        }
    }

    /// After which time to look at what is planned now.
    pub(super) fn look_again(&mut self) -> Option<Duration> {
        match self.at {
            Some(at) => Some(at.saturating_duration_since(Instant::now()).saturating_add(LATE)),
            None => {
                self.is_watched = false;
                None
            }
        }
    }
}
