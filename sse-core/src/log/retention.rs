//! The retaining half of `Log`: what it keeps, and what it drops.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::{Bounds, Change, Dropped, History, Log, Missed, Position, Record, Seq};
use crate::sync::Arc;

/// Of how many dropped events a log remembers the places, for each that it has room for.
const DROPPED_FOR_EACH: usize = 4;
/// How many it remembers at least, if it has room for few.
const REMEMBERED: usize = 64;

/// How much credit each append gives towards looking at every cursor.
const CREDIT: usize = 8;

impl<T> Log<T> {
    /// Adds a record and drops what is over the bounds.
    pub(crate) fn append(&mut self, record: Record, bounds: &Bounds) -> Change {
        let now = record.at;
        self.newest = record.position;
        if record.own_id.is_some() {
            self.own_id_added(&record);
        }
        self.joined = None;
        let mut change = Change::added(&record);
        self.bytes += record.cost();
        if self.records.capacity() == 0 {
            // Most keys have one event, and there may be many of them.
            self.records.reserve_exact(1);
        }
        self.records.push_back(record);
        if self.ahead.is_some() {
            self.pass_over(self.newest);
        }
        self.credit += CREDIT;
        self.trim(bounds, now, &mut change);
        change
    }

    /// Adds a record in its place, be it before others: to a log that nobody reads.
    pub(crate) fn insert(&mut self, record: Record, bounds: &Bounds) -> Change {
        let index = self.seen(record.position);
        if index == self.records.len() && record.position > self.newest {
            return self.append(record, bounds);
        }
        if record.position < self.dropped.newest() {
            // What came after it is gone already.
            let most = REMEMBERED.max(self.records.capacity().saturating_mul(DROPPED_FOR_EACH));
            self.dropped.insert(record.position, most);
            return Change::default();
        }
        self.own_id_inserted(&record, self.first.plus(index));
        self.joined = None;
        let mut change = Change::added(&record);
        let now = record.at;
        self.bytes += record.cost();
        self.records.insert(index, record);
        self.trim(bounds, now, &mut change);
        change
    }

    /// Notes that something at `position` is gone and never was here; how much was lost with it nobody knows.
    pub(crate) fn lost_up_to(&mut self, position: Position) {
        self.dropped = Dropped::new(self.dropped.newest().max(position));
        self.newest = self.newest.max(position);
    }

    /// Drops what neither the history nor a reader needs.
    pub(crate) fn trim(&mut self, bounds: &Bounds, now: Instant, change: &mut Change) {
        while let Some(oldest) = self.records.front() {
            let len = self.records.len();
            let history = &bounds.history;
            if len <= history.events
                && self.bytes <= history.bytes
                && !is_older(oldest, history, now)
            {
                return;
            }
            let wanted = self.readers.len() > 0 && self.is_wanted();
            // The newest record of all stays for the readers, whatever its size.
            let in_backlog = len <= bounds.backlog_events.max(1)
                && (self.bytes <= bounds.backlog_bytes || len == 1);
            if wanted && in_backlog {
                return;
            }
            self.drop_oldest(change);
        }
    }

    /// [`trim`](Self::trim), having looked at every cursor.
    pub(crate) fn trim_exactly(&mut self, bounds: &Bounds, now: Instant, change: &mut Change) {
        self.credit = self.credit.max(self.readers.len());
        self.trim(bounds, now, change);
    }

    /// Makes room by the record `seq` and those before it, if it is still here.
    pub(crate) fn drop_through(&mut self, seq: Seq, change: &mut Change) {
        while self.holds(seq) {
            // Or else one who has read it counts as overtaken.
            self.is_wanted();
            self.drop_oldest(change);
        }
    }

    /// Whether a reader still has to read the oldest record. May say yes when the answer is no, since looking at
    /// every cursor has to be earned by appends.
    fn is_wanted(&mut self) -> bool {
        if self.first >= self.floor && self.credit >= self.readers.len() {
            self.credit = 0;
            self.floor = self.readers.slowest();
        }
        self.first >= self.floor
    }

    /// Drops all records, and remembers where they stood.
    pub(crate) fn clear(&mut self, change: &mut Change) {
        while !self.records.is_empty() {
            self.drop_oldest(change);
        }
        self.completed = None;
    }

    /// Begins the log at `floor`: nothing is known of events up to there, so those that are not here count as
    /// dropped.
    pub(crate) fn begin_at(&mut self, floor: Position) {
        self.dropped = Dropped::new(floor);
    }

    /// Notes that something up to `position` never came here, nobody knows how much; more recent records may be here.
    /// Whoever begins before it is told.
    pub(crate) fn skip_to(&mut self, position: Position) {
        self.dropped = Dropped::new(self.dropped.newest().max(position));
        self.newest = self.newest.max(position);
    }

