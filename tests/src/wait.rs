//! Waiting for a condition, never for a time.

use std::time::Duration;

use crate::Result;

/// How long any single wait of a test may take before it has failed.
///
/// Far above what is needed (a browser dials again after three seconds), so that a busy machine
/// fails no test.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks at something that cannot tell us that it has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// The result of `wait`, or an error that names `what` once [`DEADLINE`] has passed.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> Result<T> {
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(value) => Ok(value),
        Err(_) => Err(format!("{what}: not within {} s", DEADLINE.as_secs()).into()),
    }
}

/// Looks until `look` gives `Ok(value)`; `Err(seen)` says what was seen instead.
///
/// # Errors
/// `what` and the last thing seen, once [`DEADLINE`] has passed; and an error of `look` at once.
pub async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<std::result::Result<T, String>>,
) -> Result<T> {
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        let seen = match look().await? {
            Ok(value) => return Ok(value),
            Err(seen) => seen,
        };
        if tokio::time::Instant::now() >= end {
            return Err(format!("{what}: not within {} s, but: {seen}", DEADLINE.as_secs()).into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
