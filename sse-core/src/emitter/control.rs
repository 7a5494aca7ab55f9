//! What somebody other than the program may do to a running stream.

use std::time::Duration;

use super::CloseReason;
use crate::SseEvent;

/// A running stream that a drain, a lease or a limit may have to end.
///
/// Implemented by [`StreamControl`] for streams of this crate, and by `sse-tower` for any other
/// body that it carries.
pub trait StreamHandle: Send + Sync + 'static {
    /// Ends the stream: what is queued is written, then `farewell`, then the end.
    ///
    /// Returns at once. A stream that has ended or is ending already stays as it is.
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>);
}

/// A handle on one running [`EventStream`](crate::EventStream), for whoever carries it.
///
/// `into_http` puts it into the response's extensions: a layer finds it there and needs not wrap
/// the body.
#[derive(Clone, Debug)]
pub struct StreamControl {
    _private: (),
}

impl StreamControl {
    /// Uses `interval` between keep-alive comments unless the emitter was built with its own.
    pub fn default_keep_alive(&self, interval: Duration) {
        let _ = interval;
    }

    /// Calls `f` once, when the stream is over. At once if it is over already.
    pub fn on_completion(&self, f: impl FnOnce(CloseReason) + Send + 'static) {
        let _ = f;
    }
}

impl StreamHandle for StreamControl {
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>) {
        let _ = (reason, farewell);
    }
}