    /// Like [`skip_to`](Self::skip_to); those who are reading are told too, before they get anything behind it.
    /// Returns them.
    pub(crate) fn skip_to_and_tell(
        &mut self,
        position: Position,
        reads: impl Fn(&Arc<T>) -> bool,
    ) -> Vec<Arc<T>> {
        self.skip_to(position);
        let told = self.readers.all(reads);
        for (id, _) in &told {
            let missed = self.missed.get_or_insert_default().by.entry(*id);
            let missed = missed.or_default();
            missed.missed = Missed::Unknown;
            missed.positions =
                vec![position.max(missed.positions.last().copied().unwrap_or_default())];
        }
        told.into_iter().map(|(_, reader)| reader).collect()
    }

    /// Forgets the past: positions begin anew. Readers go on with what comes.
    pub(crate) fn reset(&mut self, change: &mut Change) {
        while !self.records.is_empty() {
            self.drop_oldest(change);
        }
        self.newest = Position::ZERO;
        self.completed = None;
        self.ahead = None;
        self.dropped = Dropped::new(Position::ZERO);
        let end = self.end();
        self.readers.advance_all(end);
    }

    /// Gives back what was kept for slow readers: nobody reads any more.
    pub(crate) fn give_back(&mut self) {
        self.records.shrink_to(2 * self.records.len());
        self.dropped.keep(REMEMBERED.max(self.records.capacity().saturating_mul(DROPPED_FOR_EACH)));
    }

    /// Keeps little more than where the log ended: nobody reads, and nothing is kept.
    pub(crate) fn shrink(&mut self) {
        self.dropped.shrink();
        self.records = VecDeque::new();
        self.joined = None;
    }

    /// Drops the oldest record, whoever still wants it.
    fn drop_oldest(&mut self, change: &mut Change) {
        self.joined = None;
        let most = REMEMBERED.max(self.records.capacity().saturating_mul(DROPPED_FOR_EACH));
        if let Some(oldest) = self.records.pop_front() {
            self.overtook |= self.first >= self.floor && self.readers.len() > 0;
            self.first = self.first.plus(1);
            self.bytes -= oldest.cost();
            self.dropped.push(oldest.position, most);
            change.dropped_events += 1;
            change.dropped_bytes += oldest.cost();
            change.dropped_large += oldest.large();
            if let Some(id) = oldest.own_id {
                self.own_id_dropped(id);
            }
        }
        if self.records.is_empty() {
            self.records = VecDeque::new();
        }
    }
}

