//! The reading half of `Log`: where a reader begins, and what it reads.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{
    After, History, Joined, Log, Missed, Offset, Overtaken, Piece, Position, ReaderId, Record, Seq,
    Until,
    record::{LARGE, Start},
    retention::is_older,
};
use crate::{
    event::{EventId, GapReason},
    sync::Arc,
};

/// How many bytes a reader takes at once, unless one event alone is larger.
pub(crate) const READ_BYTES: usize = LARGE;

/// How many readers are looked at, at least.
const LOOKED_AT: usize = 64;

impl<T> Log<T> {
    /// Where a reader begins that was at `after`, and where at most `apart` of the newest stood that
    /// it missed.
    pub(crate) fn start(
        &self,
        after: After,
        history: &History,
        now: Instant,
        apart: usize,
    ) -> Start {
        let (next, (missed, lost)) = match after {
            After::Everything => (self.end(), (Missed::None, Vec::new())),
            After::Nothing => (self.history_start(history, now), (Missed::None, Vec::new())),
            After::Position(position) => {
                (self.first.plus(self.seen(position)), self.missed_apart(position, apart))
            }
        };
        Start { next, waiting: self.end().since(next), missed, lost }
    }

    /// How many events a reader missed that has seen everything up to `position`.
    pub(crate) fn missed_after(&self, position: Position) -> Missed {
        self.dropped.after(position)
    }

    /// Like [`missed_after`](Self::missed_after), with the positions of at most the newest `apart` of them.
    fn missed_apart(&self, position: Position, apart: usize) -> (Missed, Vec<Position>) {
        let missed = self.dropped.after(position);
        let most = match missed {
            Missed::None => return (missed, Vec::new()),
            Missed::Some(count) => apart.min(usize::try_from(count).unwrap_or(apart)),
            Missed::Unknown => apart,
        };
        (missed, self.dropped.newest_of(most))
    }

    /// Whether something was dropped before the history that a new reader gets.
    pub(crate) fn is_cut(&self, history: &History, now: Instant) -> bool {
        self.dropped.newest() > Position::ZERO || self.history_start(history, now) > self.first
    }

    /// The position of the next record that waits for this reader.
    pub(crate) fn next_position(&self, id: ReaderId) -> Option<Position> {
        let (next, _) = self.next(id);
        self.position_at(next)
    }

    /// The program's own id of the event at `position`, if that is here and has one.
    pub(crate) fn own_id_at(&self, position: Position) -> Option<&EventId> {
        let index = self.records.partition_point(|record| record.position < position);
        let record = self.records.get(index).filter(|record| record.position == position);
        record.and_then(|record| record.own_id.as_ref())
    }

    /// Where a reader begins that has waited for this log since `since`: it gets everything that came after that, and
    /// of what was there before no more than the history, though more may be here. It is told of what was dropped
    /// meanwhile, even if it had seen nothing before.
    pub(crate) fn waited(
        &self,
        start: &mut Start,
        after: After,
        since: Position,
        history: &History,
        now: Instant,
        apart: usize,
    ) {
        let came = self.after(since);
        if let After::Position(_) = after {
            let first = self.history_start(history, now).min(came);
            if start.next < first {
                let (next, too_old) = (start.next.since(self.first), first.since(start.next));
                start.missed = start.missed.and(Missed::Some(too_old));
                // Each in its place: before an event of another log that stands behind it.
                let passed = self.records.range(next as usize..(next + too_old) as usize);
                start.lost.extend(passed.map(|record| record.position));
                start.lost.drain(..start.lost.len().saturating_sub(apart));
                start.next = first;
            }
        } else {
            start.next = start.next.min(came);
            if after == After::Nothing {
                (start.missed, start.lost) = self.missed_apart(since, apart);
            }
        }
        start.waiting = self.end().since(start.next);
    }

    /// How many records are at or before `position`.
    pub(super) fn seen(&self, position: Position) -> usize {
        self.records.partition_point(|record| record.position <= position)
    }

    fn history_start(&self, history: &History, now: Instant) -> Seq {
        let mut bytes = 0;
        let kept = self.records.iter().rev().take(history.events).take_while(|record| {
            bytes += record.cost();
            bytes <= history.bytes && !is_older(record, history, now)
        });
        self.first.plus(self.records.len() - kept.count())
    }

