//! Events for one connection alone, in their place among the shared ones.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    event::{EventId, SseEvent},
    log::Offset,
};

/// One event that only this connection gets.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Shared events with a smaller offset come before it. [`Offset::FIRST`] is before all of them,
    /// [`Offset::LAST`] after all of them.
    pub(crate) offset: Offset,
    /// Empty if it only says where the client stands.
    pub(crate) frame: Bytes,
    pub(crate) kind: Kind,
}

/// Whose event it is, which says where its id is from.
#[derive(Debug)]
pub(crate) enum Kind {
    /// The program's, with the id that it was given.
    Event(Option<EventId>),
    /// The library's: its id is where the client stands when it goes out.
    Control,
    /// The library's, from where positions begin anew: the client has seen nothing of what follows.
    Anew,
}

impl Queued {
    /// The last event of a stream that is ended, whoever ends it.
    pub(crate) fn farewell(last: SseEvent) -> Self {
        let kind = match last.id() {
            Some(id) => Kind::Event(Some(id.clone())),
            None => Kind::Control,
        };
        Self { offset: Offset::LAST, frame: last.encode(), kind }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: VecDeque<Queued>,
    /// How many events of the program's wait, and how many bytes those have: events of the library's are few, and not
    /// counted.
    counted: usize,
    bytes: usize,
}

impl Queue {
    /// Whether one more event of this size fits. An empty queue takes any.
    pub(crate) fn has_room(&self, bytes: usize, max_events: usize, max_bytes: usize) -> bool {
        self.counted == 0 || (self.counted < max_events && self.bytes + bytes <= max_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The offset of what comes first.
    pub(crate) fn first(&self) -> Option<Offset> {
        self.events.front().map(|event| event.offset)
    }

    pub(crate) fn push(&mut self, event: Queued) {
        if matches!(event.kind, Kind::Event(_)) && !event.frame.is_empty() {
            self.counted += 1;
            self.bytes += event.frame.len();
        }
        self.events.push_back(event);
    }

    /// Moves everything to `out`.
    pub(crate) fn move_to(&mut self, out: &mut VecDeque<Queued>) {
        (self.counted, self.bytes) = (0, 0);
        out.append(&mut self.events);
    }
}
