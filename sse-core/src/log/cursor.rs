//! `Cursor`: how a connection reads a log, whatever the type of its key.

use std::task::{Poll, Waker};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Lag, Offset, Overtaken, Piece, Position, Record, Until};
use crate::{
    event::{EventId, GapReason},
    sync::{AtomicU32, Ordering},
};

/// How one connection reads one log. Dropping it leaves the log.
pub(crate) trait Cursor: Send {
    /// Everything that waits up to `until` by arrival, as one piece, unless `sign` was given
    /// or this reader was overtaken. The sign is looked at while nobody can append.
    fn read(&mut self, until: Offset, sign: Sign<'_>) -> Read;

    /// What was dropped before this reader came to it, once; with the positions of at most the newest
    /// `apart` of them.
    fn overtaken(&mut self, apart: usize) -> Option<(GapReason, Overtaken)>;

    /// The records up to `until` that fit `budget` bytes, and whether these are all. The cursor
    /// stays.
    fn peek(&mut self, until: Until, budget: usize) -> (Vec<Record>, bool);

    /// Moves the cursor past everything up to `position`.
    fn advance_past(&mut self, position: Position);

    /// Moves the cursor past everything up to `until`, for the newest event of each name, and says
    /// how many others that passed over.
    fn newest_by_name(&mut self, until: Until) -> (Vec<Record>, u64);

    /// Whose log it is. Positions of one source are one order: its logs are merged, cut and
    /// deduplicated by them, and share a [`watermark`](Self::watermark).
    fn source(&self) -> Source;

    /// Every event of this source with a position up to this one is in its log. Of a source that
    /// is quiet, an old one.
    fn watermark(&self) -> Position;

    /// Waits until every event of this source that has come to this process by now is in its log:
    /// a few map operations at most.
    fn sync_watermark(&self);

    /// The position after which this reader began.
    fn start(&self) -> Position;

    /// The position of the next event that waits for this reader, if one does.
    fn next_position(&self) -> Option<Position>;

    /// Whether this reader gets its events in the order of positions. It does not from a log that it came to while it
    /// was reading others; of any other log, what stands before what was given out came too late for its place.
    fn is_in_order(&self) -> bool;

    /// The id by which a client resumes that has seen everything of this source up to `position`; if it got the event
    /// there, that event's id.
    fn id_at(&self, position: Position, got: bool) -> EventId;

    /// What happens when this reader is too slow.
    fn lag(&self) -> Lag;

    /// Whether the state of the key can be asked for.
    fn has_state(&self) -> bool {
        false
    }

    /// Whether this reader begins with the state of its key, since its client cannot go on from where it was. Said
    /// once; nothing is read before this was asked.
    fn begins_anew(&mut self) -> bool {
        false
    }

    /// Takes a place in the log, and waits for the state of the key there or later; the waker is called when there
    /// may be one. What is read next comes after that place. Returns until when it waits at most; `None` if nobody
    /// knows a state.
    fn renew(&mut self, waker: &Waker) -> Option<Instant> {
        let _ = waker;
        None
    }

    /// The state that this reader waits for; `None` if there will be none.
    fn poll_state(&mut self, waker: &Waker) -> Poll<Option<State>> {
        let _ = waker;
        Poll::Ready(None)
    }
}

/// Says whether there is more to consider than a log, which may change at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sign<'a> {
    pub(crate) bits: &'a AtomicU32,
    /// Which of the bits is looked at.
    pub(crate) bit: u32,
}

impl Sign<'_> {
    #[inline]
    pub(crate) fn is_given(self) -> bool {
        self.bits.load(Ordering::Acquire) & self.bit != 0
    }
}

/// The state of a key, as bytes.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The bytes without an id.
    pub(crate) frame: Bytes,
    /// The bytes with its place as the id.
    pub(crate) with_id: Bytes,
    /// Everything up to here is in it.
    pub(crate) place: Position,
}

/// A source of events: whatever gives positions to the events of several logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(usize);

impl Source {
    /// The source at this address, which stays the same as long as anybody reads from it.
    pub(crate) fn of<T>(owner: &T) -> Self {
        Self(std::ptr::from_ref(owner).addr())
    }
}

/// The result of a read.
pub(crate) enum Read {
    Nothing,
    Piece(Piece),
    /// There is more to consider than this log.
    Careful,
}