    /// The record that this reader reads next, of those that are still here, and its place among them.
    fn next(&self, id: ReaderId) -> (Seq, usize) {
        // One that was put out stands behind everything.
        let next = self.readers.cursor(id).clamp(self.first, self.end());
        (next, next.since(self.first) as usize)
    }

    /// Whether this reader was overtaken, or has to be told of something else that is missing.
    #[inline]
    pub(crate) fn is_overtaken(&self, id: ReaderId) -> bool {
        self.readers.cursor(id) < self.first || self.missed.is_some() && self.has_missed(id)
    }

    #[cold]
    fn has_missed(&self, id: ReaderId) -> bool {
        self.missed.as_ref().is_some_and(|missed| missed.by.contains_key(&id))
    }

    /// Lets a reader that has joined begin here.
    pub(crate) fn begin(&mut self, id: ReaderId, start: Start) {
        self.place(id, start.next);
        if start.missed != Missed::None {
            let missed = Overtaken { missed: start.missed, positions: start.lost };
            self.missed.get_or_insert_default().by.insert(id, missed);
        }
    }

    /// Notes that a reader that begins has seen everything up to `position`, which may be more than is here: a log
    /// that is filled from elsewhere may have lost something, and get it late.
    pub(crate) fn has_seen(&mut self, id: ReaderId, position: Position) {
        if position > self.newest {
            self.ahead.get_or_insert_default().seen.insert(id, position);
        }
    }

    /// Moves those past the newest record who had seen it before they came. They stand before it, having read all
    /// others.
    #[cold]
    pub(super) fn pass_over(&mut self, position: Position) {
        let end = self.end();
        if let Some(ahead) = &mut self.ahead {
            ahead.seen.retain(|id, seen| {
                if position <= *seen {
                    self.readers.advance(*id, end);
                }
                position < *seen
            });
        }
        self.ahead.take_if(|ahead| ahead.seen.is_empty());
    }

    /// Notes that the readers for which `is_one` is true have missed something, nobody knows how much; they learn it
    /// when they read next. `anew`: nothing that they have seen means anything any more.
    pub(crate) fn miss(&mut self, anew: bool, is_one: impl Fn(&Arc<T>) -> bool) {
        let newest = self.dropped.newest();
        for (id, _) in self.readers.all(is_one) {
            let positions = if anew { Vec::new() } else { vec![newest] };
            let missed = Overtaken { missed: Missed::Unknown, positions };
            self.missed.get_or_insert_default().by.insert(id, missed);
        }
    }

    fn take_missed(&mut self, id: ReaderId) -> Option<Overtaken> {
        let missed = self.missed.as_mut()?.by.remove(&id);
        self.missed.take_if(|missed| missed.by.is_empty());
        missed
    }

    /// What was dropped before this reader came, or before it got to it: each once, and its cursor moves on. With the
    /// positions of at most the newest `apart` of them.
    pub(crate) fn overtaken(
        &mut self,
        id: ReaderId,
        apart: usize,
    ) -> Option<(GapReason, Overtaken)> {
        if let Some(missed) = self.take_missed(id) {
            return Some((GapReason::History, missed));
        }
        let next = self.readers.cursor(id);
        (next < self.first).then(|| {
            self.readers.advance(id, self.first);
            let missed = self.first.since(next);
            let apart = apart.min(usize::try_from(missed).unwrap_or(apart));
            let positions = self.dropped.newest_of(apart);
            (GapReason::Lagged, Overtaken { missed: Missed::Some(missed), positions })
        })
    }

    /// The common case of [`read`](Self::read): the newest event, if it alone waits for this reader, and it is told of
    /// nothing.
    #[inline]
    pub(crate) fn read_newest(&mut self, id: ReaderId, until: Offset) -> Option<&Record> {
        let end = self.end();
        let cursor = self.readers.cursor_mut(id)?;
        let newest = self.records.back()?;
        if cursor.plus(1) != end || newest.offset > until || self.missed.is_some() {
            return None;
        }
        *cursor = end;
        Some(newest)
    }

