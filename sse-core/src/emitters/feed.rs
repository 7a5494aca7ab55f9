//! What a connection reads from a log, whatever the type of its key.

use super::{
    history::Lag,
    log::{Overtaken, Piece, Record},
};
use crate::EventId;

/// One connection's seat at one log. Dropping it leaves.
pub(crate) trait Feed: Send {
    /// Everything that waits up to offset `until`, as one piece, unless `quiet` turns out false or
    /// this reader was overtaken. `quiet` is asked while nobody can append.
    fn read(&mut self, until: u64, quiet: &dyn Fn() -> bool) -> Read;

    /// How many records were dropped before this reader came to them, once.
    fn overtaken(&mut self) -> Option<Overtaken>;

    /// The records up to offset `until` that fit `budget` bytes, and whether these are all. The
    /// cursor stays.
    fn peek(&mut self, until: u64, budget: usize) -> (Vec<Record>, bool);

    /// Moves the cursor past everything up to `offset`.
    fn advance_past(&mut self, offset: u64);

    /// Moves the cursor past everything up to `until`, for the newest event of each name, and says
    /// how many others that passed over.
    fn newest_by_name(&mut self, until: u64) -> (Vec<Record>, u64);

    /// Whose log it is: feeds with equal numbers share a [`cut`](Self::cut).
    fn source(&self) -> usize;

    /// Every event of this source with an offset up to this one is in its log. Of a source that is
    /// quiet, an old one.
    fn cut(&self) -> u64;

    /// Waits until every event of this source that has an offset now is in its log: a few map
    /// operations at most.
    fn settle(&self);

    /// The offset that this reader began after.
    fn start(&self) -> u64;

    /// Remembers that this connection got an event of its own with `id` after `offset`.
    fn mark(&self, id: &EventId, offset: u64);

    /// What happens when this reader is too slow.
    fn lag(&self) -> Lag;
}

/// What a read found.
pub(crate) enum Read {
    Nothing,
    Piece(Piece),
    /// There is more to consider than this log.
    Careful,
}
