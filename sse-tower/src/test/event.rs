//! `ReceivedEvent`: one event as a client has it.

use std::{fmt, time::Duration};

/// One event as an `EventSource` dispatches it, with what the browser keeps to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedEvent {
    /// The event's type; `message` where the server gave it no name.
    pub name: String,
    /// The id that this event brought; `None` where it brought none, so that the last one stays.
    pub id: Option<String>,
    /// The data, its lines joined with LF.
    pub data: String,
    /// The reconnection time that came with this event.
    pub retry: Option<Duration>,
}

/// How much of an event's data a message shows, in characters.
const SHOWN_DATA: usize = 200;

impl fmt::Display for ReceivedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)?;
        if let Some(id) = &self.id {
            write!(f, ", id {id:?}")?;
        }
        match self.data.char_indices().nth(SHOWN_DATA) {
            None => write!(f, ", data {:?}", self.data),
            Some((end, _)) => {
                let shown = self.data.get(..end).unwrap_or_default();
                write!(f, ", data {shown:?} and more, {} bytes in all", self.data.len())
            }
        }
    }
}
