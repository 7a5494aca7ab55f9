//! `RowQueue`: the queue over rows, one call after the other.

mod claim;
mod events;
mod keys;
mod lease;
mod letters;
mod listeners;
mod settle;
mod stored;

use super::Rows;
use crate::backplane::{EngineError, Position};

pub use events::{EXPIRES, WINDOW};
pub use letters::{LETTER_AGE, MAX_LETTERS};
pub use listeners::{MAX_LISTENERS, UNSEEN};

use stored::{Listener, Meta};

/// How many events are held for one listener at most, running and waiting: beyond that nothing is claimed for the
/// first time.
pub const MAX_HELD: usize = 10_000;

/// How many events are claimed for one listener at once at most.
pub const MAX_CLAIM: usize = 256;

/// The queue at one moment: what one call does, within one transaction over the rows.
///
/// If a method fails, what it has put is to be undone by dropping the transaction.
///
/// ```
/// # use sse_tower_core::backplane::{Position, Registration, Since, ledger::{MemoryRows, RowQueue}};
///
/// # fn main() -> Result<(), sse_tower_core::backplane::EngineError> {
/// let mut rows = MemoryRows::default();
/// let mail = Registration {
///     listener: "mail".into(),
///     hears: vec!["order.paid".into()],
///     since: Since::Now,
/// };
/// let mut queue = RowQueue::new(&mut rows, 1_000_000, Position::ZERO, 1 << 20);
/// queue.register(&[mail])?;
/// assert_eq!(queue.heard()?, ["order.paid".into()]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RowQueue<'a, R> {
    rows: &'a mut R,
    now: u64,
    last: Position,
    bytes: u64,
}

impl<'a, R: Rows> RowQueue<'a, R> {
    /// The queue in these rows, at `now` microseconds of the store's clock; `last` is the newest position that the store gave, and `bytes` how many
    /// bytes of events it keeps at most: then the oldest expire.
    pub fn new(rows: &'a mut R, now: u64, last: Position, bytes: u64) -> Self {
        Self { rows, now, last, bytes }
    }

    fn listener(&self, listener: &str) -> Result<Option<Listener>, EngineError> {
        let row = self.rows.get(&keys::listener(listener))?;
        row.map(|row| Listener::read(&row)).transpose()
    }

    /// Changes a listener's row, if there is one.
    fn tally(
        &mut self,
        listener: &str,
        change: impl FnOnce(&mut Listener),
    ) -> Result<(), EngineError> {
        if let Some(mut row) = self.listener(listener)? {
            change(&mut row);
            self.rows.put(keys::listener(listener), row.write())?;
        }
        Ok(())
    }

    fn meta(&self) -> Result<Meta, EngineError> {
        let row = self.rows.get(&keys::meta())?;
        row.map_or(Ok(Meta::default()), |row| Meta::read(&row))
    }

    fn set_meta(&mut self, meta: &Meta) -> Result<(), EngineError> {
        self.rows.put(keys::meta(), meta.write())
    }
}
