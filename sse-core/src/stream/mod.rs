//! The receiving half of a connection: what a body polls.

mod lag;
mod merge;
mod output;
mod reader;
mod timing;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;

use self::reader::Reader;
use crate::{
    emitter::{Conn, IntoResponseState, SseEmitter},
    observe,
    sync::Arc,
};

/// One connection, seen from the body; it is the body.
///
/// A [`Stream`] of bytes that are ready for the wire, each item whole events. With the feature
/// `http` also an `http_body::Body`.
///
/// # Drop
/// Dropping it is the disconnect: the emitter hears of it at once, with
/// [`CloseReason::ClientGone`](crate::CloseReason::ClientGone) unless everything was written.
///
/// ```
/// # use {futures_util::StreamExt, sse_tower_core::{Emitters, LastEventId}, std::pin::pin};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let orders = Emitters::<u64>::new();
/// let mut stream = pin!(orders.connect(7, LastEventId::default()).into_stream());
/// orders.send(&7, "packed");
/// orders.send(&7, "shipped");
/// orders.complete(&7);
///
/// let bytes = stream.next().await.unwrap(); // all that waits, in one piece
/// assert_eq!(bytes.windows(5).filter(|five| five == b"data:").count(), 2);
/// assert!(stream.next().await.is_none());
/// # }
/// ```
pub struct EventStream {
    /// `None` at the end.
    reader: Option<Box<Reader>>,
}

impl SseEmitter {
    /// The receiving half, for a server or a test that polls it. An emitter has one: a second
    /// call, on whichever clone, gives a stream that is at its end.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::SseEmitter, std::pin::pin};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emitter = SseEmitter::new();
    /// let mut stream = pin!(emitter.clone().into_stream());
    /// emitter.send("hello").await.unwrap();
    /// assert_eq!(stream.next().await.unwrap(), "data:hello\n\n");
    /// # }
    /// ```
    #[must_use]
    pub fn into_stream(self) -> EventStream {
        self.open().1
    }

    /// The receiving half, and what kind of response it belongs to.
    pub(crate) fn open(self) -> (IntoResponseState, EventStream) {
        let response = self.conn().take();
        let stream = match response {
            IntoResponseState::Stream => EventStream::new(Arc::clone(self.conn())),
            IntoResponseState::NoContent => {
                self.conn().finish(true);
                EventStream::ended()
            }
            IntoResponseState::Taken => EventStream::ended(),
        };
        (response, stream)
    }
}

impl EventStream {
    pub(crate) fn new(conn: Arc<Conn>) -> Self {
        Self { reader: Some(Box::new(Reader::new(conn))) }
    }

    pub(crate) const fn ended() -> Self {
        Self { reader: None }
    }

    /// Everything was given out: the last item came with the end.
    pub(crate) fn is_ended(&self) -> bool {
        self.reader.is_none()
    }

    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(reader) = &mut self.reader else { return Poll::Ready(None) };
        if reader.is_idle(cx) {
            return Poll::Pending;
        }
        if let Some(bytes) = reader.poll_shared(cx) {
            observe::bytes_written(bytes.len());
            return Poll::Ready(Some(bytes));
        }
        let poll = reader.poll(cx);
        // Noticed together with the last item, so that a server writes it and the end at once.
        if reader.is_at_end() {
            self.reader = None;
        }
        if let Poll::Ready(Some(bytes)) = &poll {
            observe::bytes_written(bytes.len());
        }
        poll
    }
}

impl Stream for EventStream {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_bytes(cx)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.is_ended()).finish()
    }
}
