//! `Connected`: a connection between two requests, which belongs to nobody yet.

use tokio::sync::{OwnedSemaphorePermit, mpsc::UnboundedSender};

use super::read_ahead::ReadAhead;

/// One connection, new or after a stream on the direct path.
pub(super) struct Connected<I, P> {
    pub(super) io: I,
    /// What was read of its next request already.
    pub(super) read_ahead: ReadAhead,
    pub(super) peer: P,
    /// Its place among the connections that may be open.
    pub(super) permit: OwnedSemaphorePermit,
}

/// The way back to the accept loop. Whoever serves a connection holds a clone: without any, none is open.
pub(super) type ReturnSender<I, P> = UnboundedSender<Connected<I, P>>;
