//! What a client gets that reads more slowly than events come: the policy, and nothing else.
//!
//! A reader that was overtaken has missed events, and can be told so or ended; it is never left to
//! believe that it has everything. Another policy is another [`Lag`] and another arm here.

use crate::{
    close_reason::CloseReason,
    event::{SseEvent, bye},
    log::Lag,
};

/// How an overtaken reader goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// From the oldest event that there is, and it is told of the gap.
    ReadOn,
    /// With the state as it is, and with what comes after that.
    Anew,
    /// With the newest event of each name, and it is told how many others there were.
    Newest,
    /// Not at all: it gets what is its own, [`farewell`], and the end.
    End,
}

/// Decides for a reader that events were dropped before; one that is ending anyway gets what there
/// still is.
pub(super) fn overtaken(lag: Lag, is_ending: bool) -> Course {
    match lag {
        Lag::Latest => Course::Newest,
        Lag::Snapshot => Course::Anew,
        Lag::Close if !is_ending => Course::End,
        Lag::Gap | Lag::Close => Course::ReadOn,
    }
}

/// What a client is told whose stream ends because it was too slow.
pub(super) fn farewell() -> SseEvent {
    bye(CloseReason::Lagged, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_overtaken_reads_on_unless_something_else_is_asked_for() {
        assert_eq!(overtaken(Lag::Gap, false), Course::ReadOn);
        assert_eq!(overtaken(Lag::Latest, false), Course::Newest);
        assert_eq!(overtaken(Lag::Close, false), Course::End);
        assert_eq!(overtaken(Lag::Snapshot, false), Course::Anew);
    }

    #[test]
    fn a_stream_that_is_ending_is_not_ended_for_being_slow() {
        assert_eq!(overtaken(Lag::Close, true), Course::ReadOn);
    }
}
