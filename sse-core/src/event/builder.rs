//! `SseEventBuilder`: events of several fields.

use std::{sync::Arc, time::Duration};

use super::{Encoder, EventId, EventName, InvalidEvent, MAX_EVENT_BYTES, SseEvent};

/// The longest `retry` that is written, in milliseconds; browsers keep it in a signed 32-bit number.
const MAX_RETRY_MS: u64 = i32::MAX as u64;

/// Builds an [`SseEvent`] field by field; fields are written in the order in which they are set,
/// and one set twice is written twice (a client keeps the last).
///
/// A bad name or id is remembered and comes out of [`build`](Self::build), or out of `send`.
///
/// ```
/// # use {sse_tower_core::SseEvent, std::time::Duration};
/// # fn main() -> Result<(), sse_tower_core::InvalidEvent> {
/// let event = SseEvent::builder().data("data1").id("1").retry(Duration::from_secs(3)).build()?;
/// assert_eq!(event.encode(), "data:data1\nid:1\nretry:3000\n\n");
/// assert!(SseEvent::builder().name("a\nb").build().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder makes nothing until `build` or `send`"]
pub struct SseEventBuilder {
    encoder: Encoder,
    id: Option<EventId>,
    name: Option<EventName>,
    error: Option<InvalidEvent>,
    once: Option<Arc<str>>,
}

impl SseEvent {
    /// Starts an event of several fields.
    ///
    /// ```
    /// # use sse_tower_core::{InvalidEvent, SseEvent};
    /// # fn main() -> Result<(), InvalidEvent> {
    /// let event = SseEvent::builder().name("finish").data("哈哈").build()?;
    /// assert_eq!(event.name().map(|name| name.as_str()), Some("finish"));
    /// # Ok(()) }
    /// ```
    pub fn builder() -> SseEventBuilder {
        SseEventBuilder::default()
    }

    /// An event with `value` as JSON in its data.
    ///
    /// # Errors
    /// [`InvalidEvent::Json`] if `value` cannot be serialised. Nothing is written then: the value
    /// is serialised before the event is made.
    ///
    /// ```
    /// # use sse_tower_core::SseEvent;
    /// # fn main() -> Result<(), sse_tower_core::InvalidEvent> {
    /// assert_eq!(SseEvent::json(&[1, 2])?.encode(), "data:[1,2]\n\n");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, InvalidEvent> {
        Self::builder().json(value).build()
    }
}

impl SseEventBuilder {
    /// Sets the event's name: a constant [`EventName`], or text that is checked.
    ///
    /// ```
    /// # use sse_tower_core::{EventName, InvalidEvent, SseEvent};
    /// # fn main() -> Result<(), InvalidEvent> {
    /// const FINISH: EventName = EventName::from_static("finish");
    /// let event = SseEvent::builder().name(FINISH).data("").build()?;
    /// assert_eq!(event.encode(), "event:finish\ndata:\n\n");
    /// # Ok(()) }
    /// ```
    pub fn name<N>(mut self, name: N) -> Self
    where
        N: TryInto<EventName>,
        N::Error: Into<InvalidEvent>,
    {
        match name.try_into() {
            Ok(name) => {
                self.encoder.line("event", name.as_str());
                self.name = Some(name);
            }
            Err(error) => self.fail(error.into()),
        }
        self
    }

    /// Sets the event's id: a constant [`EventId`], or text that is checked.
    ///
    /// ```
    /// # use sse_tower_core::{InvalidEvent, SseEvent};
    /// # fn main() -> Result<(), InvalidEvent> {
    /// let row = 6666;
    /// let event = SseEvent::builder().id(row.to_string()).data("paid").build()?;
    /// assert_eq!(event.encode(), "id:6666\ndata:paid\n\n");
    /// # Ok(()) }
    /// ```
    pub fn id<I>(mut self, id: I) -> Self
    where
        I: TryInto<EventId>,
        I::Error: Into<InvalidEvent>,
    {
        match id.try_into() {
            Ok(id) => {
                self.encoder.line("id", id.as_str());
                self.id = Some(id);
            }
            Err(error) => self.fail(error.into()),
        }
        self
    }

    /// Tells the client how long to wait before it dials again, in whole milliseconds, rounded
    /// down; at most 24.8 days are written.
    pub fn retry(mut self, retry: Duration) -> Self {
        let millis = u64::try_from(retry.as_millis()).unwrap_or(MAX_RETRY_MS).min(MAX_RETRY_MS);
        self.encoder.line("retry", itoa::Buffer::new().format(millis));
        self
    }

    /// Adds a comment, one line of it for each line of `text`.
    ///
    /// ```
    /// # use sse_tower_core::{InvalidEvent, SseEvent};
    /// # fn main() -> Result<(), InvalidEvent> {
    /// let event = SseEvent::builder().comment("for who reads the wire").data("paid").build()?;
    /// assert_eq!(event.encode(), ":for who reads the wire\ndata:paid\n\n");
    /// # Ok(()) }
    /// ```
    pub fn comment(mut self, text: impl AsRef<str>) -> Self {
        self.encoder.lines("", text.as_ref());
        self
    }

