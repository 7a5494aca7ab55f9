//! `SendError`, `TrySendError`: why an event was not sent.

use crate::{
    backplane::BackplaneError,
    close_reason::CloseReason,
    error_chain::debug_with_causes,
    event::{InvalidEvent, SseEvent},
};

/// Why [`SseEmitter::send`](crate::SseEmitter::send) or [`Emitters::send`](crate::Emitters::send)
/// did not take an event.
///
/// ```
/// # use sse_tower_core::{SendError, SseEmitter};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emitter = SseEmitter::new();
/// drop(emitter.clone().into_stream()); // the client left
/// match emitter.send("news").await {
///     Ok(()) => {}
///     Err(SendError::Closed { event, reason, .. }) => println!("{reason}, so {event:?} was not sent"),
///     Err(error) => panic!("{error}"),
/// }
/// # }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The stream has ended and will not come back; `reason` says how.
    #[error("stream is closed ({reason}); {}", instead(*reason))]
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
    /// The backplane did not take the event, or nobody knows whether it did: see
    /// [`BackplaneError::is_unknown`]. Gives the event back.
    #[error("event did not get to the backplane")]
    #[non_exhaustive]
    Backplane {
        /// The event that was not stored, or that nobody knows to be stored.
        event: SseEvent,
        /// Why it was not, or why nobody knows.
        source: BackplaneError,
    },
}

/// Why [`SseEmitter::try_send`](crate::SseEmitter::try_send) did not queue an event. An event that
/// could be made is given back.
///
/// ```
/// # use sse_tower_core::{SseEmitter, TrySendError};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emitter = SseEmitter::builder().capacity(1, 1024).build();
/// emitter.try_send("one").unwrap();
/// if let Err(TrySendError::Full(event)) = emitter.try_send("two") {
///     // The event is back: keep it, drop it, or try again later.
///     assert_eq!(event.encode(), "data:two\n\n");
/// }
/// # }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The queue is at capacity; the client is reading more slowly than events arrive.
    #[error(
        "emitter queue is full, since the client reads more slowly than events come; \
         wait with `send`, or raise `capacity`"
    )]
    Full(SseEvent),
    /// The connection has ended and will not come back; `reason` says how.
    #[error("stream is closed ({reason}); {}", instead(*reason))]
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

debug_with_causes!(SendError, TrySendError);

/// What the program can do instead of sending to a stream that has ended like this.
const fn instead(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Completed => {
            "send before `complete`, or reopen a key of `Emitters` with `forget`"
        }
        CloseReason::Failed => "send before `complete_with_error`",
        CloseReason::TimedOut => {
            "give it a longer `timeout`, or send when the client has dialled again"
        }
        CloseReason::ClientGone => {
            "stop sending; for clients that come back, send to a key of `Emitters`"
        }
        CloseReason::Replaced => "send to the key, which a newer connection has",
        CloseReason::Refused | CloseReason::Drained => {
            "stop sending; the client was told to dial again"
        }
        CloseReason::Lagged => "stop sending; the client resumes when it dials again",
        CloseReason::Expired => "renew the lease in time, or stop sending",
    }
}
