//! The store's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Microseconds since 1970, as tokio's clock goes: the wall clock is asked once, when the store begins.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    base: u64,
}

impl Clock {
    /// The wall clock, from now on as tokio's goes.
    pub(super) fn wall() -> Self {
        Self::at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// A clock by which it is now this long after 1970.
    pub(super) fn at(since_1970: Duration) -> Self {
        Self { began: Instant::now(), base: micros(since_1970) }
    }

    /// The time, `back` earlier than it is.
    pub(super) fn now(&self, back: Duration) -> u64 {
        let now = self.base.saturating_add(micros(self.began.elapsed()));
        now.saturating_sub(micros(back))
    }
}

/// A duration in microseconds; the longest there is for one that is longer.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