    /// Everything that waits for this reader and came up to `until`, up to the size of one read, as
    /// one piece. `None` if nothing waits.
    pub(crate) fn read(&mut self, id: ReaderId, until: Offset) -> Option<Piece> {
        let (from, start) = self.next(id);
        let (count, all) = self.measure_joined(from, until).unwrap_or_else(|| {
            let until = Until { offset: until, position: Position::LAST };
            self.measure(start, until, READ_BYTES)
        });
        if count == 0 {
            return None;
        }
        let to = from.plus(count);
        self.readers.advance(id, to);
        let bytes = if count == 1 {
            self.records[start].frame.clone()
        } else {
            self.join_frames(id, from, to)
        };
        let last = &self.records[start + count - 1];
        Some(Piece { bytes, position: last.position, at: last.at, more: !all })
    }

    /// [`measure`](Self::measure), where all that waits from here on was joined for another reader.
    fn measure_joined(&self, from: Seq, until: Offset) -> Option<(usize, bool)> {
        let (joined, newest) = (self.joined.as_ref()?, self.records.back()?);
        let is_all = joined.from == from && joined.to == self.end() && newest.offset <= until;
        is_all.then(|| (joined.to.since(from) as usize, true))
    }

    /// Joined once for all readers that catch up over the same stretch: for this one, which has moved on already, and
    /// others as long as one of them is found. Looking for one costs no more than to join once more.
    fn join_frames(&mut self, id: ReaderId, from: Seq, to: Seq) -> Bytes {
        if let Some(joined) = &mut self.joined
            && (joined.from, joined.to) == (from, to)
        {
            let bytes = joined.bytes.clone();
            if joined.next == id {
                match self.readers.next_at(from, id, most_looked_at(&bytes)) {
                    Some(next) => joined.next = next,
                    None => self.joined = None,
                }
            }
            return bytes;
        }
        let range = from.since(self.first) as usize..to.since(self.first) as usize;
        let size = self.records.range(range.clone()).map(|record| record.frame.len()).sum();
        let mut joined = BytesMut::with_capacity(size);
        for record in self.records.range(range) {
            joined.extend_from_slice(&record.frame);
        }
        let bytes = joined.freeze();
        if let Some(next) = self.readers.next_at(from, id, most_looked_at(&bytes)) {
            self.joined = Some(Box::new(Joined { from, to, bytes: bytes.clone(), next }));
        }
        bytes
    }

    /// How many records from the place `start` on, up to `until`, fit `budget` bytes, and whether
    /// that is all. The first always fits.
    fn measure(&self, start: usize, until: Until, budget: usize) -> (usize, bool) {
        let mut bytes = 0;
        let mut count = 0;
        for record in self.records.range(start..) {
            if !until.has(record) {
                break;
            }
            bytes += record.frame.len();
            if count > 0 && bytes > budget {
                return (count, false);
            }
            count += 1;
        }
        (count, true)
    }

    /// The records that wait for this reader, without moving its cursor; and whether these are all.
    pub(crate) fn peek(&self, id: ReaderId, until: Until, budget: usize) -> (Vec<Record>, bool) {
        let (_, start) = self.next(id);
        let (count, all) = self.measure(start, until, budget);
        (self.records.range(start..start + count).cloned().collect(), all)
    }

    /// Moves a reader's cursor past everything up to `position`.
    pub(crate) fn advance_past(&mut self, id: ReaderId, position: Position) {
        let seen = self.first.plus(self.seen(position));
        self.readers.advance(id, self.readers.cursor(id).max(seen));
    }

    /// Moves a reader to the end, past everything up to `until` but the newest event of each name.
    /// Returns those, and how many it passed over.
    pub(crate) fn newest_by_name(&mut self, id: ReaderId, until: Until) -> (Vec<Record>, u64) {
        let (_, start) = self.next(id);
        let end = self.records.partition_point(|record| until.has(record)).max(start);
        let mut names = HashSet::new();
        let waiting = self.records.range(start..end).rev();
        let mut newest: Vec<Record> =
            waiting.filter(|record| names.insert(record.name.as_ref())).cloned().collect();
        newest.reverse();
        self.readers.advance(id, self.first.plus(end));
        let passed = (end - start - newest.len()) as u64;
        (newest, passed)
    }
}

/// How many readers are looked at for one more that wants these bytes: more for larger ones, and always some.
fn most_looked_at(bytes: &Bytes) -> usize {
    LOOKED_AT + bytes.len() / size_of::<Seq>()
}

