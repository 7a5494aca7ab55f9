//! The cloneable sending half of one connection.

use std::fmt;

use tokio_util::sync::CancellationToken;

use super::{Conn, ConnSettings, SendError, StreamControl, TrySendError, request};
use crate::{boxed::BoxError, close_reason::CloseReason, event::IntoEvent, sync::Arc};

/// One connection, seen from the program.
///
/// Cheap to clone; every clone is the same connection. Any thread may send on any clone at any time;
/// events never interleave. Returned from a handler it is the response; events sent before that are
/// kept, within the [capacity](crate::SseEmitterBuilder::capacity).
///
/// # Drop
/// Dropping a clone does nothing while there are others. When the last is dropped, a connection
/// that never became a response is over ([`CloseReason::ClientGone`]); one that follows no
/// [`Emitters`](crate::Emitters) ends ([`CloseReason::Completed`]), because nothing can come any
/// more; one that follows some goes on.
///
/// ```
/// # use {sse_tower_core::SseEmitter, std::future::poll_fn};
/// # use {futures_core::Stream, std::pin::pin};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emitter = SseEmitter::new();
/// emitter.send("hello").await.unwrap();
/// emitter.complete();
///
/// let mut stream = pin!(emitter.into_stream());
/// let bytes = poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
/// assert_eq!(bytes.unwrap(), "data:hello\n\n");
/// assert!(poll_fn(|cx| stream.as_mut().poll_next(cx)).await.is_none());
/// # }
/// ```
pub struct SseEmitter {
    conn: Arc<Conn>,
}

impl Clone for SseEmitter {
    fn clone(&self) -> Self {
        self.conn.add_handle();
        Self { conn: Arc::clone(&self.conn) }
    }
}

impl Drop for SseEmitter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            request::panicked();
        }
        self.conn.drop_handle();
    }
}

impl SseEmitter {
    /// An emitter with default settings: no timeout, a keep-alive comment after at most 15 seconds
    /// of silence.
    #[must_use]
    pub fn new() -> Self {
        Self::with(ConnSettings::default())
    }

