//! One message on the wire, written to WHATWG HTML, section 9.2.
//!
//! Everything that could break the framing is checked when an event is made, so that what is sent
//! later is bytes and cannot fail. Pure: no I/O, no clock, no tasks.

mod builder;
mod control;
mod encode;
mod error;
mod id;
mod into_event;
mod name;
#[cfg(not(feature = "json"))]
mod without_json;

use std::{fmt, sync::Arc};

use bytes::Bytes;

pub use builder::SseEventBuilder;
pub use control::encode_with_id;
pub(crate) use control::{GapReason, gap, ready, reset};
pub use control::{STREAM_BYE, STREAM_GAP, STREAM_READY, STREAM_RESET, bye};
use encode::encode_behind_id;
pub(crate) use encode::{Encoder, frame_with_id, id_alone, id_line};
pub use encode::{KEEP_ALIVE_COMMENT, MAX_EVENT_BYTES};
pub use error::InvalidEvent;
pub use id::EventId;
pub use into_event::IntoEvent;
pub use name::EventName;

/// One message on the wire: checked, encoded once, ready to be sent any number of times.
///
/// Fields are written in the order in which they were set, without a space after the colon, as
/// Spring writes them.
///
/// ```
/// # use sse_tower_core::SseEvent;
/// # fn main() -> Result<(), sse_tower_core::InvalidEvent> {
/// let event = SseEvent::builder().name("finish").id("6666").data("哈哈").build()?;
/// assert_eq!(event.encode(), "event:finish\nid:6666\ndata:哈哈\n\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SseEvent {
    encoder: Encoder,
    id: Option<EventId>,
    name: Option<EventName>,
    /// The key by which it is stored once, on a backplane.
    #[allow(
        clippy::box_collection,
        clippy::redundant_allocation,
        reason = "rare, and errors carry events by value"
    )]
    once: Option<Box<Arc<str>>>,
}

impl SseEvent {
    /// An event with this text as its data. Each LF, CR and CRLF in it is one line break to the
    /// client; empty text is dispatched as an event with empty data.
    ///
    /// ```
    /// # use sse_tower_core::SseEvent;
    /// assert_eq!(SseEvent::data("a\r\nb").encode(), "data:a\ndata:b\n\n");
    /// assert_eq!(SseEvent::data("").encode(), "data:\n\n");
    /// ```
    pub fn data(text: impl AsRef<str>) -> Self {
        let mut encoder = Encoder::default();
        encoder.lines("data", text.as_ref());
        Self { encoder, id: None, name: None, once: None }
    }

    /// A comment: clients ignore it, proxies see that the connection lives.
    ///
    /// ```
    /// # use sse_tower_core::SseEvent;
    /// assert_eq!(SseEvent::comment("ping").encode(), ":ping\n");
    /// ```
    pub fn comment(text: impl AsRef<str>) -> Self {
        let mut encoder = Encoder::default();
        encoder.lines("", text.as_ref());
        Self { encoder, id: None, name: None, once: None }
    }

    /// The id that was set, if any. On a keyed log an event without one gets one.
    #[must_use]
    pub fn id(&self) -> Option<&EventId> {
        self.id.as_ref()
    }

    /// The name that was set, if any. Without one a browser dispatches the event as `message`.
    #[must_use]
    pub fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    /// The key by which it is stored once.
    pub(crate) fn once(&self) -> Option<&Arc<str>> {
        self.once.as_deref()
    }

    /// The bytes of this event on the wire, the closing blank line included. Comments and `retry`
    /// alone have none: to a client they are no event, and some would make an empty one of it.
    ///
    /// ```
    /// # use sse_tower_core::SseEvent;
    /// let event = SseEvent::data("支付成功");
    /// assert_eq!(event.encoded_len(), 19);
    /// assert_eq!(event.encode(), "data:支付成功\n\n");
    /// ```
    #[must_use]
    pub fn encode(self) -> Bytes {
        self.encoder.finish()
    }

    /// The bytes on the wire, with `token` as its id.
    pub(crate) fn encode_with_id(mut self, token: &str) -> Bytes {
        self.encoder.line("id", token);
        self.encoder.finish()
    }

    /// The bytes on the wire with `id` as its only id, before everything else; and the same without an id.
    pub(crate) fn encode_behind_id(&self, id: &EventId) -> (Bytes, Bytes) {
        encode_behind_id(self.fields(), id)
    }

    /// The fields as they are on the wire, without the blank line that ends the event.
    pub(crate) fn fields(&self) -> &[u8] {
        self.encoder.as_bytes()
    }

    /// The event that had these fields.
    pub(crate) fn from_fields(fields: &[u8], id: Option<EventId>, name: Option<EventName>) -> Self {
        Self { encoder: Encoder::from_bytes(fields), id, name, once: None }
    }

    /// How many bytes the event takes on the wire, without an id that is added later.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.encoder.len()
    }
}

impl fmt::Debug for SseEvent {
    /// Name, id and size; the data stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseEvent")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("bytes", &self.encoded_len())
            .finish()
    }
}

impl PartialEq for SseEvent {
    fn eq(&self, other: &Self) -> bool {
        self.encoder == other.encoder
    }
}

impl Eq for SseEvent {}
