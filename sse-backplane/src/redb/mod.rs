//! The engine `redb:`: a file, for one process whose history and durable events survive its restarts.
//!
//! What a program stores is on the disk when it is said to be stored: kill -9 and a power cut lose nothing of it. A
//! file belongs to one process at a time; several contexts of that process share it through one [`RedbStore`]. The
//! file grows to what retention keeps, with room for what is being replaced, and does not shrink.
//!
//! * `file` opens the file and has its rows, over which the core's
//!   [`ledger`](sse_tower_core::backplane::ledger) is log and queue.
//! * `writer` is the thread that writes: it takes whatever waits, commits once, and answers all.
//! * `feeds` are the nodes of this process and what they follow.
//! * `engine` and `queue` are one node.

mod engine;
mod feeds;
mod file;
mod limits;
mod queue;
mod store;
mod writer;

use std::path::Path;

use sse_tower_core::backplane::EngineError;

pub use engine::RedbEngine;
pub use limits::{MAX_BYTES, MAX_NODES, MAX_ONCE_KEYS, MAX_QUEUE_BYTES, MAX_TOPICS};
pub use store::RedbStore;
pub use writer::{MAX_GROUP, MAX_WAITING};

/// Opens a file, or makes it, for one node. Several namespaces may be in one file, one of them at a time.
///
/// Reads and writes the file before it returns: after a crash it is repaired, which takes longer the larger it is.
///
/// # Errors
/// `Refused`, with what to do about it: another process has the file, it is something else than such a file, or it
/// cannot be made there.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("events.redb");
/// let engine = sse_tower_backplane::redb::open(&path, "shop")?;
/// let twice = sse_tower_backplane::redb::open(&path, "shop").unwrap_err();
/// assert!(twice.to_string().contains("one process at a time"));
/// # drop(engine);
/// # Ok(())
/// # }
/// ```
pub fn open(path: impl AsRef<Path>, namespace: &str) -> Result<RedbEngine, EngineError> {
    Ok(RedbStore::open(path, namespace)?.engine())
}
