//! Why an event was not queued.

use super::CloseReason;
use crate::{InvalidEvent, SseEvent};

/// Why [`SseEmitter::send`](crate::SseEmitter::send) or [`Emitters::send`](crate::Emitters::send)
/// did not take an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The stream has ended and will not come back; `reason` says how.
    #[error("stream is closed: {reason}")]
    #[non_exhaustive]
    Closed {
        /// The event that was not sent.
        event: SseEvent,
        /// How the stream ended.
        reason: CloseReason,
    },
    /// What was given is no event that can be written.
    #[error("event cannot be written")]
    Invalid(#[from] InvalidEvent),
}

/// Why [`SseEmitter::try_send`](crate::SseEmitter::try_send) did not queue an event. An event that
/// could be made is given back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The queue is at capacity; the client is reading more slowly than events arrive.
    #[error("emitter queue is full")]
    Full(SseEvent),
    /// The connection has ended and will not come back; `reason` says how.
    #[error("stream is closed: {reason}")]
    #[non_exhaustive]
    Closed {
        /// The event that was not queued.
        event: SseEvent,
        /// How the connection ended.
        reason: CloseReason,
    },
    /// What was given is no event that can be written.
    #[error("event cannot be written")]
    Invalid(#[from] InvalidEvent),
}
