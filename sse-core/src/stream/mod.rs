//! One connection, seen from the body: [`EventStream`], which is polled by whoever carries it.
//!
//! # What a poll finds
//!
//! Nearly always nothing (one atomic load), or that one log has something new, which comes as one
//! piece. Everything else goes through `merge`: the logs and the queue of this connection, in one
//! order. A poll gives out all that waits, up to 64 KiB from the logs, as whole events; the last item comes
//! together with the end, so that a server writes both at once.
//!
//! # In which order
//!
//! Logs of one source by position, which is the order of ids; what is for this connection alone by
//! the order of arrival. The clock is read *before* the queue and the logs: what came up to that
//! moment is then found in them, and what came later waits for the next round.
//!
//! # Lagging
//!
//! A cursor that was overtaken says by how many events, and `lag` decides what the client gets: the state of the key
//! as it is now, without a word; to be told and read on; to be told and get the newest of each name; or a farewell
//! and the end. A stream that is ending anyway still gets what there is.
//!
//! # Silence, and the end
//!
//! A comment goes out when the wire was silent for the keep-alive interval, drawn once for each
//! connection at up to half of it sooner; and a timeout ends the stream. Both are one entry in the
//! runtime's queue of timers. Dropping the stream is the client leaving, and leaves every log.
//!
//! # A client that does not read
//!
//! What was given out waits in the server's buffers. A server that bounds them stops polling; where it cannot be told to, a
//! `window` does the same.
//!
//! # Where the client stands
//!
//! What the library itself says carries the id that the client has: of the last event that was given
//! out, or that with which it came, or where it began. So no client loses its position by an event of the library's.
//! `stream-gap` moves it behind what is missing.
//!
//! Bottom to top: `output` (what one poll gives out), `timing`, `window` (how much is given before the socket has taken
//! it), `lag`, `awaited` (the state of keys that a reader waits for), then `reader` (what it holds, and the short ways),
//! `renewal` (the wait), `lost` (what the client is told of) and `merge` (the long way) as four parts of one.

mod awaited;
#[cfg(feature = "http")]
mod failed;
mod lag;
mod lost;
mod merge;
mod output;
mod reader;
mod renewal;
mod timing;
mod window;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
#[cfg(feature = "http")]
use std::{future::Future, task::ready, time::Duration};

use bytes::Bytes;
use futures_core::Stream;
#[cfg(feature = "http")]
use tokio::time::Sleep;

#[cfg(feature = "http")]
pub use self::failed::StreamFailed;
use self::reader::Reader;
pub use self::window::{Blocked, Window};
use crate::{
    emitter::{Conn, IntoResponseState, SseEmitter},
    observe,
    sync::Arc,
};

/// One connection, seen from the body; it is the body. Handlers return the [`SseEmitter`](crate::SseEmitter), which
/// becomes this one by itself; who serves without axum asks for it by `into_stream`.
///
/// A [`Stream`] of bytes that are ready for the wire, each item whole events. The first comes at once:
/// a comment where there is nothing to say yet, since Firefox opens a stream with its first bytes.
/// With the feature `http` also an `http_body::Body`.
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
    state: State,
}

#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are open; one block less for each connection"
)]
enum State {
    Open(Reader),
    /// Everything was given out, and it is not all that there was to be. Whoever can tell waits this long before
    /// they do: see [`LINGER`].
    #[cfg(feature = "http")]
    Failed(Option<Pin<Box<Sleep>>>),
    Ended,
}

/// How long after its last event a body breaks off. A server drops what it has not written yet when a body fails,
/// and the farewell is to arrive.
#[cfg(feature = "http")]
const LINGER: Duration = Duration::from_millis(20);

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
        Self { state: State::Open(Reader::new(conn)) }
    }

    pub(crate) const fn ended() -> Self {
        Self { state: State::Ended }
    }

    /// Everything was given out: the last item came with the end.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.poll_usual(cx) {
            Some(poll) => poll.map(Some),
            None => self.poll_by_the_rules(cx),
        }
    }

    /// What nearly every poll finds, where it is asked, since there are many: nothing, or that one log has something
    /// new. `None` if it is neither, and nothing was done.
    #[allow(clippy::inline_always, reason = "asked three times for each event")]
    #[inline(always)]
    pub(crate) fn poll_usual(&mut self, cx: &Context<'_>) -> Option<Poll<Bytes>> {
        let State::Open(reader) = &mut self.state else { return None };
        if !reader.is_registered(cx) {
            return None;
        }
        if reader.is_idle() {
            return Some(Poll::Pending);
        }
        let bytes = reader.poll_shared()?;
        observe::bytes_written(bytes.len());
        Some(Poll::Ready(bytes))
    }

    /// What [`poll_usual`](Self::poll_usual) leaves.
    #[inline(never)]
    pub(crate) fn poll_by_the_rules(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let State::Open(reader) = &mut self.state else { return Poll::Ready(None) };
        let poll = reader.poll(cx);
        // Noticed together with the last item, so that a server writes it and the end at once.
        if reader.is_at_end() {
            #[cfg(feature = "http")]
            let failed = reader.has_failed();
            self.state = State::Ended;
            #[cfg(feature = "http")]
            if failed {
                self.state = State::Failed(None);
            }
        }
        if let Poll::Ready(Some(bytes)) = &poll {
            observe::bytes_written(bytes.len());
        }
        poll
    }

    /// Whether the response is about to begin, and nobody who leads a drain knows of it.
    #[cfg(all(feature = "http", feature = "tracing"))]
    pub(crate) fn begins_unknown(&self) -> bool {
        matches!(&self.state, State::Open(reader) if reader.begins_unknown())
    }

    /// After the last item: whether the stream failed, for those who can tell that a body is not complete.
    #[cfg(feature = "http")]
    pub(crate) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<Option<StreamFailed>> {
        let State::Failed(linger) = &mut self.state else { return Poll::Ready(None) };
        // Without a clock it breaks off at once.
        if tokio::runtime::Handle::try_current().is_ok() {
            let linger = linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
            ready!(linger.as_mut().poll(cx));
        }
        self.state = State::Ended;
        Poll::Ready(Some(StreamFailed))
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

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_small() {
        assert!(size_of::<EventStream>() <= 160, "{}", size_of::<EventStream>());
    }
}
