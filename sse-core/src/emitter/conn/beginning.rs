//! A connection whose beginning is not known yet: its logs have to be loaded from a store first.
//!
//! The response may be made meanwhile. If it turns out that there is nothing to say to this client, whoever has the
//! head of the response makes it one without content; once the head is out the client is told not to come back.

use super::{Conn, Head};
use crate::{
    close_reason::CloseReason,
    event::{SseEvent, bye},
    spread::A_DAY,
    sync::lock,
};

impl Conn {
    /// Notes, for one set of keys, that it is not known yet what this client gets.
    pub(crate) fn begin_waiting(&self) {
        lock(&self.state).waiting += 1;
    }

    /// Notes that it is known now.
    pub(crate) fn end_waiting(&self) {
        let signals = {
            let mut state = lock(&self.state);
            state.waiting = state.waiting.saturating_sub(1);
            state.signals.clone().filter(|_| state.waiting == 0)
        };
        if let Some(signals) = signals {
            signals.tell_room();
        }
    }

    /// Whether it is known what this client gets.
    pub(crate) fn is_decided(&self) -> bool {
        let state = lock(&self.state);
        state.waiting == 0 || state.lifecycle.closed().is_some()
    }

    /// Waits until it is known what this client gets.
    pub(crate) async fn decided(&self) {
        if self.is_decided() {
            return;
        }
        let signals = self.signals();
        loop {
            let changed = signals.room.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_decided() {
                return;
            }
            changed.await;
        }
    }

    /// Notes that the head of the response goes out. `true` if it is to be one without content.
    pub(crate) fn head_goes_out(&self) -> bool {
        let mut state = lock(&self.state);
        std::mem::replace(&mut state.head, Head::Out) == Head::NoContent
    }
}

/// What a client is told that has seen everything, and whose response had begun before that was known.
pub(crate) fn never() -> SseEvent {
    bye(CloseReason::Completed, Some(A_DAY))
}
