//! `RedbStore`: what the nodes of this process share.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use sse_tower_core::backplane::{EngineError, Epoch, ledger::RowLog};
use tokio::sync::oneshot;

use super::{
    feeds::Feeds,
    file::File,
    limits::LIMITS,
    writer::{Writer, now},
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
}

impl Store {
    /// The number of one more node.
    pub(super) fn next_node(&self) -> u64 {
        self.nodes.fetch_add(1, Ordering::Relaxed)
    }

    /// For the last owner of the store: a receiver that resolves when the file is free.
    pub(super) fn into_ended(self) -> Option<oneshot::Receiver<()>> {
        self.ended.into_inner()
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}
