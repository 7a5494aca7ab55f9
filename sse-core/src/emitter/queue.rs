//! Events for one connection alone, in their place among the shared ones.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{event::EventId, log::Offset};

/// One event that only this connection gets.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Shared events with a smaller offset come before it. [`Offset::FIRST`] is before all of them,
    /// [`Offset::LAST`] after all of them.
    pub(crate) offset: Offset,
    pub(crate) frame: Bytes,
    /// The id that the program gave it: a client may come back with it.
    pub(crate) id: Option<EventId>,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: VecDeque<Queued>,
    bytes: usize,
}

impl Queue {
    /// Would one more event of this size fit? An empty queue takes any.
    pub(crate) fn has_room(&self, bytes: usize, max_events: usize, max_bytes: usize) -> bool {
        self.events.is_empty()
            || (self.events.len() < max_events && self.bytes + bytes <= max_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The offset of what comes first.
    pub(crate) fn first(&self) -> Option<Offset> {
        self.events.front().map(|event| event.offset)
    }

    pub(crate) fn push(&mut self, event: Queued) {
        self.bytes += event.frame.len();
        self.events.push_back(event);
    }

    /// Moves everything to `out`.
    pub(crate) fn move_to(&mut self, out: &mut VecDeque<Queued>) {
        self.bytes = 0;
        out.append(&mut self.events);
    }
}
