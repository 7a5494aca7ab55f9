//! `MemoryStore`: the store that several nodes share.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use super::{clock::Clock, log::Log, node::Node};
use crate::{
    backplane::{
        Answer, Batch, EngineError, Epoch, FeedItem, Loaded, Mark, Position, Record, Topic, Want,
        ledger::{MemoryRows, RowQueue},
    },
    sync::plain::{self, Mutex, MutexGuard},
};

/// A store in this process. Cheap to clone; gone with its last clone and engine.
///
/// It keeps at most [`MAX_TOPICS`](super::MAX_TOPICS) topics and [`MAX_BYTES`](super::MAX_BYTES) of bodies.
///
/// ```
/// # use sse_tower_core::backplane::{Engine, Feed, Position, memory::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sse_tower_core::backplane::EngineError> {
/// let store = MemoryStore::new();
/// let (a, b) = (store.engine(), store.engine()); // two nodes
/// let mark = a.start(Feed::new(|_| {})).await?;
/// assert_eq!(mark.position, Position::ZERO);
/// assert_eq!(b.start(Feed::new(|_| {})).await?, mark);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryStore(pub(super) Arc<Store>);

pub(super) struct Store {
    clock: Clock,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    pub(super) log: Log,
    /// How far the clock was set back.
    pub(super) back: Duration,
    /// Nodes that were started and not closed.
    nodes: BTreeMap<u64, Arc<Node>>,
    next_node: u64,
    followers: HashMap<Topic, Vec<u64>>,
}

impl MemoryStore {
    /// An empty store, with a random epoch and the wall clock as it is now.
    #[must_use]
    pub fn new() -> Self {
        Self::from_clock(Epoch::random(), Clock::wall())
    }

    /// An empty store of this epoch, at this time since 1970: the same calls give the same positions, whenever it is.
    #[must_use]
    pub fn fixed(epoch: Epoch, since_1970: Duration) -> Self {
        Self::from_clock(epoch, Clock::at(since_1970))
    }

    fn from_clock(epoch: Epoch, clock: Clock) -> Self {
        let inner = Inner {
            log: Log::new(epoch),
            back: Duration::ZERO,
            nodes: BTreeMap::new(),
            next_node: 0,
            followers: HashMap::new(),
        };
        Self(Arc::new(Store { clock, inner: Mutex::new(inner) }))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.0.lock().log.mark();
        f.debug_struct("MemoryStore").field("mark", &mark).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        plain::lock(&self.inner)
    }

    /// One more node.
    pub(super) fn node(&self) -> Arc<Node> {
        let mut inner = self.lock();
        inner.next_node += 1;
        Arc::new(Node::new(inner.next_node))
    }

    /// Locks the store, and reads its clock.
    fn timed(&self) -> (MutexGuard<'_, Inner>, u64) {
        let inner = self.lock();
        let now = self.clock.now(inner.back);
        (inner, now)
    }

    pub(super) fn start(&self, node: &Arc<Node>) -> Mark {
        let mut inner = self.lock();
        inner.nodes.insert(node.number, node.clone());
        inner.log.mark()
    }

    pub(super) fn append(&self, batch: &Batch) -> Result<Vec<Answer>, EngineError> {
        let (mut inner, now) = self.timed();
        let appended = inner.log.append(batch, now)?;
        let mut fed = inner.feed(appended.records);
        if appended.queued {
            fed = inner.ring();
        }
        drop(inner);
        for node in fed {
            node.drain();
        }
        Ok(appended.answers)
    }

    /// Does something with the queue; `rings` says whether there may be something to claim then.
    pub(super) fn queue<T>(
        &self,
        call: impl FnOnce(&mut RowQueue<'_, MemoryRows>) -> Result<T, EngineError>,
        rings: impl FnOnce(&T) -> bool,
    ) -> Result<T, EngineError> {
        let (mut inner, now) = self.timed();
        let result = call(&mut inner.log.queue(now))?;
        let rung = if rings(&result) { inner.ring() } else { Vec::new() };
        drop(inner);
        for node in rung {
            node.drain();
        }
        Ok(result)
    }

    pub(super) fn load(&self, wants: &[Want]) -> Vec<Loaded> {
        let (mut inner, now) = self.timed();
        inner.log.sweep(now);
        wants.iter().map(|want| inner.log.load(want)).collect()
    }

    pub(super) fn follow(&self, node: &Node, topics: Vec<Topic>) {
        let mut inner = self.lock();
        for topic in topics {
            let followers = inner.followers.entry(topic).or_default();
            if !followers.contains(&node.number) {
                followers.push(node.number);
            }
        }
    }

    pub(super) fn unfollow(&self, node: &Node, topics: &[Topic]) {
        let mut inner = self.lock();
        for topic in topics {
            let Some(followers) = inner.followers.get_mut(topic) else { continue };
            followers.retain(|number| *number != node.number);
            if followers.is_empty() {
                inner.followers.remove(topic);
            }
        }
    }

    pub(super) fn mark(&self, node: &Node) -> Mark {
        let (mut inner, now) = self.timed();
        inner.log.sweep(now);
        let mark = inner.log.mark();
        node.push(FeedItem::Mark(mark));
        drop(inner);
        node.drain();
        mark
    }

    pub(super) fn changed(&self, after: Position, limit: usize) -> Vec<(Topic, Position)> {
        self.lock().log.changed(after, limit)
    }

    pub(super) fn leave(&self, node: &Node) {
        let mut inner = self.lock();
        if inner.nodes.remove(&node.number).is_some() {
            inner.followers.retain(|_, followers| {
                followers.retain(|number| *number != node.number);
                !followers.is_empty()
            });
        }
    }
}

impl Inner {
    /// Gives each node what it follows, and says which have something now.
    fn feed(&self, records: Vec<Record>) -> Vec<Arc<Node>> {
        let mut shares = BTreeMap::<u64, Vec<Record>>::new();
        for record in records {
            for number in self.followers.get(&record.topic).into_iter().flatten() {
                shares.entry(*number).or_default().push(record.clone());
            }
        }
        let epoch = self.log.mark().epoch;
        let mut fed = Vec::with_capacity(shares.len());
        for (number, records) in shares {
            let Some(node) = self.nodes.get(&number) else { continue };
            node.push(FeedItem::Records { epoch, records });
            fed.push(node.clone());
        }
        fed
    }

    /// Tells every node that something may wait in the queue.
    fn ring(&self) -> Vec<Arc<Node>> {
        self.nodes().into_iter().inspect(|node| node.push(FeedItem::Bell)).collect()
    }

    /// The nodes that there are.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.values().cloned().collect()
    }
}
