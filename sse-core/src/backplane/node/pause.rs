//! `Pause`: how long a node waits before it tries something again.

use std::time::Duration;

/// Pauses between attempts: longer ones, and never two nodes at once.
#[derive(Debug, Default)]
pub(super) struct Pause {
    attempts: u32,
}

impl Pause {
    const SHORTEST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) fn length(&mut self) -> Duration {
        let longest = Self::SHORTEST.saturating_mul(1 << self.attempts.min(8)).min(Self::LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        longest.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    pub(super) async fn next(&mut self) {
        tokio::time::sleep(self.length()).await;
    }

    /// Begins with short pauses again: an attempt has succeeded.
    pub(super) const fn reset(&mut self) {
        self.attempts = 0;
    }
}