#[cfg(test)]
pub(super) mod tests {
    use super::{
        super::{Bounds, Change},
        *,
    };
    use crate::{event::EventName, sync::Arc};

    /// A record at position `n`, which came to this process at ten times that.
    pub(in crate::log) fn record(n: u64) -> Record {
        Record {
            offset: Offset::at(10 * n),
            position: Position::new(n),
            frame: Bytes::from(format!("data:{n:04}\n\n")),
            name: None,
            own_id: None,
            at: Instant::now(),
        }
    }

    pub(in crate::log) fn append(log: &mut Log<()>, n: u64, bounds: &Bounds) -> Change {
        log.append(record(n), bounds)
    }

    fn log(records: impl IntoIterator<Item = u64>) -> Log<()> {
        let mut log = Log::new(Position::ZERO);
        for n in records {
            append(&mut log, n, &Bounds::default());
        }
        log
    }

    fn until(offset: u64, position: u64) -> Until {
        Until { offset: Offset::at(offset), position: Position::new(position) }
    }

    const ALL: Until = Until { offset: Offset::LAST, position: Position::LAST };

    fn positions(records: &[Record]) -> Vec<u64> {
        records.iter().map(|record| record.position.get()).collect()
    }

    #[test]
    fn a_client_that_comes_for_the_first_time_begins_with_the_history() {
        let (log, now) = (log(1..=5), Instant::now());
        let start = log.start(After::Nothing, &History::events(3), now, 1);
        assert_eq!((start.waiting, start.missed), (3, Missed::None));
        assert_eq!(log.position_at(start.next), Some(Position::new(3)));
    }

    #[test]
    fn a_client_that_comes_back_begins_behind_what_it_has_seen() {
        let (log, now) = (log([2, 4, 6]), Instant::now());
        for (seen, next) in [(2, Some(4)), (3, Some(4)), (5, Some(6)), (6, None)] {
            let start = log.start(After::Position(Position::new(seen)), &History::none(), now, 1);
            assert_eq!(log.position_at(start.next), next.map(Position::new), "after {seen}");
            assert_eq!(start.missed, Missed::None);
        }
    }

    #[test]
    fn a_client_that_comes_too_late_is_told_how_many_it_missed() {
        let mut log = log(1..=5);
        log.drop_through(Seq::ZERO.plus(2), &mut Change::default());
        let after = After::Position(Position::new(1));
        let start = log.start(after, &History::events(9), Instant::now(), 1);
        assert_eq!((start.missed, start.waiting), (Missed::Some(2), 2));
    }

    #[test]
    fn what_comes_from_now_on_is_nothing_yet() {
        let log = log(1..=2);
        let start = log.start(After::Everything, &History::events(9), Instant::now(), 1);
        assert_eq!((start.next, start.waiting, start.missed), (log.end(), 0, Missed::None));
    }

    #[test]
    fn all_that_waits_is_one_piece_and_comes_once() {
        let mut log = log(1..=3);
        let id = log.join(Arc::new(()), Seq::ZERO);
        let piece = log.read(id, Offset::LAST).unwrap();
        assert_eq!(piece.bytes, "data:0001\n\ndata:0002\n\ndata:0003\n\n");
        assert_eq!((piece.position, piece.more), (Position::new(3), false));
        assert!(log.read(id, Offset::LAST).is_none());
    }

    #[test]
    fn what_came_after_the_limit_waits() {
        let mut log = log(1..=3);
        let id = log.join(Arc::new(()), Seq::ZERO);
        assert_eq!(log.read(id, Offset::at(20)).unwrap().bytes, "data:0001\n\ndata:0002\n\n");
        assert!(log.read(id, Offset::at(29)).is_none());
        assert_eq!(log.read(id, Offset::at(30)).unwrap().bytes, "data:0003\n\n");
    }

    #[test]
    fn readers_that_catch_up_together_share_the_bytes() {
        let mut log = log(1..=3);
        let ids = [0, 1].map(|_| log.join(Arc::new(()), Seq::ZERO));
        let pieces = ids.map(|id| log.read(id, Offset::LAST).unwrap().bytes);
        assert_eq!(pieces[0].as_ptr(), pieces[1].as_ptr());
        assert!(log.joined.is_none(), "nothing is held for readers that are through");
    }

