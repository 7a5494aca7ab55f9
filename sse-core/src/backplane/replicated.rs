//! A whole store as a value: for engines whose store is only a log of commands that every node reads. Feature `replicated`.
//!
//! Nodes that apply the same commands in the same order have the same store, so what one command was answered is
//! known without asking anybody: each node finds it out by itself. It is the state machine of the engine `memory:`.
//! A store can be written down and read again by serde, so that a node need not begin with the first command.

use serde::{Deserialize, Serialize};

use std::{sync::Arc, time::Duration};

use super::{
    Answer, Batch, Beat, Claim, Claimed, DeadLetter, EngineError, Epoch, Fence, Letters,
    ListenerStats, Loaded, Mark, NodeId, Position, Record, Registration, Steer, Topic, Verdict,
    Want, memory::Log,
};

/// What changes a store.
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
    /// Something that changes the [`Queue`](super::Queue).
    Queue(QueueCommand),
}

/// The calls of a [`Queue`](super::Queue) that change it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the method of its name")]
pub enum QueueCommand {
    Register(Vec<Registration>),
    Claim { node: NodeId, claims: Vec<Claim> },
    Settle(Vec<(Fence, Verdict)>),
    Beat { node: NodeId, lease: Duration },
    Reap { again: Duration },
    Leave(NodeId),
    Revive { listener: Arc<str>, letters: Letters },
    Discard { listener: Arc<str>, letters: Letters },
    // A look that deletes what it finds too old.
    Dead { listener: Arc<str>, after: u64, limit: usize },
    Steer { listener: Arc<str>, how: Steer },
}

/// What a [`QueueCommand`] was answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueueAnswer {
    /// It is done, and there is nothing to say.
    Done,
    /// What a claim gave.
    Claimed(Claimed),
    /// Which verdicts were not stale.
    Settled(Vec<bool>),
    /// What became of the lease.
    Beat(Beat),
    /// How many entries or letters.
    Count(usize),
    /// Whether the listener is known.
    Known(bool),
    /// Dead letters.
    Dead(Vec<DeadLetter>),
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
        /// Something came into the queue.
        rings: bool,
    },
    /// The queue's answer, and whether something may be due in it now.
    Queue {
        /// What it was.
        answer: Result<QueueAnswer, EngineError>,
        /// There may be something to claim.
        rings: bool,
    },
    /// The epoch is another one now, or it was not the one that was meant.
    Renewed,
}

/// Everything that a store knows.
///
/// ```
/// # use sse_tower_core::backplane::{Epoch, Position, replicated::{Applied, Command, ReplicatedStore}};
///
/// let mut store = ReplicatedStore::new(Epoch::new(7));
/// let renew = Command::Renew { from: Epoch::new(7), to: Epoch::new(8) };
/// assert!(matches!(store.apply(&renew, 1_000), Applied::Renewed));
/// assert_eq!(store.mark().epoch, Epoch::new(8));
/// assert_eq!(store.mark().position, Position::ZERO);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplicatedStore {
    log: Log,
}

impl ReplicatedStore {
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
                Ok(done) => Applied::Appended {
                    answers: Ok(done.answers),
                    records: done.records,
                    rings: done.queued,
                },
                Err(error) => {
                    Applied::Appended { answers: Err(error), records: Vec::new(), rings: false }
                }
            },
            Command::Renew { from, to } => {
                if self.mark().epoch == *from {
                    *self = Self::new(*to);
                }
                Applied::Renewed
            }
            Command::Queue(command) => self.queue(command, now),
        }
    }

    fn queue(&mut self, command: &QueueCommand, now: u64) -> Applied {
        let mut queue = self.log.queue(now);
        let (answer, rings) = match command {
            QueueCommand::Register(listeners) => {
                (queue.register(listeners).map(|()| QueueAnswer::Done), true)
            }
            QueueCommand::Claim { node, claims } => {
                (queue.claim(*node, claims).map(QueueAnswer::Claimed), false)
            }
            QueueCommand::Settle(verdicts) => {
                let waits = |(_, verdict): &(Fence, Verdict)| {
                    matches!(verdict, Verdict::Released | Verdict::Failed { .. })
                };
                let rings = verdicts.iter().any(waits);
                (queue.settle(verdicts).map(QueueAnswer::Settled), rings)
            }
            QueueCommand::Beat { node, lease } => {
                (queue.beat(*node, *lease).map(QueueAnswer::Beat), false)
            }
            QueueCommand::Reap { again } => (queue.reap(*again).map(QueueAnswer::Count), true),
            QueueCommand::Leave(node) => (queue.leave(*node).map(QueueAnswer::Count), true),
            QueueCommand::Revive { listener, letters } => {
                (queue.revive(listener, *letters).map(QueueAnswer::Count), true)
            }
            QueueCommand::Discard { listener, letters } => {
                (queue.discard(listener, *letters).map(QueueAnswer::Count), false)
            }
            QueueCommand::Dead { listener, after, limit } => {
                (queue.dead(listener, *after, *limit).map(QueueAnswer::Dead), false)
            }
            QueueCommand::Steer { listener, how } => {
                (queue.steer(listener, *how).map(QueueAnswer::Known), matches!(how, Steer::Resume))
            }
        };
        let nothing = matches!(answer, Err(_) | Ok(QueueAnswer::Count(0)));
        Applied::Queue { answer, rings: rings && !nothing }
    }

    /// Every event name that some listener hears, at `now`. Changes nothing.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn heard(&mut self, now: u64) -> Result<Vec<Arc<str>>, EngineError> {
        self.log.queue(now).heard()
    }

    /// How all listeners stand at `now`. Changes nothing.
    ///
    /// # Errors
    /// As [`heard`](Self::heard).
    pub fn stats(&mut self, now: u64) -> Result<Vec<ListenerStats>, EngineError> {
        self.log.queue(now).stats()
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
