//! `Record`: what a log holds; and the answers that it gives.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Offset, Position};
use crate::event::{EventId, EventName};

/// What a record costs besides its bytes on the wire.
pub(crate) const RECORD_COST: usize = size_of::<Record>();

/// A frame of more bytes than this is counted as long as anybody has it, even if it is in no log any more. A reader
/// takes no more bytes than this at once of smaller ones.
pub(crate) const LARGE: usize = 64 * 1024;

/// The number of a record in one log: consecutive, from zero on. Cursors count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seq(u64);

impl Seq {
    pub(super) const ZERO: Self = Self(0);
    /// A number that no record has.
    pub(super) const NEVER: Self = Self(u64::MAX);
    /// Another number that no record has.
    pub(super) const LEFT: Self = Self(u64::MAX - 1);

    /// The number that comes `count` later.
    pub(super) const fn plus(self, count: usize) -> Self {
        Self(self.0 + count as u64)
    }

    /// How many numbers there are from `earlier`, which is no later, up to this one.
    pub(super) const fn since(self, earlier: Self) -> u64 {
        self.0 - earlier.0
    }

    /// [`since`](Self::since), if `earlier` is no later.
    pub(super) const fn checked_since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

/// One event in a log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// When it came to this process.
    pub(crate) offset: Offset,
    /// Where it stands among the events of its source: what its id says.
    pub(crate) position: Position,
    pub(crate) frame: Bytes,
    pub(crate) name: Option<EventName>,
    /// The id that the program gave it, if it did.
    pub(crate) own_id: Option<EventId>,
    pub(crate) at: Instant,
}

impl Record {
    pub(crate) fn cost(&self) -> usize {
        self.frame.len() + RECORD_COST
    }

    /// The size of its frame in bytes, if that is [`LARGE`]; otherwise 0.
    pub(crate) fn large(&self) -> usize {
        if self.frame.len() > LARGE { self.frame.len() } else { 0 }
    }
}

/// Up to where a reader may read: both ends are within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Until {
    pub(crate) offset: Offset,
    pub(crate) position: Position,
}

impl Until {
    pub(super) fn has(self, record: &Record) -> bool {
        record.offset <= self.offset && record.position <= self.position
    }
}

/// What a reader takes at once.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    /// The position of its last event.
    pub(crate) position: Position,
    /// When that was published.
    pub(crate) at: Instant,
    /// More waits.
    pub(crate) more: bool,
}

impl Piece {
    /// One event, and no more waits.
    #[inline]
    pub(crate) fn of(record: &Record) -> Self {
        Self { bytes: record.frame.clone(), position: record.position, at: record.at, more: false }
    }
}

/// What a reader wants to begin after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It has never seen anything: all of the history.
    Nothing,
    /// It has seen everything up to this position.
    Position(Position),
    /// Only what comes from now on.
    Everything,
}

impl After {
    /// After a reset a key that is `complete` says everything once more: nothing live will follow.
    pub(crate) fn of(self, complete: bool, was_reset: bool) -> Self {
        match self {
            Self::Everything if complete && was_reset => Self::Nothing,
            after => after,
        }
    }
}

/// Where a reader begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The first record.
    pub(crate) next: Seq,
    /// How many records wait there.
    pub(crate) waiting: u64,
    pub(crate) missed: Missed,
    /// The positions of the newest missed, as many as were asked for.
    pub(crate) lost: Vec<Position>,
}

/// How many events a reader will not get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Missed {
    #[default]
    None,
    Some(u64),
    /// At least one, but nobody knows how many any more.
    Unknown,
}

impl Missed {
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) => other,
            (this, Self::None) => this,
            (Self::Some(a), Self::Some(b)) => Self::Some(a + b),
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
        }
    }
}

/// Records were dropped before a reader came to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overtaken {
    pub(crate) missed: Missed,
    /// Where the newest of them stood, oldest first; at least one, unless nothing that the reader has seen means
    /// anything any more.
    pub(crate) positions: Vec<Position>,
}

/// How much a log shrank or grew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    pub(crate) added_events: usize,
    pub(crate) added_bytes: usize,
    pub(crate) dropped_events: usize,
    pub(crate) dropped_bytes: usize,
    /// How many bytes of that are those of large frames.
    pub(crate) added_large: usize,
    pub(crate) dropped_large: usize,
}

impl Change {
    pub(super) fn added(record: &Record) -> Self {
        Self {
            added_events: 1,
            added_bytes: record.cost(),
            added_large: record.large(),
            ..Self::default()
        }
    }
}