    pub(crate) fn with(settings: ConnSettings) -> Self {
        let conn = Arc::new(Conn::new(settings));
        request::opened(&conn);
        conn.add_handle();
        Self { conn }
    }

    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.conn
    }

    /// Queues `event` on this connection, waiting while the queue is full.
    ///
    /// `Ok` means queued, not received: the client may leave before reading it.
    ///
    /// # Errors
    /// [`SendError::Closed`] once the emitter is closed. It carries the event and the
    /// [`CloseReason`]; closing is final, so retrying on this emitter cannot succeed.
    /// [`SendError::Invalid`] if `event` is none; nothing is written then.
    ///
    /// # Cancel safety
    /// Cancel safe. A future dropped before it finishes has queued nothing.
    ///
    /// ```
    /// # use sse_tower_core::{SendError, SseEmitter, SseEvent};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), SendError> {
    /// let emitter = SseEmitter::new();
    /// emitter.send("text").await?;
    /// emitter.send(SseEvent::builder().name("finish").data("哈哈")).await?;
    ///
    /// emitter.complete();
    /// assert!(matches!(emitter.send("more").await, Err(SendError::Closed { .. })));
    /// # Ok(()) }
    /// ```
    pub async fn send(&self, event: impl IntoEvent) -> Result<(), SendError> {
        self.conn().send(event).await
    }

    /// Queues `event` on this connection if there is room now.
    ///
    /// # Errors
    /// [`TrySendError::Full`] and [`TrySendError::Closed`] give the event back.
    ///
    /// ```
    /// # use sse_tower_core::{SseEmitter, TrySendError};
    /// let emitter = SseEmitter::builder().capacity(1, 1024).build();
    /// emitter.try_send("first").unwrap();
    /// assert!(matches!(emitter.try_send("second"), Err(TrySendError::Full(_))));
    /// ```
    pub fn try_send(&self, event: impl IntoEvent) -> Result<(), TrySendError> {
        self.conn().try_send(event)
    }

    /// Takes no more events. What is queued is written, then the stream ends.
    ///
    /// An `EventSource` dials again after every end; to end a conversation for good, complete the
    /// key of an [`Emitters`](crate::Emitters), which answers the next dial with 204.
    ///
    /// ```
    /// # use {futures_util::StreamExt, sse_tower_core::SseEmitter};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emitter = SseEmitter::new();
    /// emitter.try_send("the last").unwrap();
    /// emitter.complete();
    /// assert!(emitter.try_send("one more").is_err());
    /// let written: Vec<_> = emitter.into_stream().collect().await;
    /// assert_eq!(written.concat(), b"data:the last\n\n");
    /// # }
    /// ```
    pub fn complete(&self) {
        self.conn().close(CloseReason::Completed, None);
    }

    /// The same as [`complete`](Self::complete), with an error for the callbacks and the log. The
    /// client sees the stream end, not the error's text.
    ///
    /// ```
    /// # use sse_tower_core::SseEmitter;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emitter = SseEmitter::new();
    /// emitter.on_error(|error| eprintln!("stream failed: {error}"));
    /// if let Err(error) = std::fs::read("/no/such/file") {
    ///     emitter.complete_with_error(error);
    /// }
    /// assert!(emitter.is_closed());
    /// # }
    /// ```
    pub fn complete_with_error(&self, error: impl Into<BoxError>) {
        self.conn().fail(error.into());
    }

    /// Calls `f` once, if the [timeout](crate::SseEmitterBuilder::timeout) ends this connection.
    ///
    /// Callbacks are called in order of registration, one at a time, under no lock; one that panics
    /// does not stop the next. They run on the thread where their cause is noticed, so they must
    /// not block.
    ///
    /// ```
    /// # use {sse_tower_core::{CloseReason, SseEmitter}, std::time::Duration};
    /// # use futures_util::StreamExt;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let emitter = SseEmitter::builder().timeout(Duration::from_secs(60)).build();
    /// emitter.on_timeout(|| println!("nobody paid within a minute"));
    /// let stream = emitter.clone().into_stream();
    /// # let stream = tokio::spawn(stream.collect::<Vec<_>>()); // what a server does
    /// assert_eq!(emitter.closed().await, CloseReason::TimedOut);
    /// # stream.await.unwrap();
    /// # }
    /// ```
    pub fn on_timeout(&self, f: impl FnOnce() + Send + 'static) {
        self.conn().on_timeout(Box::new(f));
    }

    /// Calls `f` once, if [`complete_with_error`](Self::complete_with_error) ends this connection.
    ///
    /// ```
    /// # use sse_tower_core::SseEmitter;
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// let emitter = SseEmitter::new();
    /// emitter.on_error(move |error| tell.send(error.to_string()).unwrap());
    /// emitter.complete_with_error("the printer is out of paper");
    /// drop(emitter.into_stream());
    /// assert_eq!(told.recv().unwrap(), "the printer is out of paper");
    /// ```
    pub fn on_error(&self, f: impl FnOnce(&BoxError) + Send + 'static) {
        self.conn().on_error(Box::new(f));
    }

    /// Calls `f` once, when everything is over, after all other callbacks. Always: also if the
    /// client leaves, and if this emitter never becomes a response. At once if it is over already.
    ///
    /// An emitter that never becomes a response is over when its last clone is dropped. Where `f`, or a
    /// map that `f` takes it out of, holds a clone itself, `SseLayer` sees to it: a client that leaves
    /// before its handler has answered, and a handler that panics, end what was opened; and what a handler has opened
    /// that answers something else is over after [`MAX_ASIDE`](crate::MAX_ASIDE), unless it is a response by then.
    ///
    /// ```
    /// # use sse_tower_core::{CloseReason, SseEmitter};
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let emitter = SseEmitter::new();
    /// emitter.on_completion(move |reason| tell.send(reason).unwrap());
    /// drop(emitter.into_stream()); // the client left
    /// assert_eq!(told.recv(), Ok(CloseReason::ClientGone));
    /// ```
    pub fn on_completion(&self, f: impl FnOnce(CloseReason) + Send + 'static) {
        self.conn().on_completion(Box::new(f));
    }

    /// Waits until the connection is over and every callback has returned.
    ///
    /// # Cancel safety
    /// Cancel safe.
    ///
    /// ```
    /// # use sse_tower_core::{CloseReason, SseEmitter};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emitter = SseEmitter::new();
    /// let stream = emitter.clone().into_stream();
    /// drop(stream); // the client left
    /// assert_eq!(emitter.closed().await, CloseReason::ClientGone);
    /// # }
    /// ```
    pub async fn closed(&self) -> CloseReason {
        loop {
            let signals = self.conn().signals();
            signals.over.cancelled().await;
            if let Some(reason) = self.conn().lifecycle().over() {
                return reason;
            }
        }
    }

    /// Whether this connection is closed to new events. Its stream may still be writing what is queued.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.conn().is_open()
    }

    /// A token that is cancelled once this connection takes no more events, for whoever produces
    /// them. Cancelling the token does nothing to the connection.
    ///
    /// ```
    /// # use {sse_tower_core::SseEmitter, std::time::Duration};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let emitter = SseEmitter::new();
    /// let over = emitter.cancellation();
    /// let worker = tokio::spawn(over.run_until_cancelled_owned(async {
    ///     tokio::time::sleep(Duration::from_secs(3600)).await // something dear
    /// }));
    /// drop(emitter.into_stream()); // the client left
    /// assert!(worker.await.unwrap().is_none()); // so did the work
    /// # }
    /// ```
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.conn().signals().closed.child_token()
    }

    /// A handle on the stream for whoever carries it.
    #[must_use]
    pub fn control(&self) -> StreamControl {
        StreamControl::new(self.conn())
    }
}

impl Default for SseEmitter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SseEmitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseEmitter").field("lifecycle", &self.conn().lifecycle()).finish()
    }
}