    #[test]
    fn whoever_reads_alone_holds_nothing_and_whoever_is_far_away_reads_the_same() {
        let mut log = log(1..=2);
        let ids: Vec<_> = (0..1_000).map(|_| log.join(Arc::new(()), Seq::ZERO)).collect();
        let all = log.read(ids[999], Offset::LAST).unwrap().bytes;
        assert!(log.joined.is_some(), "those from the first on are found behind the last");
        ids[..500].iter().for_each(|id| log.advance_past(*id, Position::new(9)));
        for id in ids[500..999].iter().rev() {
            assert_eq!(log.read(*id, Offset::LAST).unwrap().bytes, all);
        }
        append(&mut log, 3, &Bounds::default());
        let piece = log.read(ids[500], Offset::LAST).unwrap();
        assert_eq!(piece.bytes, "data:0003\n\n");
        append(&mut log, 4, &Bounds::default());
        append(&mut log, 5, &Bounds::default());
        assert_eq!(log.read(ids[500], Offset::LAST).unwrap().bytes, "data:0004\n\ndata:0005\n\n");
        assert!(log.joined.is_none(), "nobody else begins there");
    }

    #[test]
    fn a_piece_is_bounded_unless_one_event_is_larger() {
        let mut log = Log::new(Position::ZERO);
        let bounds = Bounds { history: History::events(9).bytes(1 << 30), ..Bounds::default() };
        for n in 1..=3 {
            let frame = Bytes::from(vec![b'x'; READ_BYTES / 2 + 1]);
            log.append(Record { frame, ..record(n) }, &bounds);
        }
        let frame = Bytes::from(vec![b'x'; 2 * READ_BYTES]);
        log.append(Record { frame, ..record(4) }, &bounds);
        let id = log.join(Arc::new(()), Seq::ZERO);
        for n in 1..=4 {
            let piece = log.read(id, Offset::LAST).unwrap();
            assert_eq!((piece.position, piece.more), (Position::new(n), n < 4));
        }
    }

    #[test]
    fn a_look_moves_nothing_and_keeps_to_both_limits() {
        let mut log = log(1..=4);
        let id = log.join(Arc::new(()), Seq::ZERO);
        assert_eq!(positions(&log.peek(id, until(30, 9), usize::MAX).0), [1, 2, 3]);
        assert_eq!(positions(&log.peek(id, until(99, 2), usize::MAX).0), [1, 2]);
        let (records, all) = log.peek(id, ALL, 1);
        assert_eq!((positions(&records), all), (vec![1], false), "the first always fits");
        log.advance_past(id, Position::new(3));
        assert_eq!(positions(&log.peek(id, ALL, usize::MAX).0), [4]);
        log.advance_past(id, Position::new(1));
        assert_eq!(positions(&log.peek(id, ALL, usize::MAX).0), [4], "a cursor never goes back");
    }

    #[test]
    fn a_reader_is_told_once_that_it_was_overtaken() {
        let mut log = log(1..=4);
        let id = log.join(Arc::new(()), Seq::ZERO);
        log.drop_through(Seq::ZERO.plus(1), &mut Change::default());
        let positions_of = [1, 2].map(Position::new).to_vec();
        let overtaken = Overtaken { missed: Missed::Some(2), positions: positions_of };
        assert_eq!(log.overtaken(id, 9), Some((GapReason::Lagged, overtaken)));
        assert_eq!(log.overtaken(id, 9), None);
        assert_eq!(positions(&log.peek(id, ALL, usize::MAX).0), [3, 4]);
    }

    #[test]
    fn of_each_name_the_newest_comes_in_the_order_of_events() {
        let mut log = Log::new(Position::ZERO);
        let (a, b) = (EventName::from_static("a"), EventName::from_static("b"));
        let names = [Some(&a), Some(&b), None, Some(&a), None];
        for (n, name) in (1..).zip(names) {
            log.append(Record { name: name.cloned(), ..record(n) }, &Bounds::default());
        }
        let id = log.join(Arc::new(()), Seq::ZERO);
        let (newest, passed) = log.newest_by_name(id, until(u64::MAX, 4));
        assert_eq!((positions(&newest), passed), (vec![2, 3, 4], 1));
        let (newest, passed) = log.newest_by_name(id, ALL);
        assert_eq!((positions(&newest), passed), (vec![5], 0));
    }
}
