//! The engine `memory:`: a store in this process, for as long as the process lives. The reference for all others.
//!
//! A [`MemoryStore`] is what a server would be; each [`MemoryEngine`] over it is one node's connection to it. Several
//! contexts of one process over one store behave as several processes do.
//!
//! Nothing in it is left to chance: time is tokio's, the only random number is the [`Epoch`](super::Epoch), and both can be
//! given ([`MemoryStore::fixed`]). The same calls in the same order give the same positions.
//!
//! * `log` is the store as a state machine: it gets the time, and returns what became visible.
//! * `topic` is one topic of it: events, head, and what is remembered of `once` keys.
//! * `batches` answers a repeated batch as it did the first time.
//! * `node` is one node's feed: filled in the store's order, emptied outside of the store's lock.
//! * `queue` is a [`RowQueue`](super::ledger::RowQueue) over rows in memory.
//! * `engine` puts them together; `faults` (feature `test-util`) makes them fail on purpose.

mod batches;
mod clock;
mod engine;
#[cfg(any(test, feature = "test-util"))]
mod faults;
mod log;
mod node;
mod queue;
mod store;
mod topic;

#[cfg(test)]
mod tests;

pub use batches::MAX_NODES;
pub use engine::MemoryEngine;
#[cfg(any(test, feature = "test-util"))]
pub use faults::{Faults, Mend, NodeFaults, Snapshot};
#[cfg(feature = "replicated")]
pub(super) use log::Log;
pub use log::{MAX_QUEUE_BYTES, MAX_TOPICS};
pub use node::{MAX_FEED_BYTES, MAX_FEED_ITEMS};
pub use store::MemoryStore;
pub use topic::{MAX_BYTES, MAX_ONCE_KEYS};
