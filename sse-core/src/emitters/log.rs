//! The encoded frames of one key, oldest dropped first. Pure: time comes in as an argument.

use std::collections::{HashSet, VecDeque};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

pub(super) use super::members::Walk;
use super::{
    history::{Bounds, History},
    marks::Place,
    members::Members,
};
use crate::{EventId, EventName, sync::Arc};

/// What a record costs besides its bytes on the wire.
pub(super) const RECORD_COST: usize = size_of::<Record>();

/// How many bytes a reader takes at once, unless one event alone is larger.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// For how many dropped records a log remembers where they stood, so as to count what a client missed.
const DROPPED_OFFSETS: usize = 1024;
/// The same, while the log rests.
const RESTING_OFFSETS: usize = 8;

/// One event in a log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) offset: u64,
    pub(crate) frame: Bytes,
    pub(crate) name: Option<EventName>,
    /// The id that the program gave it, if it did.
    pub(crate) own_id: Option<EventId>,
    pub(crate) at: Instant,
}

impl Record {
    pub(super) fn cost(&self) -> usize {
        self.frame.len() + RECORD_COST
    }
}

/// The frames of one key. Records have consecutive sequence numbers, by which cursors count;
/// offsets only rise.
#[derive(Debug)]
pub(super) struct Log<T> {
    records: VecDeque<Record>,
    /// The sequence number of the oldest record, or of the next one.
    first: u64,
    bytes: usize,
    /// The offset of the newest record that there ever was.
    newest: u64,
    dropped: Dropped,
    completed: Option<u64>,
    members: Members<T>,
    /// No member reads anything before this. May be too low, never too high.
    floor: u64,
    /// Rises with every append, pays for looking at every cursor.
    credit: usize,
    /// What several readers would join alike when they catch up together.
    batch: Option<Batch>,
    ringing: Ringing,
}

/// Is somebody waking the members?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ringing {
    #[default]
    No,
    Yes,
    /// And has to begin again, since something was appended meanwhile.
    Again,
}

/// Offsets of dropped records, the newest of them.
#[derive(Debug, Default)]
struct Dropped {
    offsets: VecDeque<u64>,
    /// The newest offset that is not in `offsets` any more.
    beyond: u64,
}

#[derive(Debug)]
struct Batch {
    from: u64,
    to: u64,
    bytes: Bytes,
    readers_left: usize,
}

/// What a reader wants to begin after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It has never seen anything: all of the history.
    Nothing,
    /// It has seen everything up to this offset.
    Offset(u64),
    /// Only what comes from now on.
    Everything,
}

/// Where a reader begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The first sequence number.
    pub(super) next: u64,
    /// How many records wait there.
    pub(super) waiting: u64,
    pub(super) missed: Missed,
}

/// How many events a reader will not get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Missed {
    #[default]
    None,
    Some(u64),
    /// At least one, but nobody knows how many any more.
    Unknown,
}

impl Missed {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) => other,
            (this, Self::None) => this,
            (Self::Some(a), Self::Some(b)) => Self::Some(a + b),
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
        }
    }
}

/// How much a log shrank or grew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub(super) added_events: usize,
    pub(super) added_bytes: usize,
    pub(super) dropped_events: usize,
    pub(super) dropped_bytes: usize,
}

/// A reader was overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overtaken {
    /// This many records were dropped before it came to them.
    pub(crate) missed: u64,
    /// The offset of the last of them.
    pub(crate) offset: u64,
}

impl<T> Log<T> {
    /// An empty log of a key that may have had events up to offset `forgotten`.
    pub(super) fn new(forgotten: u64) -> Self {
        Self {
            records: VecDeque::new(),
            first: 0,
            bytes: 0,
            newest: 0,
            dropped: Dropped { offsets: VecDeque::new(), beyond: forgotten },
            completed: None,
            members: Members::new(),
            floor: 0,
            credit: 0,
            batch: None,
            ringing: Ringing::No,
        }
    }

    fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    pub(super) fn walk(&self) -> Walk<T> {
        self.members.walk()
    }

    /// The members are to be woken. `false` if somebody does it already, and will begin again.
    #[cfg(not(sse_loom))]
    pub(super) fn ring(&mut self) -> bool {
        let nobody = self.ringing == Ringing::No;
        self.ringing = if nobody { Ringing::Yes } else { Ringing::Again };
        nobody
    }

    /// Somebody has woken the members; has to do it again, if there is something.
    pub(super) fn rang(&mut self) -> Option<Walk<T>> {
        let again = self.ringing == Ringing::Again;
        self.ringing = if again { Ringing::Yes } else { Ringing::No };
        again.then(|| self.walk())
    }

    pub(super) fn completed(&self) -> Option<u64> {
        self.completed
    }

    /// Nothing comes after this.
    pub(super) fn complete(&mut self, offset: u64) {
        self.completed = Some(offset);
    }

    /// Who has to be told that nothing comes any more, unless they were.
    pub(super) fn end_all(&self) -> Option<Walk<T>> {
        self.completed.is_none().then(|| self.walk())
    }

