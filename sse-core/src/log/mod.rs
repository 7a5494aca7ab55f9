//! The events of one key, and what resuming, lagging and forgetting mean. Pure: no I/O, no clock of
//! its own, no tasks; time comes in as an argument.
//!
//! # Who sees what
//!
//! A [`Log`] is a list of encoded frames. A reader is a cursor in it: the number ([`Seq`]) of the
//! record that it reads next. Replay and live are the same read, so nothing can fall between them
//! or come twice. All that wait for a reader come as one [`Piece`], joined once for all readers
//! that catch up over the same stretch.
//!
//! # Two questions, two types
//!
//! *When did it come to this process?* is an [`Offset`], and *where does it stand among the events
//! of its source?* is a [`Position`]. Ids, resuming, gaps and completion ask the second question,
//! and so does merging several logs of one source; only what is for one connection alone, which
//! stands in no log, is put in its place by the first. In memory a position is made from the
//! offset. Both rise within a log, but over several logs they may disagree: what is loaded from a
//! store comes late and stands early.
//!
//! # Lagging
//!
//! A log keeps what its [`History`] wants, and beyond it what the slowest reader has yet to read,
//! within the backlog. When that is full the oldest go, whoever still wants them; a reader that is
//! overtaken learns how many it missed, once, and goes on at the oldest that is there. The newest
//! record stays for those who are to read it, whatever its size.
//!
//! # Resuming
//!
//! [`Log::start`] says where somebody begins who has seen everything up to a position, and how many
//! events it missed. It is exact for as many dropped events as the log remembers the positions of;
//! beyond that the answer is [`Missed::Unknown`], never a number that is too small.
//!
//! # Closing
//!
//! A completed log takes no more events from [`Emitters`](crate::Emitters); the log itself only
//! remembers where that was. It may be trimmed, cleared and retired like any other.
//!
//! Bottom to top: `clock` and `position` (the two numbers), `record`, `dropped`, `history` (how
//! much is kept), `own_ids` (whether an id of the program's says where its event stands), `readers`, then `retention` and `reading` as the two halves of [`Log`], and `rest`, what is left of one; `cursor`
//! and `receivers` are how a connection sees a log without knowing the type of its key.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

use bytes::Bytes;

pub(crate) mod clock;
mod cursor;
mod dropped;
mod finding;
mod history;
mod own_ids;
mod position;
mod readers;
mod reading;
mod receivers;
mod record;
mod rest;
mod retention;

pub(crate) use clock::Offset;
pub(crate) use cursor::{Cursor, Read, Sign, Source, State};
use dropped::Dropped;
pub(crate) use dropped::GAPS_APART;
pub(crate) use history::Bounds;
pub use history::{
    DEFAULT_BACKLOG_BYTES, DEFAULT_BACKLOG_EVENTS, DEFAULT_TOTAL_BYTES, DEFAULT_TOTAL_EVENTS,
    History, Lag,
};
use own_ids::OwnIds;
pub use position::{Epoch, Position};
pub(crate) use position::{Place, Token};
use readers::Readers;
pub(crate) use readers::{ReaderId, Snapshot};
pub(crate) use reading::READ_BYTES;
pub(crate) use receivers::{ReceiverCount, ReceiverCounts};
#[cfg(test)]
pub(crate) use record::RECORD_COST;
pub(crate) use record::{After, Change, LARGE, Missed, Overtaken, Piece, Record, Seq, Until};
pub(crate) use rest::Rest;

use crate::sync::{Arc, Weak};

/// The frames of one key, and who reads them. Records have consecutive numbers, by which cursors
/// count; offsets and positions only rise.
#[derive(Debug)]
pub(crate) struct Log<T> {
    records: VecDeque<Record>,
    /// The number of the oldest record, or of the next one.
    first: Seq,
    bytes: usize,
    /// The position of the newest record that there ever was.
    newest: Position,
    dropped: Dropped,
    /// What was last counted of it beside its records.
    settled: usize,
    /// What is known of the ids that the program gave, if it ever gave one.
    own_ids: Option<Box<OwnIds>>,
    completed: Option<Position>,
    /// Who has this key for itself, where one connection is allowed.
    holder: Option<Weak<T>>,
    /// What readers missed before they came, until they are told.
    missed: Option<Box<MissedBy>>,
    /// Readers that had seen more than was here when they came.
    ahead: Option<Box<Ahead>>,
    readers: Readers<T>,
    /// No reader reads anything before this. May be too low, never too high.
    floor: Seq,
    /// Rises with every append, pays for looking at every cursor.
    credit: usize,
    /// Frames that were joined for one reader and that others want too.
    joined: Option<Box<Joined>>,
    walk: Option<Box<Walk<T>>>,
    /// Whether the thread of last resort watches the walk.
    is_watched: bool,
    /// Something was dropped that a reader may still have wanted.
    overtook: bool,
    /// Whether the readers that were overtaken will be looked for.
    is_noted: bool,
}

