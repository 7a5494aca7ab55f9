//! One order for the logs and the queue of one connection.
//!
//! Logs of one source are merged, cut and deduplicated by position: the order that ids have, so that
//! the last id a client got says what it got of every key. The order of arrival places what is for
//! this connection alone, and puts sources beside each other that know nothing of each other.

use super::{
    lag::{self, Course},
    output::Output,
    reader::Reader,
};
use crate::{
    close_reason::CloseReason,
    emitter::Queued,
    event::GapReason,
    log::{
        GAPS_APART, Lag, Missed, Offset, Overtaken, Position, READ_BYTES, Record, Source, Until,
        clock,
    },
    observe,
};

/// What waits for a connection in its logs, in one order.
struct Round {
    waiting: Vec<Waiting>,
    /// Whether nothing else waits below the limit.
    everything: bool,
    /// Up to where each source is complete.
    complete: Vec<(Source, Position)>,
}

/// A record, and whose it is.
#[derive(Debug)]
struct Waiting {
    source: Source,
    /// The cursor that found it.
    cursor: usize,
    record: Record,
}

/// Up to where the logs of one source are read in one round.
struct Cut {
    source: Source,
    position: Position,
    /// Whether a log of this source holds more.
    short: bool,
}

impl Reader {
    /// One round over all logs and the queue.
    ///
    /// The clock is read first. Whatever was queued for this connection alone at an offset up to
    /// there is then found in the queue, because queueing takes the offset under the queue's lock;
    /// and a shared event that came before it is then found in its log. What has a later offset
    /// waits for the next round.
    pub(super) fn merge(&mut self, out: &mut Output) {
        let now = clock::last();
        let queued = self.take_over();
        if self.waits {
            // A key was added meanwhile.
            self.more = true;
            return;
        }
        // Before everything: what follows, and that some of it is missing.
        self.give_local(Offset::FIRST.after(), out);
        let before_queued = queued.map_or(Offset::LAST, Offset::before);
        let Some(Round { waiting, everything, complete }) =
            self.gather(now.min(self.until).min(before_queued), out)
        else {
            return;
        };
        self.more |= !everything || self.queued;
        self.advance(&waiting);
        let mut given = None;
        for Waiting { source, cursor, record } in waiting {
            // An event to all keys has one position; a connection to several of them gets it once.
            if given.replace((source, record.position)) == Some((source, record.position)) {
                continue;
            }
            self.tell_lost(source, record.position.before(), out);
            self.give_local(record.offset, out);
            if self.is_too_late(source, cursor, record.position) {
                self.lose_before(cursor, GapReason::History, Missed::Some(1), Position::ZERO);
                continue;
            }
            (self.of, self.position, self.got) = (cursor, record.position, true);
            out.push(record.frame);
        }
        self.tell_lost_before_what_waits(&complete, out);
        if everything {
            self.give_local(now.after(), out);
        }
        let only_farewell = self.has_only_farewell();
        // The end may have come after the look at the clock, and events before it.
        let saw_the_end = self.until <= now;
        if saw_the_end && everything && only_farewell && !self.queued {
            self.tell_all_lost(out);
            self.give_local(Offset::LAST, out);
            self.give_all(out);
            self.at_end = true;
        } else {
            self.more |= !only_farewell || self.is_ending();
        }
    }

    /// Whether the event stands before what was given out. A store's feed may have lost it and told of it later; ids
    /// must not go backwards, or the client would be sent what it has seen.
    fn is_too_late(&self, source: Source, cursor: usize, position: Position) -> bool {
        position <= self.position
            && self.cursors.get(self.of).is_some_and(|of| of.source() == source)
            && self.cursors.get(cursor).is_some_and(|cursor| cursor.is_in_order())
    }

