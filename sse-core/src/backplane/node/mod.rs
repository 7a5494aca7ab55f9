//! `Node`: one process's place at a store. It decides, where an [`Engine`] only does.
//!
//! ```text
//! emitters ──▶ outgoing ──▶ sender ──▶ Engine::append
//! emitters ◀── sink ◀── table ◀── Feed            table ──▶ driver ──▶ follow, load, mark
//! ```
//!
//! * `outgoing` is what waits to be stored, `sender` the task that stores it.
//! * `table` is which topics are followed and how complete they are; `driver` asks the store for them.
//! * `pause` is the time between attempts.
//! * `pulse` asks every 2 s how far the store is, and whether the feed can still hear; `timer` has what is due.
//! * `sink` is how the logs look from here. A node does not know of keys, connections or frames.
//!
//! Its tasks are on the runtime in which it was opened, or on a thread of its own where there was none; who calls it
//! may be anywhere.
//!
//! Lock order: a node, the registry of some emitters, a log. No call to an engine is made under a lock.

mod bell;
mod driver;
mod error;
mod health;
#[cfg(all(test, sse_loom))]
mod model;
mod options;
mod outgoing;
mod pause;
mod pulse;
mod sender;
mod shared;
mod shown;
mod sink;
mod start;
mod table;

use std::fmt;

use tokio::sync::watch;

#[cfg(feature = "test-util")]
#[doc(hidden)]
pub use self::options::Mutant;
#[cfg(feature = "json")]
pub(crate) use self::options::is_mutant;
pub(crate) use self::{
    bell::Bell,
    shared::{Joined, Joining},
    shown::Shown,
    sink::{After, Found, Sink, Waiter, Wanted},
    table::Owner,
};
pub use self::{
    error::BackplaneError,
    health::{DOWN_AFTER, Health},
    options::{DEFAULT_DEADLINE, NodeOptions},
    outgoing::{MAX_QUEUED_BYTES, MAX_QUEUED_CHANGES},
    table::{LINGER, MAX_LINGERING, MAX_WAIT},
};
use self::{outgoing::Done, shared::Shared};
use super::{Engine, EngineError, Entry};
use crate::{boxed::spawn, sync::Arc};

/// One process's place at a store. Programs have a `Backplane`, which is one.
///
/// Cheap to clone. It ends with [`close`](Self::close), or with its last clone, and whatever holds one: then what
/// is queued is written for as long as a send's deadline, in the background.
///
/// ```
/// # use sse_tower_core::{backplane::{MemoryStore, Node, NodeOptions}, Emitters};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let node = Node::open(store.engine(), NodeOptions::default()).await?;
/// let orders: Emitters<u64> = Emitters::builder().backplane(&node, "orders").build();
/// orders.send(&7, "packed").await?;
/// node.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Node {
    guard: Arc<Guard>,
}

struct Guard {
    shared: Arc<Shared>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(runtime) = self.shared.runtime() {
            let shared = Arc::clone(&self.shared);
            spawn(runtime, async move { shared.close().await });
        }
    }
}

impl Node {
    /// Connects to the store, and is ready when it has answered.
    ///
    /// # Errors
    /// What the engine says. Nothing is left running then.
    ///
    /// # Cancel safety
    /// Dropping this closes the engine.
    pub async fn open(engine: impl Engine, options: NodeOptions) -> Result<Self, EngineError> {
        let node = Self::new(engine, options);
        match node.shared().started().await {
            Ok(()) => Ok(node),
            Err(error) => {
                node.shared().close().await;
                Err(error)
            }
        }
    }

    /// Connects to the store in the background, for as long as it takes. A store that is there at once, as one in memory
    /// is, is connected when this returns.
    #[must_use]
    pub fn new(engine: impl Engine, options: NodeOptions) -> Self {
        Self { guard: Arc::new(Guard { shared: start::start(Arc::new(engine), options) }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.guard.shared
    }

    /// Whether it can use its store, now and from now on.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared().health()
    }

    /// How durable the store is, in one sentence.
    #[must_use]
    pub fn durability(&self) -> &'static str {
        self.shared().engine().durability()
    }

    /// Waits until everything that was queued before this call is stored, or was answered with an error.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn flush(&self) {
        self.shared().flush().await;
    }

    /// Writes what is queued, for as long as a send's deadline, then ends: sends are answered with
    /// [`BackplaneError::Closed`] from now on, and nothing comes any more. Streams stay as they are.
    ///
    /// # Cancel safety
    /// Once it was polled it is carried out.
    pub async fn close(&self) {
        if let Some(runtime) = self.shared().runtime() {
            let shared = Arc::clone(self.shared());
            // A runtime that stops meanwhile has ended everything.
            let _ = spawn(runtime, async move { shared.close().await }).await;
        }
    }

    /// Queues a change. It is handed over in the order of these calls.
    pub(crate) fn store(&self, entry: Entry, waits: bool, done: Done) {
        self.shared().store(entry, waits, done);
    }

    /// How far it is.
    pub(crate) fn shown(&self) -> &Arc<Shown> {
        self.shared().shown()
    }
}

/// A node is at itself, so that what takes a `Backplane` takes one too.
impl AsRef<Self> for Node {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.shared().id())
            .field("health", &*self.health().borrow())
            .field("watermark", &self.shown().watermark())
            .field("topics", &self.shared().with(|table, _, _| table.summary()))
            .finish_non_exhaustive()
    }
}

/// Names of topics: what is for one key, and what is for all keys of some emitters.
pub(crate) mod topics {
    use super::super::{Topic, TopicTooLong};

    /// The name as it stands in topics: no `/` of its own.
    pub(crate) fn escaped(name: &str) -> String {
        name.replace('%', "%25").replace('/', "%2F")
    }

    /// The topic of everything that is for all keys.
    pub(crate) fn of_all(escaped: &str) -> Result<Topic, TopicTooLong> {
        Topic::new(escaped)
    }

    /// The topic of one key.
    pub(crate) fn of_key(escaped: &str, key: &str) -> Result<Topic, TopicTooLong> {
        let mut name = String::with_capacity(escaped.len() + 1 + key.len());
        name.push_str(escaped);
        name.push('/');
        name.push_str(key);
        Topic::new(name)
    }
}
