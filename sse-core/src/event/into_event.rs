//! `IntoEvent`: what `send` takes.

use super::{InvalidEvent, MAX_EVENT_BYTES, SseEvent, SseEventBuilder};

/// What `send` takes: an event, a builder, text, or a type of your own.
///
/// ```
/// # use sse_tower_core::{IntoEvent, InvalidEvent, SseEvent};
/// struct Paid { record: u64 }
///
/// impl IntoEvent for Paid {
///     fn into_event(self) -> Result<SseEvent, InvalidEvent> {
///         SseEvent::builder().name("paid").data(self.record.to_string()).build()
///     }
/// }
/// # assert_eq!(Paid { record: 7 }.into_event().unwrap().encode(), "event:paid\ndata:7\n\n");
/// ```
pub trait IntoEvent {
    /// Makes the event.
    ///
    /// # Errors
    /// [`InvalidEvent`] if it cannot be written; `send` returns it.
    fn into_event(self) -> Result<SseEvent, InvalidEvent>;
}

impl IntoEvent for SseEvent {
    fn into_event(self) -> Result<SseEvent, InvalidEvent> {
        match self.encoded_len() {
            len if len > MAX_EVENT_BYTES => {
                Err(InvalidEvent::TooLarge { len, max: MAX_EVENT_BYTES })
            }
            _ => Ok(self),
        }
    }
}

impl IntoEvent for SseEventBuilder {
    fn into_event(self) -> Result<SseEvent, InvalidEvent> {
        self.build()
    }
}

impl IntoEvent for &str {
    fn into_event(self) -> Result<SseEvent, InvalidEvent> {
        SseEvent::data(self).into_event()
    }
}

impl IntoEvent for String {
    fn into_event(self) -> Result<SseEvent, InvalidEvent> {
        self.as_str().into_event()
    }
}
