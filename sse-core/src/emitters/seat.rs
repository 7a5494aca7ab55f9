//! `Seat`: a connection's place at a key; and how a connection is refused.

use std::time::Duration;

use super::{
    last_event_id::{LastEventId, Seen},
    topic::Topic,
};
use crate::{close_reason::CloseReason, emitter::Conn, event::bye, log::ReaderId, sync::Arc};

/// A connection's place in the log of one key.
pub(super) struct Seat<K> {
    pub(super) topic: Arc<Topic<K>>,
    pub(super) id: ReaderId,
}

/// Sends a client away, with the id that it sent.
pub(super) fn refuse(conn: &Conn, last: &LastEventId, retry: Option<Duration>) {
    if let Seen::UpTo(id) = &last.0 {
        conn.client_holds(id.clone());
    }
    conn.close(CloseReason::Refused, Some(bye(CloseReason::Refused, retry)));
}