    /// What the logs have that came up to `until`: of each source up to where its first log was cut
    /// short. A reader that is too slow gets what its policy says; `None` if that is the state, before anything else.
    fn gather(&mut self, until: Offset, out: &mut Output) -> Option<Round> {
        let mut cuts = self.cuts();
        let budget = (READ_BYTES / self.cursors.len().max(1)).max(1);
        let mut waiting = Vec::new();
        let mut behind = Vec::new();
        let mut everything = true;
        for index in 0..self.cursors.len() {
            match self.was_overtaken(index, &mut behind) {
                Course::End => {
                    self.end_as_too_slow(out);
                    let (waiting, complete) = (Vec::new(), Vec::new());
                    return Some(Round { waiting, everything: true, complete });
                }
                Course::Anew => {
                    // Of another policy, and begun upon: told in words.
                    for (index, overtaken) in behind {
                        self.lose(index, GapReason::Lagged, &overtaken);
                    }
                    // What else is to be had anew comes together with it.
                    (index + 1..self.cursors.len()).for_each(|index| self.renew_if_behind(index));
                    return None;
                }
                Course::ReadOn | Course::Newest => {}
            }
            if behind.last().is_some_and(|(behind, _)| *behind == index) {
                continue;
            }
            let cursor = &mut self.cursors[index];
            let source = cursor.source();
            let Some(cut) = cuts.iter_mut().find(|cut| cut.source == source) else { continue };
            let (records, all) =
                cursor.peek(Until { offset: until, position: cut.position }, budget);
            if !all && let Some(last) = records.last() {
                cut.position = last.position;
                cut.short = true;
                everything = false;
            }
            waiting.extend(records.into_iter().map(|record| Waiting {
                source,
                cursor: index,
                record,
            }));
        }
        let mut limit = until;
        arrange(&mut waiting, &cuts, &mut limit);
        for (index, overtaken) in behind {
            let cursor = &mut *self.cursors[index];
            let source = cursor.source();
            let Some(cut) = cuts.iter().find(|cut| cut.source == source) else { continue };
            let until = Until { offset: limit, position: cut.position };
            let (records, passed) = cursor.newest_by_name(until);
            let missed = overtaken.missed.and(Missed::Some(passed));
            // What was passed over stood among what is given out.
            let before = match (&*self.cursors, records.first(), overtaken.positions.last()) {
                ([_], Some(first), _) => first.position.before(),
                ([_], None, Some(last)) => *last,
                _ => Position::ZERO,
            };
            self.lose_before(index, GapReason::Latest, missed, before);
            waiting.extend(records.into_iter().map(|record| Waiting {
                source,
                cursor: index,
                record,
            }));
            arrange(&mut waiting, &cuts, &mut limit);
        }
        let complete = cuts.iter().map(|cut| (cut.source, cut.position)).collect();
        Some(Round { waiting, everything, complete })
    }

    /// What an overtaken reader is told, and how it goes on; one that is to get the newest event of each name is
    /// added to `behind`.
    fn was_overtaken(&mut self, index: usize, behind: &mut Vec<(usize, Overtaken)>) -> Course {
        let apart = if self.cursors.len() == 1 { 1 } else { GAPS_APART };
        while let Some((reason, overtaken)) = self.cursors[index].overtaken(apart) {
            if reason == GapReason::History {
                if self.renew(index) {
                    self.forget_place_if(overtaken.positions.is_empty());
                    return Course::Anew;
                }
                self.lose(index, reason, &overtaken);
                continue;
            }
            if let Missed::Some(missed) = overtaken.missed {
                observe::lagged(missed);
            }
            match lag::overtaken(self.cursors[index].lag(), self.is_ending()) {
                Course::End => return Course::End,
                Course::Anew if self.renew(index) => return Course::Anew,
                Course::Anew => self.lose(index, reason, &overtaken),
                Course::ReadOn => self.lose(index, reason, &overtaken),
                Course::Newest => behind.push((index, overtaken)),
            }
        }
        Course::ReadOn
    }

    /// Begins to wait for the state of this key, if its reader was overtaken.
    fn renew_if_behind(&mut self, index: usize) {
        while let Some((reason, overtaken)) = self.cursors[index].overtaken(GAPS_APART) {
            let renews = reason == GapReason::History || self.cursors[index].lag() == Lag::Snapshot;
            if renews && self.renew(index) {
                // What is missing behind its new place is for later.
                return self.forget_place_if(overtaken.positions.is_empty());
            }
            self.lose(index, reason, &overtaken);
        }
    }

    /// Up to where each source is read: across its logs only what everybody has appended who sent up
    /// to there.
    fn cuts(&self) -> Vec<Cut> {
        let mut cuts: Vec<Cut> = Vec::new();
        for cursor in &*self.cursors {
            let source = cursor.source();
            if !cuts.iter().any(|cut| cut.source == source) {
                cuts.push(Cut { source, position: Position::LAST, short: false });
            }
        }
        match (&*self.cursors, &mut *cuts) {
            ([first, _, ..], [cut]) => cut.position = first.watermark(),
            (several, [_, _, ..]) => several.iter().for_each(|cursor| cursor.sync_watermark()),
            _ => {}
        }
        cuts
    }

    /// The policy ends this connection. What is its own it still gets, and can come back from.
    fn end_as_too_slow(&mut self, out: &mut Output) {
        self.conn.close(CloseReason::Lagged, Some(lag::farewell()));
        self.give_local(Offset::LAST, out);
        self.take_over();
        self.give_local(Offset::LAST, out);
        self.tell_all_lost(out);
        if let Some(id) = self.client_id() {
            self.holds(id);
        }
        self.cursors.clear();
    }

