//! `Came`: what came before a wait failed.

use std::{collections::VecDeque, fmt};

use super::event::ReceivedEvent;

/// How many of the events that came before a failure are shown: the last 16.
pub const SHOWN_EVENTS: usize = 16;

/// The last events of a stream, for those who read why a test failed.
#[derive(Debug, Default)]
pub(super) struct Came {
    events: VecDeque<ReceivedEvent>,
    count: usize,
    ended: bool,
}

impl Came {
    /// Neither an event nor the end.
    pub(super) fn is_nothing(&self) -> bool {
        self.count == 0 && !self.ended
    }

    pub(super) fn has_ended(&mut self, ended: bool) {
        self.ended = ended;
    }

    pub(super) fn note(&mut self, event: &ReceivedEvent) {
        self.count += 1;
        if self.events.len() == SHOWN_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => f.write_str("no event had come")?,
            1 => f.write_str("1 event had come:")?,
            count => write!(f, "{count} events had come:")?,
        }
        let first = self.count - self.events.len();
        if first > 0 {
            write!(f, "\n  …")?;
        }
        for (event, number) in self.events.iter().zip(first + 1..) {
            write!(f, "\n  {number}. {event}")?;
        }
        if self.ended {
            write!(f, "\n  and the connection was over")?;
        }
        Ok(())
    }
}
