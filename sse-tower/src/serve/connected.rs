//! A connection between two requests.

use tokio::sync::{OwnedSemaphorePermit, mpsc::UnboundedSender};

/// One connection, new or after a stream on the direct path.
pub(super) struct Connected<I, P> {
    pub(super) io: I,
    /// What was read of its next request already.
    pub(super) ahead: Vec<u8>,
    pub(super) peer: P,
    /// Its place among the connections that may be open.
    pub(super) permit: OwnedSemaphorePermit,
}

/// Where connections come back. Whoever serves one holds such a sender: without any, none is open.
pub(super) type Back<I, P> = UnboundedSender<Connected<I, P>>;
