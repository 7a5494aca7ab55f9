//! Moments spread over time, so that many clients or streams do not act in the same instant.

use std::time::Duration;

/// When a client comes back that has nothing to come for: not today. An `EventSource` cannot be told
/// to stay away for good without an error, but it waits as long as it is told to.
pub const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When a client comes back for which something could not be had: in 2 s to 10 s.
pub(crate) fn soon() -> Duration {
    jittered(Duration::from_secs(2), Duration::from_secs(10))
}

/// A random time from `low` to `high`: when a client that was sent away comes back.
pub fn jittered(low: Duration, high: Duration) -> Duration {
    low.saturating_add(high.saturating_sub(low).mul_f64(fastrand::f64()))
}

/// `interval`, or less by up to `part` of it: never later than asked for, and drawn once for each
/// stream, so that those which got the same event are not all silent for the same time after it.
pub fn at_most(interval: Duration, part: f64) -> Duration {
    interval.saturating_sub(interval.mul_f64(fastrand::f64() * part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jittered_moment_is_within_its_range() {
        let (low, high) = (Duration::from_secs(1), Duration::from_secs(3));
        let moments: Vec<_> = (0..1000).map(|_| jittered(low, high)).collect();
        assert!(moments.iter().all(|moment| (low..=high).contains(moment)));
        assert!(moments.iter().any(|moment| *moment != moments[0]));
    }

    #[test]
    fn the_longest_durations_are_drawn_from_as_any_other() {
        let (none, most) = (Duration::ZERO, Duration::MAX);
        for _ in 0..1000 {
            assert!(jittered(none, most) <= most);
            assert_eq!(jittered(most, most), most);
            assert!(at_most(most, 0.5) >= most / 4);
            assert_eq!((jittered(none, none), at_most(none, 0.5)), (none, none));
        }
    }

    #[test]
    fn a_range_that_is_upside_down_is_its_low_end() {
        let (low, high) = (Duration::from_secs(3), Duration::from_secs(1));
        assert_eq!(jittered(low, high), low);
    }

    #[test]
    fn an_interval_is_never_longer_than_asked_for() {
        let interval = Duration::from_secs(16);
        for _ in 0..1000 {
            let drawn = at_most(interval, 0.25);
            assert!(drawn <= interval && drawn >= Duration::from_secs(12));
        }
    }
}