    /// It was given up, since nobody polled it and its logs overtook it. Should somebody do so after all, its client
    /// is told so, and where it was.
    #[cold]
    pub(super) fn end_as_given_up(&mut self, out: &mut Output) {
        self.end_as_too_slow(out);
        if self.local.is_empty() {
            self.local.push(Queued::farewell(lag::farewell()));
        }
        self.give_all(out);
        self.at_end = true;
    }

    /// Moves each cursor past what it found.
    fn advance(&mut self, waiting: &[Waiting]) {
        let last = |index| waiting.iter().rev().find(|waiting| waiting.cursor == index);
        for (index, cursor) in self.cursors.iter_mut().enumerate() {
            if let Some(last) = last(index) {
                cursor.advance_past(last.record.position);
            }
        }
    }
}

/// Puts what waits in one order, and drops what has to wait for a log that was cut short; `limit`
/// comes down to where that is.
///
/// The records of one source come in the order of positions. Where one arrived later than another
/// that stands behind it, as what is loaded does, it carries the other along: so that what is given
/// out is always the beginning of what there is.
fn arrange(waiting: &mut Vec<Waiting>, cuts: &[Cut], limit: &mut Offset) {
    waiting.sort_unstable_by_key(|waiting| (waiting.source, waiting.record.position));
    for cut in cuts {
        let of_it = waiting.iter_mut().filter(|waiting| waiting.source == cut.source);
        let mut arrived = Offset::FIRST;
        for Waiting { record, .. } in of_it.filter(|of_it| of_it.record.position <= cut.position) {
            arrived = arrived.max(record.offset);
            record.offset = arrived;
        }
        if cut.short {
            *limit = arrived.min(*limit);
        }
    }
    waiting.retain(|Waiting { source, record, .. }| {
        let cut = cuts.iter().find(|cut| cut.source == *source);
        record.offset <= *limit && cut.is_some_and(|cut| record.position <= cut.position)
    });
    if cuts.len() > 1 {
        // Stable: what has one position stays together.
        waiting.sort_by_key(|waiting| waiting.record.offset);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;

    static OWNERS: [u8; 2] = [0, 1];

    fn source(index: usize) -> Source {
        Source::of(&OWNERS[index])
    }

    /// A record of a source that came at `offset` and stands at `position`.
    fn waiting(of: usize, offset: u64, position: u64) -> Waiting {
        let record = Record {
            offset: Offset::at(offset),
            position: Position::new(position),
            frame: Bytes::new(),
            name: None,
            own_id: None,
            at: Instant::now(),
        };
        Waiting { source: source(of), cursor: 0, record }
    }

    fn cut(of: usize, position: u64, short: bool) -> Cut {
        Cut { source: source(of), position: Position::new(position), short }
    }

    fn arranged(mut all: Vec<Waiting>, cuts: &[Cut], limit: u64) -> Vec<u64> {
        arrange(&mut all, cuts, &mut Offset::at(limit));
        all.iter().map(|waiting| waiting.record.position.get()).collect()
    }

    #[test]
    fn the_logs_of_one_source_are_merged_by_position() {
        // One key was live, two were loaded after it: the offsets say nothing about the order.
        let all = vec![waiting(0, 10, 1), waiting(0, 11, 4), waiting(0, 20, 2), waiting(0, 21, 3)];
        assert_eq!(arranged(all, &[cut(0, 99, false)], 99), [1, 2, 3, 4]);
    }

    #[test]
    fn a_log_that_was_cut_short_holds_up_what_stands_behind_it() {
        let all = vec![waiting(0, 10, 5), waiting(0, 9, 9), waiting(0, 20, 3)];
        assert_eq!(arranged(all, &[cut(0, 5, true)], 99), [3, 5]);
    }

    #[test]
    fn a_source_that_was_cut_short_holds_up_what_came_later_of_another() {
        let all = vec![waiting(0, 10, 50), waiting(1, 9, 1), waiting(1, 11, 2)];
        assert_eq!(arranged(all, &[cut(0, 50, true), cut(1, 99, false)], 99), [1, 50]);
    }

    #[test]
    fn sources_that_know_nothing_of_each_other_come_in_the_order_of_arrival() {
        let all = vec![waiting(0, 10, 500), waiting(0, 30, 600), waiting(1, 20, 1)];
        assert_eq!(arranged(all, &[cut(0, 999, false), cut(1, 99, false)], 99), [500, 1, 600]);
    }

    #[test]
    fn what_is_loaded_late_carries_along_what_stands_behind_it() {
        let mut all = vec![waiting(0, 10, 2), waiting(0, 20, 1)];
        arrange(&mut all, &[cut(0, 99, false)], &mut Offset::at(99));
        assert!(all.iter().all(|waiting| waiting.record.offset == Offset::at(20)));
    }
}
