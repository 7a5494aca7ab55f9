//! When the next attempt is.

use std::time::Duration;

/// No pause is longer: two hours.
pub(super) const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// The pause after so many failures: it doubles each time, and varies by a quarter, so that what failed together does
/// not come back together.
pub(super) fn after(failures: u32, base: Duration) -> Duration {
    spread(doubled(failures, base).min(LONGEST))
}

/// As [`after`], within bounds of its own.
pub(super) fn within(failures: u32, base: Duration, longest: Duration) -> Duration {
    spread(doubled(failures, base).min(longest))
}

fn doubled(failures: u32, base: Duration) -> Duration {
    let doublings = failures.saturating_sub(1);
    base.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX).max(1))
}

fn spread(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_hours_and_never_overflow() {
        let base = Duration::from_secs(1);
        for (failures, expected) in [(0, 1), (1, 1), (2, 2), (11, 1_024), (14, 7_200), (40, 7_200)]
        {
            let pause = after(failures, base).as_secs_f64() / f64::from(expected);
            assert!((0.75..=1.25).contains(&pause), "{failures}: {pause}");
        }
        assert!(after(u32::MAX, Duration::MAX) <= LONGEST.mul_f64(1.25));
    }

    #[test]
    fn twenty_attempts_from_a_second_take_about_fourteen_hours() {
        let all: Duration = (1..20).map(|n| doubled(n, Duration::from_secs(1)).min(LONGEST)).sum();
        assert_eq!(all.as_secs() / 3_600, 14);
    }
}
