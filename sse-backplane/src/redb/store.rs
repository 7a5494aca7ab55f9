//! What the nodes of this process share.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sse_tower_core::backplane::{
    EngineError, Epoch,
    ledger::{Limits, RowLog},
};
use tokio::sync::oneshot;

use super::{
    engine::RedbEngine,
    feeds::Feeds,
    file::File,
    writer::{Writer, now},
};

/// So many topics are known; then those whose time comes next are forgotten, as if it were over.
pub const MAX_TOPICS: u64 = 1_048_576;

/// So many bytes of events are kept in the log, 8 GiB; beyond it as with topics.
pub const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;

/// So many bytes of events wait in the queue, 2 GiB; then the oldest expire.
pub const MAX_QUEUE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Of so many nodes the newest batch is remembered.
pub const MAX_NODES: u64 = 4_096;

/// So many `once` keys of events that left its log are remembered for one topic, the newest.
pub const MAX_ONCE_KEYS: u64 = 65_536;

pub(super) const LIMITS: Limits = Limits {
    topics: MAX_TOPICS,
    bytes: MAX_BYTES,
    queue_bytes: MAX_QUEUE_BYTES,
    nodes: MAX_NODES,
    once_keys: MAX_ONCE_KEYS,
};

/// An open file. Cheap to clone; the file is free for others when every clone and every engine of it is closed or dropped.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("events.redb");
/// let store = sse_tower_backplane::redb::RedbStore::open(&path, "shop")?;
/// let (a, b) = (store.engine(), store.engine()); // two contexts of this process
/// # drop((a, b));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedbStore(pub(super) Arc<Store>);

pub(super) struct Store {
    pub(super) file: Arc<File>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) writer: Writer,
    nodes: AtomicU64,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl RedbStore {
    /// Opens a file, or makes it. What nodes held in its queue when its last process ended is lost, counted, and due.
    ///
    /// # Errors
    /// See [`open`](super::open()).
    pub fn open(path: impl AsRef<Path>, namespace: &str) -> Result<Self, EngineError> {
        let file = Arc::new(File::open(path.as_ref(), namespace)?);
        file.write(|rows| {
            let mut log = RowLog::open(rows, now(), Epoch::random(), LIMITS)?;
            log.queue().lose_all()?;
            log.finish()
        })?;
        let feeds = Arc::<Feeds>::default();
        let (writer, ended) = Writer::begin(file.clone(), feeds.clone())?;
        let (nodes, ended) = (AtomicU64::new(0), Mutex::new(Some(ended)));
        Ok(Self(Arc::new(Store { file, feeds, writer, nodes, ended })))
    }

    /// One more node's engine.
    #[must_use]
    pub fn engine(&self) -> RedbEngine {
        let node = self.0.nodes.fetch_add(1, Ordering::Relaxed);
        RedbEngine::new(self.0.clone(), node)
    }
}

impl Store {
    /// For whoever is the last: hears when the file is free.
    pub(super) fn into_ended(self) -> Option<oneshot::Receiver<()>> {
        self.ended.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}