/// What readers missed before they came. Few logs have any.
#[derive(Debug, Default)]
struct MissedBy {
    by: HashMap<ReaderId, Overtaken>,
}

/// Readers that had seen everything up to these positions, which are beyond the newest that is here: what comes late may
/// be older.
#[derive(Debug, Default)]
struct Ahead {
    seen: HashMap<ReaderId, Position>,
}

/// Frames that were joined for one reader, and that others want too.
#[derive(Debug)]
struct Joined {
    from: Seq,
    to: Seq,
    bytes: Bytes,
    /// Another reader that begins where these frames do.
    next: ReaderId,
}

/// Readers that are being woken, by whoever comes.
#[derive(Debug)]
struct Walk<T> {
    readers: Snapshot<T>,
    /// The block of them that is woken next.
    next: usize,
    /// It has to begin again, since something was appended meanwhile.
    again: bool,
    /// Whether nobody has taken a slice since the last look.
    stands_still: bool,
}

/// What the caller has to do so that the readers are woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BegunWalk {
    /// Nobody walks yet.
    pub(crate) to_walk: bool,
    /// Nobody watches over those who do.
    pub(crate) to_watch: bool,
}

impl<T> Log<T> {
    /// An empty log of a key that may have had events up to position `forgotten`.
    pub(crate) const fn new(forgotten: Position) -> Self {
        Self {
            records: VecDeque::new(),
            first: Seq::ZERO,
            bytes: 0,
            newest: Position::ZERO,
            dropped: Dropped::new(forgotten),
            settled: 0,
            own_ids: None,
            completed: None,
            holder: None,
            missed: None,
            ahead: None,
            readers: Readers::new(),
            floor: Seq::ZERO,
            credit: 0,
            joined: None,
            walk: None,
            is_watched: false,
            overtook: false,
            is_noted: false,
        }
    }

