//! What a client gets that reads more slowly than events come: the policy, and nothing else.
//!
//! A reader that was overtaken has missed events, and can be told so or ended; it is never left to
//! believe that it has everything. Another policy is another [`Lag`] and another arm here.

use super::output::Output;
use crate::{
    close_reason::CloseReason,
    event::{GapReason, SseEvent, bye, gap},
    log::{Cursor, Lag, Record, Until},
    observe,
};

/// How a reader goes on that was overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// From the oldest event that there is: it was told of the gap.
    ReadOn,
    /// With the newest event of each name: see [`skip_to_newest`].
    Newest,
    /// Not at all: it gets what is its own, [`farewell`], and the end.
    End,
}

/// Decides for a reader that `missed` events were dropped before; one that is ending anyway gets
/// what there still is.
pub(super) fn overtaken(lag: Lag, missed: u64, is_ending: bool, out: &mut Output) -> Course {
    match lag {
        Lag::Latest => Course::Newest,
        Lag::Close if !is_ending => {
            observe::lagged(missed);
            Course::End
        }
        Lag::Gap | Lag::Close => {
            observe::lagged(missed);
            tell(GapReason::Lagged, missed, out);
            Course::ReadOn
        }
    }
}

/// The newest event of each name up to `until`, for a reader that was overtaken by `missed` events;
/// it is told how many others there were.
pub(super) fn skip_to_newest(
    cursor: &mut dyn Cursor,
    missed: u64,
    until: Until,
    out: &mut Output,
) -> Vec<Record> {
    let (records, passed) = cursor.newest_by_name(until);
    observe::lagged(missed);
    tell(GapReason::Latest, missed + passed, out);
    records
}

/// What a client is told whose stream ends because it was too slow.
pub(super) fn farewell() -> SseEvent {
    bye(CloseReason::Lagged, None)
}

fn tell(reason: GapReason, missed: u64, out: &mut Output) {
    observe::gap(reason.as_str(), Some(missed));
    out.push(gap(reason, Some(missed)).encode());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(lag: Lag, is_ending: bool) -> (Course, Option<bytes::Bytes>) {
        let mut out = Output::default();
        let course = overtaken(lag, 3, is_ending, &mut out);
        (course, out.finish())
    }

    #[test]
    fn whoever_reads_on_is_told_how_many_it_missed() {
        let (course, told) = course(Lag::Gap, false);
        assert_eq!(course, Course::ReadOn);
        let gap = "event:stream-gap\ndata:{\"reason\":\"lagged\",\"missed\":3}\n\n";
        assert_eq!(told.unwrap(), gap);
    }

    #[test]
    fn a_stream_that_is_ending_is_not_ended_for_being_slow() {
        assert_eq!(course(Lag::Close, false), (Course::End, None));
        let (course, told) = course(Lag::Close, true);
        assert!(course == Course::ReadOn && told.is_some());
    }

    #[test]
    fn whoever_wants_the_newest_is_told_once_it_is_known_what_was_passed_over() {
        assert_eq!(course(Lag::Latest, false), (Course::Newest, None));
    }
}
