//! What passes between a process and the store.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Epoch, Position};

/// How long a topic's name may be, in bytes: the name of the `Emitters`, and a key of 500 bytes.
pub const MAX_TOPIC_BYTES: usize = 1_024;

/// How large one record's body may be, in bytes: 256 KiB. An engine may allow less, never more.
pub const MAX_RECORD_BYTES: usize = 256 * 1024;

/// One log in the store: a key of one `Emitters`, all keys of one `Emitters`, or the events that go to every process.
///
/// Any text of 1 to [`MAX_TOPIC_BYTES`] bytes, wildcards, blanks and control characters of the store's language among
/// them: an engine encodes it where its store gives such characters a meaning. Two topics are the same only if
/// they are the same bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Topic(Arc<str>);

/// A topic's name had no byte, or more than [`MAX_TOPIC_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a topic's name has 1 to {MAX_TOPIC_BYTES} bytes, this one {0}")]
pub struct TopicTooLong(pub usize);

impl Topic {
    /// The topic of this name.
    ///
    /// # Errors
    /// [`TopicTooLong`] for an empty name and one over [`MAX_TOPIC_BYTES`].
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, TopicTooLong> {
        let name = name.into();
        if name.is_empty() || name.len() > MAX_TOPIC_BYTES {
            return Err(TopicTooLong(name.len()));
        }
        Ok(Self(name))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of one process at the store: random, never configured, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeId(u128);

impl NodeId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u128(1..))
    }

    /// The node with this number, as a store gives it back.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How far a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The store's epoch.
    pub epoch: Epoch,
    /// The newest position that it gave, in any topic; [`Position::ZERO`] if none.
    pub position: Position,
}

/// A type of event as it travels: its name and the version of its body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct EventKind {
    /// The name from `#[event(name = "..")]`.
    pub name: Arc<str>,
    /// The version of its body.
    pub version: u32,
}

/// An event that waits for listeners. The engine does not look into its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct QueuedEvent {
    /// What it is.
    pub kind: EventKind,
    /// The event's own id, the same on every attempt.
    pub id: u128,
    /// Its attributes.
    pub head: Bytes,
    /// Its body as published.
    pub body: Bytes,
}

/// What one process stores at once: all of it or nothing, in this order.
///
/// A node numbers its batches from 1, sends them one after the other, and repeats one with the same number and the same
/// entries while its outcome is unknown. The store keeps, for each node, the newest number with its answers.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Batch {
    /// The node that stores.
    pub node: NodeId,
    /// Its number.
    pub number: u64,
    /// What is stored, in order. Never empty.
    pub entries: Arc<[Entry]>,
}

/// One change in one topic.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// Which topic.
    pub topic: Topic,
    /// What changes there.
    pub change: Change,
    /// What the topic keeps from now on.
    pub keep: Keep,
}

/// How much of a topic the store keeps: the newest events within all three bounds. It may keep somewhat more, never less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Keep {
    /// How many events.
    pub events: usize,
    /// How many bytes of bodies.
    pub bytes: usize,
    /// How old an event may be. The topic's head outlives its last event by at least as long again, and by ten
    /// minutes.
    pub age: Duration,
}

/// What may happen in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// An event is added to the log.
    Event {
        /// What every process gets. The engine does not look into it.
        body: Bytes,
        /// Store it once: if an event with this key is still in the topic's log, or left it less than an hour ago,
        /// nothing is stored and the answer is [`Answer::Repeated`].
        once: Option<Arc<str>>,
    },
    /// Nothing comes after this. Kept in the [`Head`], not in the log.
    Complete,
    /// The topic's events and its completion are deleted; its head goes on.
    Forget,
    /// All connections end. Kept in the head: its newest position.
    Disconnect,
    /// One connection takes the key for itself. Kept in the head: the newest one.
    Claim {
        /// Which connection, at random.
        holder: u64,
    },
    /// An event for listeners that survive the process: goes to the [`Queue`](super::Queue), not to the log and not to the feed.
    /// Its topic is not looked at.
    Enqueue(QueuedEvent),
}

impl Change {
    /// How many bytes it brings that nobody looks into: what [`MAX_RECORD_BYTES`] bounds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Event { body, .. } => body.len(),
            Self::Enqueue(event) => event.head.len().saturating_add(event.body.len()),
            _ => 0,
        }
    }
}

/// What became of one entry of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// Stored, at this position.
    Stored(Position),
    /// An event with the same `once` key was stored before, at this position. Nothing was stored.
    Repeated(Position),
    /// The topic is complete: no event, and no second completion. Nothing was stored.
    Closed,
}

/// A change as the store gives it out, in loads and in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Record {
    /// Where it happened.
    pub topic: Topic,
    /// Where it stands.
    pub position: Position,
    /// The newest *event* of the topic that was stored before this change, be it trimmed since; [`Position::ZERO`] if
    /// the store knows of none. So that "nothing between" can be told from "something trimmed" or "something missed":
    /// zero says nothing of events up to [`Loaded::forgotten`](super::Loaded::forgotten).
    pub previous: Position,
    /// What changed.
    pub change: Change,
}

/// What the store knows of a topic besides its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Head {
    /// The newest change of any kind.
    pub last: Position,
    /// The newest event, be it trimmed since; zero if there was none.
    pub newest: Position,
    /// The topic is complete since here.
    pub completed: Option<Position>,
    /// The newest [`Change::Disconnect`]; zero if there was none.
    pub disconnected: Position,
    /// The newest [`Change::Claim`] and its holder.
    pub claimed: Option<(Position, u64)>,
}

impl Head {
    /// Whether a topic with this head takes no such change, because it is complete.
    #[must_use]
    pub fn refuses(&self, change: &Change) -> bool {
        self.completed.is_some() && matches!(change, Change::Event { .. } | Change::Complete)
    }

    /// What it is after a change at this position.
    pub fn apply(&mut self, change: &Change, position: Position) {
        self.last = position;
        match change {
            Change::Event { .. } => self.newest = position,
            Change::Complete => self.completed = Some(position),
            Change::Forget => self.completed = None,
            Change::Disconnect => self.disconnected = position,
            Change::Claim { holder } => self.claimed = Some((position, *holder)),
            Change::Enqueue(_) => {}
        }
    }
}
