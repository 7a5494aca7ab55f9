//! The logs that a connection follows, and what they make of it.

use super::{Conn, Head, IntoResponseState, never};
use crate::{
    close_reason::CloseReason,
    emitter::queue::{Kind, Queued},
    event::{EventId, id_alone},
    log::{Cursor, Offset, ReceiverCount},
    sync::{Arc, lock},
};

impl Conn {
    /// Follows a log; the stream hears of it by the next `notify(STATE)`. Gives the cursor back
    /// if the connection is over.
    pub(crate) fn follow(
        &self,
        cursor: Box<dyn Cursor>,
        count: Arc<dyn ReceiverCount>,
    ) -> Result<(), Box<dyn Cursor>> {
        let mut state = lock(&self.state);
        if state.lifecycle.over().is_some() {
            return Err(cursor);
        }
        if state.lifecycle.closed().is_none() {
            state.counts.open(count);
        }
        state.renews |= cursor.has_state();
        state.cursors.push(cursor);
        state.open_logs += 1;
        state.has_followed = true;
        Ok(())
    }

    /// Whether this connection has ever followed a log.
    pub(crate) fn has_followed(&self) -> bool {
        lock(&self.state).has_followed
    }

    /// Whether this connection gets the state of its keys where others are told that something is missing.
    pub(crate) fn renews(&self) -> bool {
        lock(&self.state).renews
    }

    /// Notes that a followed log is complete. With the last of them the connection is.
    pub(crate) fn log_completed(&self) {
        self.logs_completed(1, None);
    }

    /// Notes that `count` followed logs are complete. With the last of them the connection is; the client is then
    /// told in the end that it stands at `position`, by an id alone, which dispatches nothing.
    pub(crate) fn logs_completed(&self, count: usize, position: Option<EventId>) {
        let last = {
            let mut state = lock(&self.state);
            state.open_logs = state.open_logs.saturating_sub(count);
            count > 0 && state.open_logs == 0
        };
        if last {
            let last = position.map(|id| Queued {
                offset: Offset::LAST,
                frame: id_alone(&id),
                kind: Kind::Event(Some(id)),
            });
            self.close_with(CloseReason::Completed, last, None);
        }
    }

    /// Notes that a followed log which was complete has been reopened.
    pub(crate) fn log_reopened(&self) {
        lock(&self.state).open_logs += 1;
    }

    /// Notes that there is nothing to say to this client, now or later; unless it is a response already, has got
    /// something of its own, or follows more than `logs` logs. A response whose head may not be out yet becomes one
    /// without content if that was found out `late`; if it is out, the client is told not to come back.
    pub(crate) fn no_content(&self, logs: usize, late: bool) -> bool {
        let is_out = {
            let mut state = lock(&self.state);
            let alone = state.open_logs <= logs && state.queue.is_empty();
            match (state.response, state.head) {
                _ if !alone => return false,
                (IntoResponseState::Stream, _) => {
                    state.response = IntoResponseState::NoContent;
                    false
                }
                (IntoResponseState::Taken, Head::Held) if late => {
                    state.head = Head::NoContent;
                    false
                }
                (IntoResponseState::Taken, Head::Out) if late => true,
                _ => return false,
            }
        };
        self.close(CloseReason::Completed, is_out.then(never))
    }
}
