//! `StreamHandle`: how a drain ends a stream, whatever the stream is.

use crate::{close_reason::CloseReason, event::SseEvent};

/// A running stream that a drain, a lease or a limit may have to end. For layers and servers; programs that send events
/// have an [`SseEmitter`](crate::SseEmitter).
///
/// Implemented by [`StreamControl`](crate::StreamControl) for streams of this crate, and by `sse-tower` for any other
/// body that it carries.
pub trait StreamHandle: Send + Sync + 'static {
    /// Ends the stream: what is queued is written, then `farewell`, then the end.
    ///
    /// Returns at once. A stream that has ended or is ending already stays as it is.
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>);
}