    /// The number that the next record gets.
    pub(crate) fn end(&self) -> Seq {
        self.first.plus(self.records.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record `seq`, if it is here: not dropped, and not to come.
    fn get(&self, seq: Seq) -> Option<&Record> {
        let index = usize::try_from(seq.checked_since(self.first)?).ok()?;
        self.records.get(index)
    }

    /// Whether the record `seq` is still here.
    pub(crate) fn holds(&self, seq: Seq) -> bool {
        self.get(seq).is_some()
    }

    /// The position of the record `seq`, if there is one yet.
    pub(crate) fn position_at(&self, seq: Seq) -> Option<Position> {
        self.get(seq).map(|record| record.position)
    }

    /// The number of the first record after `position`, or of the next one.
    fn after(&self, position: Position) -> Seq {
        self.first.plus(self.seen(position))
    }

    /// The position of the newest record that there ever was.
    pub(crate) fn newest(&self) -> Position {
        self.newest
    }

    /// Whether the record at this position is still here.
    pub(crate) fn holds_position(&self, position: Position) -> bool {
        self.records.binary_search_by_key(&position, |record| record.position).is_ok()
    }

    /// The newest event and the completion are at or before this position; [`Position::ZERO`] if
    /// there was neither.
    pub(crate) fn last_position(&self) -> Position {
        self.newest.max(self.completed.unwrap_or(Position::ZERO))
    }

    /// How much this log takes beside its records: as it was last asked, and now.
    pub(crate) fn settle(&mut self) -> (usize, usize) {
        let now = if self.could_rest() { self.cost_at_rest() } else { self.cost() };
        (std::mem::replace(&mut self.settled, now), now)
    }

    fn cost(&self) -> usize {
        let own = self.own_ids.as_ref().map_or(0, |known| known.cost());
        let vacant = (self.records.capacity() - self.records.len()) * size_of::<Record>();
        // What a key takes that somebody is connected to has to be there.
        let itself = if self.readers.len() == 0 { size_of::<Self>() } else { 0 };
        self.dropped.cost() + own + vacant + itself
    }

    // Who reads.

    /// How many readers there are.
    pub(crate) fn readers(&self) -> usize {
        self.readers.len()
    }

    /// The readers at this moment, to be walked without the log's lock.
    pub(crate) fn snapshot(&self) -> Snapshot<T> {
        self.readers.snapshot()
    }

    /// Adds a reader, which reads `next` first.
    pub(crate) fn join(&mut self, reader: Arc<T>, next: Seq) -> ReaderId {
        self.floor = self.floor.min(next);
        self.readers.join(reader, next)
    }

    /// A reader that has read nothing yet reads `next` first.
    pub(crate) fn place(&mut self, id: ReaderId, next: Seq) {
        self.floor = self.floor.min(next);
        self.joined = None;
        self.readers.advance(id, next);
    }

    /// Who has this key for itself, if anybody has.
    pub(crate) fn holder(&self) -> Option<Arc<T>> {
        self.holder.as_ref().and_then(Weak::upgrade)
    }

    /// Gives this connection the key for itself.
    pub(crate) fn hold(&mut self, holder: &Arc<T>) {
        self.holder = Some(Arc::downgrade(holder));
    }

    /// Removes a reader. Whether it was there until now.
    pub(crate) fn leave(&mut self, id: ReaderId) -> bool {
        self.forget_missed(id);
        self.readers.leave(id)
    }

    /// Removes a reader that has not left; it finds nothing here any more. `false` if this one is not there.
    pub(crate) fn put_out(&mut self, id: ReaderId, reader: &Arc<T>) -> bool {
        let is_out = self.readers.put_out(id, reader);
        if is_out {
            self.forget_missed(id);
        }
        is_out
    }

    fn forget_missed(&mut self, id: ReaderId) {
        self.joined = None;
        if let Some(missed) = &mut self.missed {
            missed.by.remove(&id);
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.seen.remove(&id);
        }
    }

    /// Whether something was dropped that a reader may still have wanted: then the first record that those read who
    /// were not overtaken. Said once, until [`looked_at`](Self::looked_at).
    #[inline]
    pub(crate) fn overtook(&mut self) -> Option<Seq> {
        if !self.overtook || self.is_noted {
            return None;
        }
        (self.overtook, self.is_noted) = (false, true);
        Some(self.first)
    }

    /// Notes that the readers that were overtaken are looked for now.
    pub(crate) fn looked_at(&mut self) {
        self.is_noted = false;
    }

    /// The readers that have yet to read something before `seq`.
    pub(crate) fn readers_before(&self, seq: Seq) -> Vec<(ReaderId, Arc<T>)> {
        self.readers.before(seq)
    }

    /// Begins to wake the readers: whoever asks whom to wake takes a part of them.
    pub(crate) fn begin_wake(&mut self, readers: Snapshot<T>) -> BegunWalk {
        let to_walk = self.walk.is_none();
        match &mut self.walk {
            Some(walk) => walk.again = true,
            None => {
                let walk = Walk { readers, next: 0, again: false, stands_still: false };
                self.walk = Some(Box::new(walk));
            }
        }
        BegunWalk { to_walk, to_watch: !std::mem::replace(&mut self.is_watched, true) }
    }

    /// The next blocks of readers to be woken, `count` at most. `None` once all are.
    pub(crate) fn next_to_wake(&mut self, count: usize) -> Option<(Snapshot<T>, Range<usize>)> {
        let walk = self.walk.as_mut()?;
        if walk.next >= walk.readers.blocks() {
            if !walk.again {
                self.walk = None;
                return None;
            }
            (walk.readers, walk.next, walk.again) = (self.readers.snapshot(), 0, false);
        }
        let blocks = walk.next..walk.next + count;
        (walk.next, walk.stands_still) = (blocks.end, false);
        Some((walk.readers.clone(), blocks))
    }

    /// Whether nobody has gone on with the walk since the last time. `None` if it is over.
    pub(crate) fn look_at_walk(&mut self) -> Option<bool> {
        self.is_watched = self.walk.is_some();
        Some(std::mem::replace(&mut self.walk.as_mut()?.stands_still, true))
    }

    // Its end.

    /// Where it was completed.
    pub(crate) fn completed(&self) -> Option<Position> {
        self.completed
    }

    /// Completes the log: nothing comes after this.
    pub(crate) fn complete(&mut self, position: Position) {
        self.completed = Some(position);
    }

    /// Opens a completed log again.
    pub(crate) fn reopen(&mut self) {
        self.completed = None;
    }

    /// The readers to be told that nothing comes any more, unless they were told.
    pub(crate) fn end_all(&self) -> Option<Snapshot<T>> {
        self.completed.is_none().then(|| self.snapshot())
    }
}
