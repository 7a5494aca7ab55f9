//! How a connection ended.

use std::fmt;

/// How a connection ended. Every connection ends with exactly one.
///
/// ```
/// # use sse_tower_core::{CloseReason, SseEmitter};
/// let emitter = SseEmitter::new();
/// emitter.on_completion(|reason| match reason {
///     CloseReason::Completed => {}
///     CloseReason::ClientGone | CloseReason::Drained => println!("may come back"),
///     other => println!("ended: {other}"),
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The program said `complete()`, and everything queued was handed over.
    Completed,
    /// The program said `complete_with_error()`. The client is told `stream-bye`, and its body breaks off. Or its
    /// [snapshot](crate::EmittersBuilder::snapshot) failed: the client is told `stream-bye` and when to come back.
    Failed,
    /// The stream lived as long as its timeout allows. The client is told `stream-bye`.
    TimedOut,
    /// The client left, or nobody ever took the stream.
    ClientGone,
    /// A newer connection took the place of this one, where one per key is allowed.
    Replaced,
    /// There was no room: a limit, a drain, or one per key is allowed and the first one stays.
    Refused,
    /// The client read more slowly than its lag policy allows, or took nothing for
    /// [`MAX_STALL`](crate::MAX_STALL) after it had missed something.
    Lagged,
    /// The lease ended: a token expired or a right was taken away.
    Expired,
    /// The server is leaving.
    Drained,
}

impl CloseReason {
    /// The word for logs, metrics and the data of `stream-bye`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::ClientGone => "client-gone",
            Self::Replaced => "replaced",
            Self::Refused => "refused",
            Self::Lagged => "lagged",
            Self::Expired => "expired",
            Self::Drained => "drained",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
