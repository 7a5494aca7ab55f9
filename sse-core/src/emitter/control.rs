//! `StreamControl`: what others than the program may do to a running stream.

use std::{fmt, time::Duration};

use super::Conn;
use crate::{
    close_reason::CloseReason,
    drain::StreamHandle,
    event::SseEvent,
    sync::{Arc, Weak},
};

/// How long the head of a response waits until it is known whether there is anything to say to its
/// client: 1 s.
pub const MAX_HEAD_WAIT: Duration = Duration::from_secs(1);

/// A handle on one running [`EventStream`](crate::EventStream), for whoever carries it: a layer, a server. It does
/// not keep the connection alive. Programs that send events have no need of it.
///
/// Of one connection there are several views: [`SseEmitter`](crate::SseEmitter) is the program's, which sends;
/// [`EventStream`](crate::EventStream) is the body, which a server writes; this one ends it from outside;
/// [`StreamHandle`](crate::StreamHandle) is the trait of everything that can be ended so;
/// [`OpenStreams`](crate::OpenStreams) is where a drain finds them all, and [`OpenStream`](crate::OpenStream) the place
/// of one among them.
///
/// `into_http` puts it into the response's extensions: a layer finds it there and needs not wrap
/// the body.
///
/// ```
/// # use sse_tower_core::{CloseReason, SseEmitter, StreamHandle, bye};
/// let emitter = SseEmitter::new();
/// emitter.control().end(CloseReason::Drained, Some(bye(CloseReason::Drained, None)));
/// assert!(emitter.is_closed());
/// ```
#[derive(Clone)]
pub struct StreamControl {
    conn: Weak<Conn>,
}

impl StreamControl {
    pub(crate) fn new(conn: &Arc<Conn>) -> Self {
        Self { conn: Arc::downgrade(conn) }
    }

    fn conn(&self) -> Option<Arc<Conn>> {
        self.conn.upgrade()
    }

    /// Uses `interval` between keep-alive comments unless the emitter was built with its own: said by whoever carries
    /// the stream, as `SseLayer` does. Has an effect until the stream is first polled.
    ///
    /// ```
    /// # use {sse_tower_core::SseEmitter, std::time::Duration};
    /// let response = SseEmitter::new();
    /// response.control().default_keep_alive(Duration::from_secs(30));
    /// ```
    pub fn default_keep_alive(&self, interval: Duration) {
        if let Some(conn) = self.conn() {
            conn.default_keep_alive(interval);
        }
    }

    /// Whether a layer or a server has taken the stream on already. Another one leaves it alone.
    #[doc(hidden)]
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.conn().is_some_and(|conn| conn.settings().admitted)
    }

    /// Notes that a layer or a server has taken the stream on.
    #[doc(hidden)]
    pub fn admit(&self) {
        if let Some(conn) = self.conn() {
            conn.admit();
        }
    }

    /// The handle by which the stream is ended, without an allocation of its own. It does not keep the stream
    /// running.
    #[doc(hidden)]
    #[must_use]
    pub fn handle(&self) -> Option<Arc<dyn StreamHandle>> {
        self.conn().map(|conn| conn as _)
    }

    /// Waits until it is known whether there is anything to say to this client, for at most
    /// [`MAX_HEAD_WAIT`]; then the head goes out. Whether it is to be 204, which stops an
    /// `EventSource` for good.
    ///
    /// Known at once unless the stream is on a backplane and its history has to be loaded first. For
    /// whoever has the head of the response in hand: a layer.
    ///
    /// # Cancel safety
    /// Cancel safe: the head is still in hand then.
    ///
    /// ```
    /// # use sse_tower_core::SseEmitter;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let emitter = SseEmitter::new();
    /// assert!(!emitter.control().is_no_content().await);
    /// # }
    /// ```
    pub async fn is_no_content(&self) -> bool {
        let Some(conn) = self.conn() else { return false };
        if !conn.is_decided() {
            let _ = tokio::time::timeout(MAX_HEAD_WAIT, conn.decided()).await;
        }
        head_goes_out(&conn)
    }

    /// [`is_no_content`](Self::is_no_content) where it is known at once; `None` where it has to be waited for.
    ///
    /// ```
    /// # use sse_tower_core::SseEmitter;
    /// assert_eq!(SseEmitter::new().control().is_no_content_now(), Some(false));
    /// ```
    #[must_use]
    pub fn is_no_content_now(&self) -> Option<bool> {
        let Some(conn) = self.conn() else { return Some(false) };
        conn.is_decided().then(|| head_goes_out(&conn))
    }

    /// Calls `f` once, when the stream is over. At once if it is over already.
    ///
    /// ```
    /// # use sse_tower_core::SseEmitter;
    /// let response = SseEmitter::new();
    /// response.control().on_completion(|reason| println!("a stream is over: {reason}"));
    /// ```
    pub fn on_completion(&self, f: impl FnOnce(CloseReason) + Send + 'static) {
        match self.conn() {
            Some(conn) => conn.on_completion(Box::new(f)),
            // Every end of a connection is reported before it is dropped: the reason is lost, the
            // call is not.
            None => f(CloseReason::ClientGone),
        }
    }
}

fn head_goes_out(conn: &Conn) -> bool {
    let no_content = conn.head_goes_out();
    if no_content {
        // It has got everything, and there is no body.
        conn.finish(true);
    }
    no_content
}

impl StreamHandle for StreamControl {
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>) {
        if let Some(conn) = self.conn() {
            conn.close(reason, farewell);
        }
    }
}

impl StreamHandle for Conn {
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>) {
        self.close(reason, farewell);
    }
}

impl fmt::Debug for StreamControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamControl").finish_non_exhaustive()
    }
}
