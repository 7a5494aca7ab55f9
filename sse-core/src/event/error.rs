//! Why an event could not be made.

/// Why an event could not be made. Nothing of it is ever written.
///
/// ```
/// # use sse_tower_core::{InvalidEvent, SseEvent};
/// let forged = SseEvent::builder().name("chat\ndata:forged").data("hello").build();
/// assert!(matches!(forged, Err(InvalidEvent::NameWithLineBreak)));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// A name with a line break would end its field and forge the next one.
    #[error("event name contains a line break; take it out, only data may have several lines")]
    NameWithLineBreak,
    /// An empty name means `message` to a client: leave it out instead.
    #[error("event name is empty; leave it out to send a `message`")]
    EmptyName,
    /// An id with a line break would end its field and forge the next one.
    #[error("event id contains a line break; take it out, only data may have several lines")]
    IdWithLineBreak,
    /// A client ignores an id that contains NUL (WHATWG HTML 9.2.6).
    #[error("event id contains NUL, which makes clients ignore it; take it out")]
    IdWithNul,
    /// An id with another control character cannot be sent back: such a header is answered with 400,
    /// after which an `EventSource` never dials again.
    #[error(
        "event id contains a control character, with which no client could come back; take it out"
    )]
    IdWithControl,
    /// A space at an end of an id is lost on its way back.
    #[error("event id begins or ends with a space, which is lost on its way back; take it out")]
    IdWithBlankEnd,
    /// An empty id makes a client forget where it was.
    #[error("event id is empty, which would make clients forget their position; leave it out")]
    EmptyId,
    /// An id that no browser could send back in a header of sensible size.
    #[error("event id has {len} bytes, more than {max}; use a shorter one")]
    IdTooLong {
        /// The length of the id, in bytes.
        len: usize,
        /// The longest id that is accepted, in bytes.
        max: usize,
    },
    /// No field was set.
    #[error("event has no field; set at least one of data, name, id, retry or comment")]
    Empty,
    /// The event is larger than [`MAX_EVENT_BYTES`](crate::MAX_EVENT_BYTES).
    #[error(
        "event has {len} bytes, more than {max}; send it in parts, or an address to fetch it from"
    )]
    TooLarge {
        /// The length of the event on the wire, in bytes.
        len: usize,
        /// The largest event that is accepted, in bytes.
        max: usize,
    },
    /// The value could not be serialised.
    #[cfg(feature = "json")]
    #[error("event data cannot be serialised as JSON")]
    Json(#[source] serde_json::Error),
}

crate::error_chain::debug_with_causes!(InvalidEvent);
