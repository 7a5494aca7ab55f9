//! The bounds of one file.

use sse_tower_core::backplane::ledger::Limits;

/// How many topics are known; beyond that those whose time comes next are forgotten, as if it were over.
pub const MAX_TOPICS: u64 = 1_048_576;

/// How many bytes of events are kept in the log, 8 GiB; beyond that topics are forgotten, as with [`MAX_TOPICS`].
pub const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// How many bytes of events wait in the queue, 2 GiB; beyond that the oldest expire.
pub const MAX_QUEUE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Of how many nodes the newest batch is remembered.
pub const MAX_NODES: u64 = 4_096;

/// How many `once` keys of events that left its log are remembered for one topic: the newest.
pub const MAX_ONCE_KEYS: u64 = 65_536;

pub(super) const LIMITS: Limits = Limits {
    topics: MAX_TOPICS,
    bytes: MAX_BYTES,
    queue_bytes: MAX_QUEUE_BYTES,
    nodes: MAX_NODES,
    once_keys: MAX_ONCE_KEYS,
};
