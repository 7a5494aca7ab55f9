//! Where offsets come from.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The last offset that was given out in this process. Not one of [`crate::sync`]'s atomics: each
/// use is a single operation, so a model checker has nothing to interleave.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A new offset: the wall clock in microseconds, bumped so that none is given twice.
///
/// One domain for the whole process, so that the events of several logs, and those for one
/// connection alone, can be put in order by one number. Following the clock keeps offsets rising
/// across restarts without anything stored.
pub(crate) fn next() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let now = u64::try_from(now).unwrap_or(0);
    let bump = |last: u64| Some(now.max(last + 1));
    match LAST.fetch_update(Ordering::AcqRel, Ordering::Acquire, bump) {
        Ok(last) => now.max(last + 1),
        Err(last) => last,
    }
}

/// The last offset that was given out.
pub(crate) fn last() -> u64 {
    LAST.load(Ordering::Acquire)
}