    /// Adds a record and drops what is over the bounds.
    pub(super) fn append(&mut self, record: Record, bounds: &Bounds) -> Change {
        let now = record.at;
        self.newest = record.offset;
        self.batch = None;
        let mut change =
            Change { added_events: 1, added_bytes: record.cost(), ..Change::default() };
        self.bytes += record.cost();
        self.records.push_back(record);
        self.credit += 8;
        self.trim(bounds, now, &mut change);
        change
    }

    /// Drops what neither the history nor a reader needs.
    pub(super) fn trim(&mut self, bounds: &Bounds, now: Instant, change: &mut Change) {
        while let Some(oldest) = self.records.front() {
            let len = self.records.len();
            let history = &bounds.history;
            if len <= history.events
                && self.bytes <= history.bytes
                && !is_older(oldest, history, now)
            {
                return;
            }
            let wanted = self.members.len() > 0 && self.is_wanted();
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
    pub(super) fn trim_exactly(&mut self, bounds: &Bounds, now: Instant, change: &mut Change) {
        self.credit = self.credit.max(self.members.len());
        self.trim(bounds, now, change);
    }

    /// Makes room by the record at `offset` and those before it, if it is still here.
    pub(super) fn drop_through(&mut self, offset: u64, change: &mut Change) {
        while self.holds(offset) {
            self.drop_oldest(change);
        }
    }

    /// Does a member still have to read the oldest record? May say yes when the answer is no, since
    /// looking at every cursor has to be earned by appends.
    fn is_wanted(&mut self) -> bool {
        if self.first >= self.floor && self.credit >= self.members.len() {
            self.credit = 0;
            self.floor = self.members.slowest();
        }
        self.first >= self.floor
    }

    /// Is the record at `offset` still here?
    pub(super) fn holds(&self, offset: u64) -> bool {
        self.records.binary_search_by_key(&offset, |record| record.offset).is_ok()
    }

    /// Drops everything that was said, not where it stood.
    pub(super) fn clear(&mut self, change: &mut Change) {
        while !self.records.is_empty() {
            self.drop_oldest(change);
        }
        self.completed = None;
    }

    /// Nobody reads and nothing is kept: holds on to little more than where it ended.
    pub(super) fn rest(&mut self) {
        self.dropped.condense();
        self.records = VecDeque::new();
        self.batch = None;
    }

    /// Makes room, whoever still wants it.
    fn drop_oldest(&mut self, change: &mut Change) {
        self.batch = None;
        if let Some(oldest) = self.records.pop_front() {
            self.first += 1;
            self.bytes -= oldest.cost();
            self.dropped.push(oldest.offset);
            change.dropped_events += 1;
            change.dropped_bytes += oldest.cost();
        }
        if self.records.is_empty() {
            self.records = VecDeque::new();
        }
    }

    /// Where a reader begins that was at `after`.
    pub(super) fn start(&self, after: After, history: &History, now: Instant) -> Start {
        let (next, missed) = match after {
            After::Everything => (self.end(), Missed::None),
            After::Nothing => (self.history_start(history, now), Missed::None),
            After::Offset(offset) => {
                let seen = self.records.partition_point(|record| record.offset <= offset);
                (self.first + seen as u64, self.dropped.after(offset))
            }
        };
        Start { next, waiting: self.end() - next, missed }
    }

    /// The offset of the record `next`, if there is one yet.
    pub(super) fn offset_at(&self, next: u64) -> Option<u64> {
        self.records.get((next - self.first) as usize).map(|record| record.offset)
    }

    fn history_start(&self, history: &History, now: Instant) -> u64 {
        let mut bytes = 0;
        let kept = self.records.iter().rev().take(history.events).take_while(|record| {
            bytes += record.cost();
            bytes <= history.bytes && !is_older(record, history, now)
        });
        self.end() - kept.count() as u64
    }

    /// Where the event with this id stands, if it is here.
    pub(super) fn find(&self, id: &EventId) -> Place {
        let own = self.records.iter().filter(|record| record.own_id.as_ref() == Some(id));
        own.fold(Place::Nowhere, |all, record| all.and(Place::At(record.offset)))
    }

    /// The newest event and the completion are at or before this offset; zero if there was neither.
    pub(super) fn last_place(&self) -> u64 {
        self.newest.max(self.completed.unwrap_or(0))
    }

    pub(super) fn join(&mut self, member: Arc<T>, next: u64) -> usize {
        self.floor = self.floor.min(next);
        self.members.join(member, next)
    }

    pub(super) fn leave(&mut self, seat: usize) {
        self.batch = None;
        self.members.leave(seat);
    }

    /// Was this reader overtaken?
    pub(super) fn is_overtaken(&self, seat: usize) -> bool {
        self.members.cursor(seat) < self.first
    }

    /// How many records were dropped before this reader came to them, once: its cursor moves on.
    pub(super) fn overtaken(&mut self, seat: usize) -> Option<Overtaken> {
        let next = self.members.cursor(seat);
        (next < self.first).then(|| {
            self.members.advance(seat, self.first);
            let offset = self.dropped.offsets.back().copied().unwrap_or(self.dropped.beyond);
            Overtaken { missed: self.first - next, offset }
        })
    }

    /// Everything that waits for this reader up to offset `until`, up to the size of one read, as
    /// one piece. `None` if nothing waits.
    pub(super) fn read(&mut self, seat: usize, until: u64) -> Option<Piece> {
        let from = self.members.cursor(seat).max(self.first);
        if from + 1 == self.end() {
            // The common case: the newest alone.
            let newest = self.records.back().filter(|record| record.offset <= until)?;
            self.members.advance(seat, from + 1);
            let (bytes, offset) = (newest.frame.clone(), newest.offset);
            return Some(Piece { bytes, offset, at: newest.at, more: false });
        }
        let (count, all) = self.measure(from, until, READ_BYTES);
        if count == 0 {
            return None;
        }
        let to = from + count as u64;
        self.members.advance(seat, to);
        let start = (from - self.first) as usize;
        let last = start + count - 1;
        let bytes =
            if count == 1 { self.records[start].frame.clone() } else { self.join_frames(from, to) };
        let last = &self.records[last];
        Some(Piece { bytes, offset: last.offset, at: last.at, more: !all })
    }

    /// Joined once for all readers that catch up over the same stretch.
    fn join_frames(&mut self, from: u64, to: u64) -> Bytes {
        if let Some(batch) = &mut self.batch
            && (batch.from, batch.to) == (from, to)
        {
            let bytes = batch.bytes.clone();
            batch.readers_left -= 1;
            if batch.readers_left == 0 {
                self.batch = None;
            }
            return bytes;
        }
        let range = (from - self.first) as usize..(to - self.first) as usize;
        let size = self.records.range(range.clone()).map(|record| record.frame.len()).sum();
        let mut joined = BytesMut::with_capacity(size);
        for record in self.records.range(range) {
            joined.extend_from_slice(&record.frame);
        }
        let bytes = joined.freeze();
        let readers_left = self.members.reading_at(from);
        if readers_left > 0 {
            self.batch = Some(Batch { from, to, bytes: bytes.clone(), readers_left });
        }
        bytes
    }

    /// How many records from `from` up to offset `until` fit `budget` bytes, and whether that is all.
    /// The first always fits.
    fn measure(&self, from: u64, until: u64, budget: usize) -> (usize, bool) {
        let start = (from - self.first) as usize;
        let mut bytes = 0;
        let mut count = 0;
        for record in self.records.range(start..) {
            if record.offset > until {
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
    pub(super) fn peek(&self, seat: usize, until: u64, budget: usize) -> (Vec<Record>, bool) {
        let from = self.members.cursor(seat).max(self.first);
        let (count, all) = self.measure(from, until, budget);
        let start = (from - self.first) as usize;
        (self.records.range(start..start + count).cloned().collect(), all)
    }

    /// Moves a reader's cursor past everything up to `offset`.
    pub(super) fn advance_past(&mut self, seat: usize, offset: u64) {
        let seen = self.records.partition_point(|record| record.offset <= offset);
        let next = self.members.cursor(seat).max(self.first + seen as u64);
        self.members.advance(seat, next);
    }

    /// Moves a reader to the end, past everything up to `until` but the newest event of each name.
    /// Returns those, and how many it passed over.
    pub(super) fn newest_by_name(&mut self, seat: usize, until: u64) -> (Vec<Record>, u64) {
        let from = self.members.cursor(seat).max(self.first);
        let start = (from - self.first) as usize;
        let end = self.records.partition_point(|record| record.offset <= until).max(start);
        let mut names = HashSet::new();
        let waiting = self.records.range(start..end).rev();
        let mut newest: Vec<Record> =
            waiting.filter(|record| names.insert(record.name.as_ref())).cloned().collect();
        newest.reverse();
        self.members.advance(seat, self.first + end as u64);
        let passed = (end - start - newest.len()) as u64;
        (newest, passed)
    }
}

/// What a reader takes at once.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// The offset of its last event.
    pub(crate) offset: u64,
    /// When that was published.
    pub(crate) at: Instant,
    /// More waits.
    pub(crate) more: bool,
}

impl Dropped {
    fn push(&mut self, offset: u64) {
        if self.offsets.len() == DROPPED_OFFSETS
            && let Some(oldest) = self.offsets.pop_front()
        {
            self.beyond = oldest;
        }
        self.offsets.push_back(offset);
    }

    /// Forgets all but the newest few.
    fn condense(&mut self) {
        let excess = self.offsets.len().saturating_sub(RESTING_OFFSETS);
        if let Some(beyond) = self.offsets.drain(..excess).next_back() {
            self.beyond = beyond;
        }
        self.offsets.shrink_to_fit();
    }

    fn after(&self, offset: u64) -> Missed {
        if self.beyond > offset {
            return Missed::Unknown;
        }
        match self.offsets.len() - self.offsets.partition_point(|dropped| *dropped <= offset) {
            0 => Missed::None,
            missed => Missed::Some(missed as u64),
        }
    }
}

fn is_older(record: &Record, history: &History, now: Instant) -> bool {
    now.saturating_duration_since(record.at) >= history.age
}
