//! When an event came to this process: [`Offset`], and the clock that gives them out.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::sync::{AtomicU64, Ordering};

/// When an event came to this process, in one order for all logs and all connections.
///
/// It puts what is for one connection alone in its place among the events of the logs, and nothing
/// else: no client ever sees it. Where an event stands for those who come back is its
/// [`Position`](super::Position).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offset(u64);

impl Offset {
    /// Before every event.
    pub(crate) const FIRST: Self = Self(0);
    /// After every event.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// The newest offset before this one.
    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The oldest offset after this one.
    pub(crate) const fn after(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    pub(super) const fn get(self) -> u64 {
        self.0
    }

    #[cfg(test)]
    pub(crate) const fn at(number: u64) -> Self {
        Self(number)
    }
}

/// The last offset that was given out in this process.
#[cfg(not(sse_loom))]
static LAST: AtomicU64 = AtomicU64::new(0);
#[cfg(sse_loom)]
loom::lazy_static! {
    static ref LAST: AtomicU64 = AtomicU64::new(0);
}

/// A new offset: the wall clock in microseconds, bumped so that none is given twice.
///
/// One domain for the whole process, so that the events of several logs, and those for one
/// connection alone, can be put in order by one number. Following the clock keeps what is made from
/// it rising across restarts without anything stored.
pub(crate) fn next() -> Offset {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let now = u64::try_from(now).unwrap_or(0);
    let bump = |last: u64| Some(now.max(last + 1));
    match LAST.fetch_update(Ordering::AcqRel, Ordering::Acquire, bump) {
        Ok(last) => Offset(now.max(last + 1)),
        Err(last) => Offset(last),
    }
}

/// The last offset that was given out.
pub(crate) fn last() -> Offset {
    Offset(LAST.load(Ordering::Acquire))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_offset_is_given_twice_and_each_is_after_the_one_before() {
        let mut before = last();
        for _ in 0..10_000 {
            let offset = next();
            assert!(offset > before);
            before = offset;
        }
        assert!(last() >= before);
    }

    #[test]
    fn the_ends_have_nothing_beyond_them() {
        assert_eq!(Offset::FIRST.before(), Offset::FIRST);
        assert_eq!(Offset::LAST.after(), Offset::LAST);
    }
}
