//! `Times`: when a function runs, one run after the other.

use std::time::Duration;

use tokio::time::Instant;

use crate::bus::scheduled::{Timetable, When};

#[cfg(feature = "cron")]
use super::cron::Cron;

/// The shortest time between two runs: a function that is to run all the time is a loop, not a schedule.
pub(crate) const SHORTEST: Duration = Duration::from_millis(1);

/// How far away a time may be: what lies beyond never comes.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// The runs of one function, one after the other.
pub(crate) struct Times {
    rule: Rule,
    initial_delay: Duration,
}

enum Rule {
    Every(Duration),
    Delay(Duration),
    #[cfg(feature = "cron")]
    Cron(Box<Cron>),
}

/// The next run, and how many were left out before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) at: Instant,
    pub(super) left_out: u64,
}

impl Times {
    /// The runs that a timetable means, or what is wrong with it.
    pub(crate) fn new(table: &Timetable) -> Result<Self, String> {
        let rule = match table.when {
            When::Every(period) => Rule::Every(period.max(SHORTEST)),
            When::Delay(delay) => Rule::Delay(delay.max(SHORTEST)),
            #[cfg(feature = "cron")]
            When::Cron { expression, zone } => Rule::Cron(Box::new(Cron::new(expression, zone)?)),
            #[cfg(not(feature = "cron"))]
            When::Cron { .. } => {
                return Err("cron expressions need the feature `cron` of sse-tower".to_owned());
            }
        };
        Ok(Self { rule, initial_delay: table.initial_delay })
    }

    /// The first run, for a context that began at `now`. `None` if there is none.
    pub(super) fn first(&self, now: Instant) -> Option<Instant> {
        let begin = later(now, self.initial_delay)?;
        match &self.rule {
            Rule::Every(_) | Rule::Delay(_) => Some(begin),
            #[cfg(feature = "cron")]
            Rule::Cron(cron) => cron.after(begin),
        }
    }

    /// The run after the one that was due at `due`, which ended at `now`.
    pub(super) fn next(&self, due: Instant, now: Instant) -> Option<Next> {
        match &self.rule {
            Rule::Delay(delay) => Some(Next { at: later(now, *delay)?, left_out: 0 }),
            Rule::Every(period) => {
                let passed = now.saturating_duration_since(due);
                let left_out =
                    u64::try_from(passed.as_nanos() / period.as_nanos()).unwrap_or(u64::MAX);
                let steps = u32::try_from(left_out).ok()?.checked_add(1)?;
                Some(Next { at: later(due, period.checked_mul(steps)?)?, left_out })
            }
            #[cfg(feature = "cron")]
            Rule::Cron(cron) => {
                let at = cron.after(now.max(due))?;
                Some(Next { at, left_out: u64::from(cron.after(due)? < at) })
            }
        }
    }
}

fn later(instant: Instant, by: Duration) -> Option<Instant> {
    (by <= FAR).then(|| instant.checked_add(by)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn every() -> Times {
        Times::new(&Timetable::every_millis(5_000, "f").initial_delay_millis(2_000)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_run_waits_for_its_delay_and_the_next_keep_their_step() {
        let now = Instant::now();
        let first = every().first(now).unwrap();
        assert_eq!(first, now + 2 * SECOND);
        let next = every().next(first, first + SECOND).unwrap();
        assert_eq!(next, Next { at: first + 5 * SECOND, left_out: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn runs_that_fell_into_another_are_left_out() {
        let due = Instant::now();
        let next = every().next(due, due + 12 * SECOND).unwrap();
        assert_eq!(next, Next { at: due + 15 * SECOND, left_out: 2 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_counts_from_the_end() {
        let times = Times::new(&Timetable::delay_millis(5_000, "f")).unwrap();
        let due = Instant::now();
        let next = times.next(due, due + 12 * SECOND).unwrap();
        assert_eq!(next, Next { at: due + 17 * SECOND, left_out: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn absurd_times_never_come_and_never_panic() {
        let now = Instant::now();
        for millis in [u64::MAX, u64::MAX / 2] {
            let times = Times::new(&Timetable::every_millis(millis, "f")).unwrap();
            assert_eq!(times.first(now), Some(now));
            assert_eq!(times.next(now, now), None);
            let late =
                Times::new(&Timetable::every_millis(1, "f").initial_delay_millis(millis)).unwrap();
            assert_eq!(late.first(now), None);
        }
        let always = Times::new(&Timetable::every_millis(0, "f")).unwrap();
        assert_eq!(always.next(now, now).map(|next| next.at), Some(now + SHORTEST));
    }
}