    /// Adds data, one line of it for each line of `text`.
    ///
    /// ```
    /// # use sse_tower_core::{InvalidEvent, SseEvent};
    /// # fn main() -> Result<(), InvalidEvent> {
    /// let event = SseEvent::builder().data("first\nsecond").data("third").build()?;
    /// assert_eq!(event.encode(), "data:first\ndata:second\ndata:third\n\n");
    /// # Ok(()) }
    /// ```
    pub fn data(mut self, text: impl AsRef<str>) -> Self {
        self.encoder.lines("data", text.as_ref());
        self
    }

    /// Adds `value` as JSON to the data.
    ///
    /// ```
    /// # use sse_tower_core::{InvalidEvent, SseEvent};
    /// # fn main() -> Result<(), InvalidEvent> {
    /// let event = SseEvent::builder().name("prices").json(&[1, 2]).build()?;
    /// assert_eq!(event.encode(), "event:prices\ndata:[1,2]\n\n");
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => self.encoder.lines("data", &text),
            Err(error) => self.fail(InvalidEvent::Json(error)),
        }
        self
    }

    /// Stores the event once, however often it is sent to its key: for a sender that is repeated, as a durable listener is.
    /// A second send with this key finds the first while that is in the history, or left it less than an hour ago, and is
    /// answered with its id. Give it something of the event that caused it, such as
    /// [`EventMeta::event_id`](crate::EventMeta::event_id).
    ///
    /// Only on a backplane, where events are stored; without one each send is an event.
    ///
    /// ```
    /// # use sse_tower_core::{backplane::{MemoryStore, Node, NodeOptions}, Emitters, SseEvent};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let backplane = Node::open(MemoryStore::new().engine(), NodeOptions::default()).await?;
    /// let orders: Emitters<u64> = Emitters::builder().backplane(&backplane, "orders").build();
    /// let packed = || SseEvent::builder().data("packed").once("packed-7");
    /// let first = orders.send(&7, packed()).await?;
    /// let again = orders.send(&7, packed()).await?; // the listener was repeated
    /// assert_eq!(first.id, again.id);
    /// # Ok(()) }
    /// ```
    pub fn once(mut self, key: impl Into<Arc<str>>) -> Self {
        self.once = Some(key.into());
        self
    }

    /// Makes the event.
    ///
    /// # Errors
    /// The first [`InvalidEvent`] met while the fields were set, or that there is no field, or that
    /// the event is too large.
    pub fn build(self) -> Result<SseEvent, InvalidEvent> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.encoder.is_empty() {
            return Err(InvalidEvent::Empty);
        }
        match self.encoder.len() {
            len if len > MAX_EVENT_BYTES => {
                Err(InvalidEvent::TooLarge { len, max: MAX_EVENT_BYTES })
            }
            _ => Ok(SseEvent {
                encoder: self.encoder,
                id: self.id,
                name: self.name,
                once: self.once.map(Box::new),
            }),
        }
    }

    fn fail(&mut self, error: InvalidEvent) {
        self.error.get_or_insert(error);
    }
}

impl From<std::convert::Infallible> for InvalidEvent {
    /// A checked name or id cannot fail.
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_the_order_they_were_set() -> Result<(), InvalidEvent> {
        let event = SseEvent::builder()
            .id("1")
            .name("n")
            .retry(Duration::from_secs(3))
            .comment("c")
            .data("d");
        assert_eq!(event.build()?.encode(), "id:1\nevent:n\nretry:3000\n:c\ndata:d\n\n");
        Ok(())
    }

    #[test]
    fn names_and_ids_with_line_breaks_are_refused() {
        for text in ["a\nb", "a\rb", "a\r\nb"] {
            assert!(matches!(
                SseEvent::builder().name(text).build(),
                Err(InvalidEvent::NameWithLineBreak)
            ));
            assert!(matches!(
                SseEvent::builder().id(text).build(),
                Err(InvalidEvent::IdWithLineBreak)
            ));
        }
        assert!(matches!(SseEvent::builder().id("a\0b").build(), Err(InvalidEvent::IdWithNul)));
    }

    #[test]
    fn an_event_without_a_field_is_refused() {
        assert!(matches!(SseEvent::builder().build(), Err(InvalidEvent::Empty)));
    }

    #[test]
    fn retry_is_digits_whatever_the_duration() -> Result<(), InvalidEvent> {
        assert_eq!(
            SseEvent::builder().retry(Duration::MAX).build()?.encode(),
            "retry:2147483647\n"
        );
        assert_eq!(
            SseEvent::builder().retry(Duration::from_micros(1500)).build()?.encode(),
            "retry:1\n"
        );
        Ok(())
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_value_that_cannot_be_serialised_writes_nothing() {
        let keys_must_be_text = std::collections::HashMap::from([([1, 2], 3)]);
        assert!(matches!(SseEvent::json(&keys_must_be_text), Err(InvalidEvent::Json(_))));
    }
}
