//! What somebody other than the program may do to a running stream.

use std::{fmt, time::Duration};

use super::Conn;
use crate::{
    close_reason::CloseReason,
    drain::StreamHandle,
    event::SseEvent,
    sync::{Arc, Weak},
};

/// A handle on one running [`EventStream`](crate::EventStream), for whoever carries it. It does
/// not keep the connection alive.
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

    /// Uses `interval` between keep-alive comments unless the emitter was built with its own.
    /// Has an effect until the stream is first polled.
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

impl StreamHandle for StreamControl {
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>) {
        if let Some(conn) = self.conn() {
            conn.close(reason, farewell);
        }
    }
}

impl fmt::Debug for StreamControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamControl").finish_non_exhaustive()
    }
}
