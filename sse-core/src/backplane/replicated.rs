//! A whole store as a value: for engines whose store is only a log of commands that every node reads. Feature `replicated`.
//!
//! Nodes that apply the same commands in the same order have the same ledger, so what one command was answered is
//! known without asking anybody: each node finds it out by itself. It is the state machine of the engine `memory:`.
//! A ledger can be written down and read again by serde, so that a node need not begin with the first command.

use serde::{Deserialize, Serialize};

use super::{
    Answer, Batch, EngineError, Epoch, Loaded, Mark, Position, Record, Topic, Want, memory::Log,
};

/// What changes a ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Command {
    /// A node's batch.
    Append(Batch),
    /// The past was lost: if the epoch is still `from`, everything is forgotten and the epoch is `to`.
    Renew {
        /// The epoch whose past was lost.
        from: Epoch,
        /// The new one.
        to: Epoch,
    },
}

/// What a command did.
#[derive(Debug)]
#[non_exhaustive]
pub enum Applied {
    /// A batch: its answers, or why it was refused; and what became visible by it, in rising positions.
    Appended {
        /// One for each entry.
        answers: Result<Vec<Answer>, EngineError>,
        /// Empty for a batch that was there before.
        records: Vec<Record>,
    },
    /// The epoch is another one now, or it was not the one that was meant.
    Renewed,
}

/// Everything that a store knows.
///
/// ```
/// use sse_tower_core::backplane::{Epoch, Position, ledger::{Applied, Command, Ledger}};
///
/// let mut ledger = Ledger::new(Epoch::new(7));
/// let renew = Command::Renew { from: Epoch::new(7), to: Epoch::new(8) };
/// assert!(matches!(ledger.apply(&renew, 1_000), Applied::Renewed));
/// assert_eq!(ledger.mark().epoch, Epoch::new(8));
/// assert_eq!(ledger.mark().position, Position::ZERO);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    log: Log,
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        Self { log: Log::new(epoch) }
    }

    /// How far it is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.log.mark()
    }

    /// Applies a command that came at `now`, in microseconds since 1970, by a clock that all nodes see the same.
    pub fn apply(&mut self, command: &Command, now: u64) -> Applied {
        match command {
            Command::Append(batch) => match self.log.append(batch, now) {
                Ok(done) => Applied::Appended { answers: Ok(done.answers), records: done.records },
                Err(error) => Applied::Appended { answers: Err(error), records: Vec::new() },
            },
            Command::Renew { from, to } => {
                if self.mark().epoch == *from {
                    *self = Self::new(*to);
                }
                Applied::Renewed
            }
        }
    }

    /// The newest part of a topic.
    #[must_use]
    pub fn load(&self, want: &Want) -> Loaded {
        self.log.load(want)
    }

    /// Topics that changed after a position.
    #[must_use]
    pub fn changed(&self, after: Position, limit: usize) -> Vec<(Topic, Position)> {
        self.log.changed(after, limit)
    }
}
