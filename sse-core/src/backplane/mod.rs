//! What carries events between processes: the seam for engines.
//!
//! A key's log stays what it is; the engine only fills it. A process hands a change to its engine, and what
//! the engine's feed brings back, in the engine's order, is appended to the same logs on every process that
//! follows the key. So nothing reaches a client before the engine has it, not on the publishing process
//! either, and replay and live stay one read.
//!
//! ```text
//! send ─▶ Engine::append ─▶ the engine's log ─▶ Feed ─▶ log of the key on each following process ─▶ readers
//! ```
//!
//! * [`Engine`] is the contract: append, load, follow, a feed, a mark. It encodes nothing and decides nothing.
//! * `record` has what passes through it: [`Batch`], [`Entry`], [`Change`], [`Answer`], [`Record`], [`Head`].
//! * [`memory`] is the reference: a store in this process.
//! * [`Node`] is one process's place at a store, and all that decides.
//! * `contract` (feature `test-util`) is the suite that every engine passes.
//! * [`Queue`] is the second half, which an engine may leave out: events for listeners that survive the process.
//! * [`ledger`] is both over rows in the order of their keys, for engines that keep such rows by themselves.
//!
//! The store gives positions, never a process: they rise over all topics of one namespace, so one number
//! resumes a stream on any set of keys. The [`Epoch`] is the store's and changes when it lost its past.

#[cfg(feature = "test-util")]
pub mod contract;
mod engine;
mod error;
mod feed;
pub mod ledger;
pub mod memory;
mod node;
mod outbox;
mod queue;
mod record;
#[cfg(feature = "replicated")]
pub mod replicated;

pub use engine::{Engine, Loaded, Want};
pub use error::{EngineError, EngineErrorKind, EngineFuture};
pub use feed::{Feed, FeedItem};
#[doc(no_inline)]
pub use memory::{MemoryEngine, MemoryStore};
#[cfg(feature = "test-util")]
#[doc(hidden)]
pub use node::Mutant;
pub use node::{
    BackplaneError, DEFAULT_DEADLINE, DOWN_AFTER, Health, LINGER, MAX_LINGERING, MAX_QUEUED_BYTES,
    MAX_QUEUED_CHANGES, MAX_WAIT, Node, NodeOptions,
};
pub use outbox::{OnceIn, StoreIn, StoreInError};
pub use queue::{
    Beat, Claim, Claimed, DeadLetter, DeadReason, Deliveries, Delivery, Fence, Letters,
    ListenerState, ListenerStats, Queue, Registration, Since, Steer, Verdict,
};
pub use record::{
    Answer, Batch, Change, Entry, EventKind, Head, Keep, MAX_RECORD_BYTES, MAX_TOPIC_BYTES, Mark,
    NodeId, QueuedEvent, Record, Topic, TopicTooLong,
};

// Where something stands in the store's order: also what ids are made of.
pub use crate::log::{Epoch, Position};

#[cfg(feature = "json")]
pub(crate) use node::is_mutant;
pub(crate) use node::{
    After, Bell, Found, Joined, Joining, Owner, Shown, Sink, Waiter, Wanted, topics,
};
