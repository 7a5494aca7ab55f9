//! What the library itself says on a stream. Each control event is given the client's position as its
//! id when it goes out, since only then it is known: some clients lose their position with an event
//! that has none.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;

use super::{EventId, EventName, SseEvent};
use crate::close_reason::CloseReason;

/// Some events were not delivered: data is JSON with `reason` and `missed`, how many (`null` where
/// that is not known any more). What follows is contiguous again. Its id is the place behind what is
/// missing, so that nobody is told twice.
pub const STREAM_GAP: EventName = EventName::from_static("stream-gap");
/// The client's position means nothing here: data is JSON with `reason`. Reload your snapshot. What
/// follows is live, or with the reason `epoch` all of the history, since nobody can have seen any of
/// it. Its id is the place where that begins, so that nobody is told twice.
pub const STREAM_RESET: EventName = EventName::from_static("stream-reset");
/// The server ends this stream on purpose: data is JSON with `reason`. Its id is the client's own.
pub const STREAM_BYE: EventName = EventName::from_static("stream-bye");
/// Everything from history was written: data is JSON with `replayed` (how many) and `complete`. Its
/// id is where the client stands.
pub const STREAM_READY: EventName = EventName::from_static("stream-ready");

/// The farewell of a stream that is ended on purpose; `retry` tells the client when to come back.
///
/// ```
/// # use {sse_tower_core::{CloseReason, bye}, std::time::Duration};
/// let event = bye(CloseReason::Drained, Some(Duration::from_millis(1500)));
/// assert_eq!(event.encode(), "retry:1500\nevent:stream-bye\ndata:{\"reason\":\"drained\"}\n\n");
/// ```
#[must_use]
pub fn bye(reason: CloseReason, retry: Option<Duration>) -> SseEvent {
    let mut builder = SseEvent::builder();
    if let Some(retry) = retry {
        builder = builder.retry(retry);
    }
    control(builder, STREAM_BYE, format_args!("{{\"reason\":\"{reason}\"}}"))
}

/// `event` on the wire, with the id that the client holds.
#[must_use]
pub fn encode_with_id(event: SseEvent, id: Option<&EventId>) -> Bytes {
    match id {
        Some(id) => event.encode_with_id(id.as_str()),
        None => event.encode(),
    }
}

/// Why events are missing from a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GapReason {
    /// They were dropped from the history before the client came back.
    History,
    /// The client read more slowly than they came.
    Lagged,
    /// Only the newest of each name was asked for.
    Latest,
}

impl GapReason {
    /// The word for metrics and the data of `stream-gap`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Lagged => "lagged",
            Self::Latest => "latest",
        }
    }
}

pub(crate) fn gap(reason: GapReason, missed: Option<u64>) -> SseEvent {
    let reason = reason.as_str();
    let builder = SseEvent::builder();
    match missed {
        Some(missed) => control(
            builder,
            STREAM_GAP,
            format_args!("{{\"reason\":\"{reason}\",\"missed\":{missed}}}"),
        ),
        None => control(
            builder,
            STREAM_GAP,
            format_args!("{{\"reason\":\"{reason}\",\"missed\":null}}"),
        ),
    }
}

pub(crate) fn reset(reason: &'static str) -> SseEvent {
    control(SseEvent::builder(), STREAM_RESET, format_args!("{{\"reason\":\"{reason}\"}}"))
}

pub(crate) fn ready(replayed: u64, complete: bool) -> SseEvent {
    control(
        SseEvent::builder(),
        STREAM_READY,
        format_args!("{{\"replayed\":{replayed},\"complete\":{complete}}}"),
    )
}

/// An event whose parts are all ours, so that nothing of it needs a check.
fn control(
    builder: super::SseEventBuilder,
    name: EventName,
    data: std::fmt::Arguments<'_>,
) -> SseEvent {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = text.write_fmt(data);
    match builder.name(name).data(&text).build() {
        Ok(event) => event,
        Err(_) => SseEvent::data(text),
    }
}
