//! `BackplaneError`: why a change is not in the store, or is not known to be.

use std::{sync::Arc, time::Duration};

use super::super::{EngineError, MAX_RECORD_BYTES, TopicTooLong};

/// Why a change did not get to the store, or nobody knows whether it did.
///
/// [`is_unknown`](Self::is_unknown) tells the two apart. After an answer that is certain the same change may be
/// sent again without being there twice.
///
/// ```
/// # use sse_tower_core::backplane::BackplaneError;
/// assert!(!BackplaneError::QueueFull.is_unknown());
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackplaneError {
    /// The store answers more slowly than changes come. Certainly not stored.
    #[error(
        "outgoing queue is full, since the store answers more slowly than events come; it is not stored"
    )]
    QueueFull,
    /// One event is larger than a store takes. Certainly not stored.
    #[error(
        "event has {0} bytes, a backplane carries {MAX_RECORD_BYTES}; send where to fetch it instead"
    )]
    TooLarge(usize),
    /// The key's text is no name for a topic. Certainly not stored.
    #[error("key cannot be carried between processes")]
    Key(#[from] TopicTooLong),
    /// The store refused, and would refuse again. Certainly not stored.
    #[error("store refused it")]
    Refused(#[source] Arc<EngineError>),
    /// The backplane was closed by this process. Certainly not stored.
    #[error("backplane was closed; it is not stored")]
    Closed,
    /// Its deadline passed before it was handed to the store. Certainly not stored.
    #[error("store did not take it within {after:?}; it is not stored")]
    NotStored {
        /// The deadline.
        after: Duration,
        /// What the store said last.
        #[source]
        source: Option<Arc<EngineError>>,
    },
    /// It was handed to the store, which did not answer in time: whether it is stored is unknown.
    #[error("store did not answer within {after:?}; whether it is stored is unknown")]
    Unknown {
        /// The deadline.
        after: Duration,
        /// What the store said last.
        #[source]
        source: Option<Arc<EngineError>>,
    },
}

impl BackplaneError {
    /// Whether it is unknown if the change is stored.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}