pub(super) fn is_older(record: &Record, history: &History, now: Instant) -> bool {
    if record.at == now {
        // What was appended at this moment: nearly always the question.
        return history.age.is_zero();
    }
    now.saturating_duration_since(record.at) >= history.age
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{
            After, Offset, Overtaken, Position,
            reading::tests::{append, record},
        },
        *,
    };
    use crate::event::GapReason;

    fn bounds(history: History, backlog_events: usize) -> Bounds {
        Bounds { history, backlog_events, ..Bounds::default() }
    }

    fn log() -> Log<()> {
        Log::new(Position::ZERO)
    }

    fn fill(log: &mut Log<()>, records: std::ops::RangeInclusive<u64>, bounds: &Bounds) {
        for n in records {
            append(log, n, bounds);
        }
    }

    #[test]
    fn the_oldest_go_once_the_history_is_full() {
        let (mut log, bounds) = (log(), bounds(History::events(2), 10));
        fill(&mut log, 1..=3, &bounds);
        assert_eq!(log.records.len(), 2);
        assert_eq!(log.records[0].position, Position::new(2));
        assert_eq!(log.dropped.newest(), Position::new(1));
    }

    #[test]
    fn bytes_are_counted_with_the_cost_of_each_record() {
        let one = record(1).cost();
        let (mut log, bounds) = (log(), bounds(History::events(10).bytes(2 * one), 10));
        let changes = [1, 2, 3].map(|n| append(&mut log, n, &bounds));
        assert_eq!(changes.map(|change| change.dropped_events), [0, 0, 1]);
        assert_eq!(log.bytes, 2 * one);
    }

    #[test]
    fn age_is_dropped_by_the_next_look_and_not_before() {
        let age = Duration::from_secs(60);
        let (mut log, bounds) = (log(), bounds(History::events(10).age(age), 10));
        append(&mut log, 1, &bounds);
        let then = log.records[0].at;
        let mut change = Change::default();
        log.trim(&bounds, then + age - Duration::from_millis(1), &mut change);
        assert_eq!(change.dropped_events, 0);
        log.trim(&bounds, then + age, &mut change);
        assert_eq!((change.dropped_events, log.bytes), (1, 0));
    }

    #[test]
    fn what_a_reader_has_yet_to_read_stays_within_the_backlog() {
        let (mut log, bounds) = (log(), bounds(History::none(), 2));
        let slow = log.join(Arc::new(()), Seq::ZERO);
        fill(&mut log, 1..=2, &bounds);
        assert_eq!(log.records.len(), 2);
        append(&mut log, 3, &bounds);
        assert_eq!(log.records.len(), 2);
        assert!(log.is_overtaken(slow));
        log.leave(slow);
        log.trim(&bounds, log.records[0].at, &mut Change::default());
        assert!(log.is_empty());
    }

    #[test]
    fn what_comes_late_is_put_in_its_place_and_counts_like_the_others() {
        let (mut log, bounds) = (log(), bounds(History::events(3), 10));
        for n in [1, 2, 3, 5, 7] {
            append(&mut log, n, &bounds);
        }
        for n in [6, 1] {
            log.insert(record(n), &bounds);
        }
        let kept: Vec<_> = log.records.iter().map(|record| record.position.get()).collect();
        assert_eq!(kept, [5, 6, 7]);
        let missed = |position| log.missed_after(Position::new(position));
        assert_eq!(missed(3), Missed::None);
        assert_eq!(missed(2), Missed::Some(1));
    }

    #[test]
    fn the_newest_stays_for_its_readers_whatever_its_size() {
        let bounds = Bounds { backlog_bytes: 1, ..bounds(History::none(), 10) };
        let mut log = log();
        log.join(Arc::new(()), Seq::ZERO);
        fill(&mut log, 1..=2, &bounds);
        assert_eq!(log.records.len(), 1);
        assert_eq!(log.records[0].position, Position::new(2));
    }

    #[test]
    fn nothing_is_kept_for_nobody_without_a_history() {
        let (mut log, bounds) = (log(), bounds(History::none(), 10));
        let change = append(&mut log, 1, &bounds);
        assert_eq!((change.added_events, change.dropped_events), (1, 1));
        assert_eq!(log.last_position(), Position::new(1));
    }

    #[test]
    fn dropping_through_a_record_stops_behind_it() {
        let (mut log, bounds) = (log(), Bounds::default());
        fill(&mut log, 1..=4, &bounds);
        let mut change = Change::default();
        log.drop_through(Seq::ZERO.plus(1), &mut change);
        assert_eq!((change.dropped_events, log.records.len()), (2, 2));
        log.drop_through(Seq::ZERO, &mut change);
        assert_eq!(change.dropped_events, 2, "what is gone makes no room a second time");
    }

    #[test]
    fn what_never_came_is_told_to_those_who_read_and_to_those_who_begin_before_it() {
        let (mut log, bounds) = (log(), Bounds::default());
        fill(&mut log, 1..=2, &bounds);
        append(&mut log, 9, &bounds);
        let reader = log.join(Arc::new(()), Seq::ZERO);
        let waiting = log.join(Arc::new(()), Seq::ZERO);
        let first = log.snapshot().iter().next().map(Arc::clone).unwrap();
        let told = log.skip_to_and_tell(Position::new(5), |conn| Arc::ptr_eq(conn, &first));
        assert_eq!(told.len(), 1);
        let overtaken = Overtaken { missed: Missed::Unknown, positions: vec![Position::new(5)] };
        assert_eq!(log.overtaken(reader, 9), Some((GapReason::History, overtaken)));
        assert_eq!((log.overtaken(reader, 9), log.overtaken(waiting, 9)), (None, None));
        // The older ones go later, and that changes nothing.
        log.drop_through(Seq::ZERO.plus(1), &mut Change::default());
        let start = |after| {
            let after = After::Position(Position::new(after));
            log.start(after, &bounds.history, Instant::now(), 1)
        };
        assert_eq!((start(4).missed, start(4).lost), (Missed::Unknown, vec![Position::new(5)]));
        assert_eq!(start(5).missed, Missed::None);
    }

    #[test]
    fn what_comes_late_is_not_for_who_had_seen_it_before_he_came() {
        let (mut log, bounds) = (log(), Bounds::default());
        append(&mut log, 1, &bounds);
        let come = |log: &mut Log<()>, seen| {
            let end = log.end();
            let id = log.join(Arc::new(()), end);
            log.has_seen(id, Position::new(seen));
            id
        };
        let (has_all, ahead, far) = (come(&mut log, 1), come(&mut log, 3), come(&mut log, 9));
        let gone = come(&mut log, 9);
        log.leave(gone);
        let (new, begun) = (come(&mut log, 1), come(&mut log, 3));
        let read = |log: &mut Log<()>, id| log.read(id, Offset::LAST).map(|it| it.position.get());
        append(&mut log, 3, &bounds);
        let all = [has_all, ahead, far, new, begun];
        assert_eq!(all.map(|id| read(&mut log, id)), [Some(3), None, None, Some(3), None]);
        append(&mut log, 5, &bounds);
        assert_eq!(all.map(|id| read(&mut log, id)), [Some(5), Some(5), None, Some(5), Some(5)]);
        append(&mut log, 10, &bounds);
        assert_eq!(read(&mut log, far), Some(10));
        assert!(log.ahead.is_none());
    }

    #[test]
    fn a_cleared_log_is_open_and_still_knows_where_it_stood() {
        let (mut log, bounds) = (log(), Bounds::default());
        append(&mut log, 1, &bounds);
        log.complete(Position::new(2));
        log.clear(&mut Change::default());
        assert!(log.is_empty() && log.completed().is_none());
        log.shrink();
        let now = Instant::now();
        let start = log.start(After::Position(Position::ZERO), &bounds.history, now, 1);
        assert_eq!(start.missed, Missed::Some(1));
    }
}
