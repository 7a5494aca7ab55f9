//! `Answer`: the result of one call of a listener. Plain data.

use std::fmt;

use crate::{
    boxed::BoxFuture,
    bus::{failure::Failure, state::Bus},
};

/// The result of one call of a listener. Where it only ran there is nothing more to say, which is the common case and
/// costs nothing.
#[must_use]
pub struct Answer(Option<Box<More>>);

/// What an [`Answer`] says besides that the listener ran.
#[derive(Default)]
pub(crate) struct More {
    /// Failures of the listener itself, and of the listeners of what it returned.
    pub(crate) failures: Vec<Failure>,
    /// What has to be waited for before the listener is through: a send that is being stored.
    pub(crate) pending: Vec<BoxFuture<Vec<Failure>>>,
    /// Events that it returned, in order. They go out once every listener has heard the one before them.
    pub(crate) returned: Vec<Returned>,
    /// The listener itself failed.
    pub(crate) failed: bool,
}

/// An event that a listener returned, and how it is published.
pub(crate) type Returned = Box<dyn FnOnce(&Bus) -> Delivered + Send + Sync>;

/// The result of such an event: what is known, and what is not known yet.
pub(crate) struct Delivered {
    pub(crate) done: More,
    pub(crate) rest: Option<BoxFuture<More>>,
}

impl Answer {
    pub(crate) const RAN: Self = Self(None);

    pub(crate) fn failed(failure: Failure) -> Self {
        Self::of(More { failures: vec![failure], failed: true, ..More::default() })
    }

    /// An answer with more to say than that the listener ran.
    pub(crate) fn of(more: More) -> Self {
        Self(Some(Box::new(more)))
    }

    /// Whether the listener ran, and there is nothing more to say.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the listener itself failed. Failures of listeners of what it returned do not count.
    pub(crate) fn is_failed(&self) -> bool {
        self.0.as_ref().is_some_and(|more| more.failed)
    }

    #[inline]
    pub(crate) fn into_more(self) -> Option<Box<More>> {
        self.0
    }

    pub(crate) fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (None, other) => Self(other),
            (this, None) => Self(this),
            (Some(mut this), Some(other)) => {
                this.failures.extend(other.failures);
                this.pending.extend(other.pending);
                this.returned.extend(other.returned);
                this.failed |= other.failed;
                Self(Some(this))
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Answer::RAN"),
            Some(more) => f
                .debug_struct("Answer")
                .field("failures", &more.failures)
                .field("pending", &more.pending.len())
                .field("returned", &more.returned.len())
                .finish(),
        }
    }
}
