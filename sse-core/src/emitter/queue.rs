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

/// What waits for one connection alone. There are many connections, and nearly always nothing waits: that is one word.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Option<Box<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Queued>,
    /// How many events of the program's wait, and how many bytes those have: events of the library's are few, and not
    /// counted. Not kept up by whoever has taken them over.
    counted: usize,
    bytes: usize,
}

impl Queue {
    /// Whether one more event of this size fits. An empty queue takes any.
    pub(crate) fn has_room(&self, bytes: usize, max_events: usize, max_bytes: usize) -> bool {
        self.waiting.as_ref().is_none_or(|waiting| {
            let few = waiting.counted < max_events && waiting.bytes + bytes <= max_bytes;
            waiting.counted == 0 || few
        })
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.as_ref().is_none_or(|waiting| waiting.events.is_empty())
    }

    /// The offset of what comes first.
    pub(crate) fn first(&self) -> Option<Offset> {
        self.waiting.as_ref()?.events.front().map(|event| event.offset)
    }

    pub(crate) fn push(&mut self, event: Queued) {
        let waiting = self.waiting.get_or_insert_default();
        if matches!(event.kind, Kind::Event(_)) && !event.frame.is_empty() {
            waiting.counted += 1;
            waiting.bytes += event.frame.len();
        }
        waiting.events.push_back(event);
    }

    /// Takes what comes first.
    pub(crate) fn pop(&mut self) -> Option<Queued> {
        self.waiting.as_mut()?.events.pop_front()
    }

    /// Moves everything to `out`, behind what that has.
    pub(crate) fn move_to(&mut self, out: &mut Self) {
        if out.is_empty() {
            std::mem::swap(&mut self.waiting, &mut out.waiting);
        } else if let (Some(waiting), Some(out)) = (&mut self.waiting, &mut out.waiting) {
            out.events.append(&mut waiting.events);
        }
        if let Some(waiting) = &mut self.waiting {
            (waiting.counted, waiting.bytes) = (0, 0);
        }
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.waiting.iter().flat_map(|waiting| &waiting.events)
    }
}
