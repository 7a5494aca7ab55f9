//! Emitters whose events go through a backplane.
//!
//! What is sent goes to the store, and what the store's feed brings back is appended to the same logs by the same code
//! as without one: nothing reaches a client that is not stored. Everything that a key has in common on all nodes is
//! decided by the store; here it is only applied.
//!
//! * `body` is an event as it travels.
//! * `sink` fills the log of a key, `all` those of all keys.
//! * `waiting` is a connection whose logs are not complete yet.
//! * `claims` is who has a key where one connection is allowed.
//! * `send` is what a call hands to the node.

mod all;
mod body;
mod claims;
mod send;
mod sink;
mod waiting;

use std::{
    collections::HashMap,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use self::{all::Announcements, claims::Claims};
pub(super) use self::{claims::replace, waiting::Gate};
use super::{
    hub::{Hub, Key},
    registry::Topic,
};
use crate::{
    backplane::{self, Keep, MAX_RECORD_BYTES, Node, Owner, Position, Shown, TopicTooLong, topics},
    emitter::Conn,
    log::{Bounds, Source},
    sync::{Arc, StdMutex, lock_std},
};

/// How many events the store keeps beyond the history, so that a gap can be told with its count.
const SPARE_EVENTS: usize = 16;
/// For how long the store keeps an event at least, however short the history: a client dials again within seconds.
const SPARE_AGE: Duration = Duration::from_secs(10);

type NameOf<K> = Arc<dyn Fn(&K) -> String + Send + Sync>;

/// Which backplane, and how keys are called there.
pub(super) struct LinkTo<K> {
    node: Node,
    name: String,
    key: NameOf<K>,
}

impl<K> LinkTo<K> {
    pub(super) fn new(node: &Node, name: &str, key: NameOf<K>) -> Self {
        Self { node: node.clone(), name: topics::escaped(name), key }
    }
}

impl<K> Clone for LinkTo<K> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), name: self.name.clone(), key: Arc::clone(&self.key) }
    }
}

impl<K> fmt::Debug for LinkTo<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backplane").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What ties emitters to a node.
pub(super) struct Link<K> {
    to: LinkTo<K>,
    owner: Owner,
    /// What went to all keys, as far as the history keeps it.
    announcements: StdMutex<Announcements>,
}

/// No two emitters share a number.
static OWNERS: AtomicUsize = AtomicUsize::new(0);

impl<K: Key> Link<K> {
    pub(super) fn new(to: LinkTo<K>) -> Self {
        let owner = OWNERS.fetch_add(1, Ordering::Relaxed);
        Self { to, owner, announcements: StdMutex::default() }
    }

    pub(super) fn node(&self) -> &Node {
        &self.to.node
    }

    pub(super) fn shown(&self) -> &Shown {
        self.to.node.shown()
    }

    pub(super) fn source(&self) -> Source {
        Source::of(&**self.to.node.shown())
    }

    /// The topic of a key.
    pub(super) fn name(&self, key: &K) -> Result<backplane::Topic, TopicTooLong> {
        topics::of_key(&self.to.name, &(self.to.key)(key))
    }

    fn name_of_all(&self) -> Result<backplane::Topic, TopicTooLong> {
        topics::of_all(&self.to.name)
    }
}

/// What the store is to keep of a topic.
fn keep(bounds: &Bounds) -> Keep {
    let history = &bounds.history;
    Keep {
        events: history.events.saturating_add(SPARE_EVENTS),
        bytes: history.bytes.saturating_add(MAX_RECORD_BYTES),
        age: history.age.max(SPARE_AGE),
    }
}

/// What a key has that is on a backplane. Its locks are the innermost.
pub(super) struct TopicLink {
    pub(super) name: backplane::Topic,
    state: StdMutex<LinkState>,
    claims: StdMutex<Claims>,
}

#[derive(Default)]
struct LinkState {
    /// Its log is complete up to the watermark.
    live: bool,
    /// The newest event of this key itself that its log ever had.
    newest: Position,
    /// The newest disconnect that was carried out.
    disconnected: Position,
    /// Connections that wait, by where they are in memory, with the newest position that was known when they came.
    waiting: HashMap<usize, Position>,
}

impl TopicLink {
    pub(super) fn new(name: backplane::Topic) -> Self {
        Self { name, state: StdMutex::default(), claims: StdMutex::default() }
    }

    /// Is this connection one that waits? What happens to its key it learns when it is planned.
    pub(super) fn is_waiting(&self, conn: &Arc<Conn>) -> bool {
        lock_std(&self.state).waiting.contains_key(&address(conn))
    }

    fn wait(&self, conn: &Arc<Conn>, known: Position) {
        lock_std(&self.state).waiting.insert(address(conn), known);
    }

    /// Says what the connection is known to have come after, if it has waited.
    fn stop_waiting(&self, conn: usize) -> Option<Position> {
        lock_std(&self.state).waiting.remove(&conn)
    }
}

fn address(conn: &Arc<Conn>) -> usize {
    Arc::as_ptr(conn).addr()
}

impl<K: Key> Hub<K> {
    /// Follows what is for all keys, from now on.
    pub(super) fn follow_all(self: &Arc<Self>, link: &Link<K>) {
        if let Ok(name) = link.name_of_all() {
            let sink = || Arc::new(all::AllSink::new(Arc::downgrade(self))) as _;
            link.node().shared().join(|joining| {
                joining.join(&name, link.owner, sink);
            });
        }
    }

    /// Nobody sends any more, and nothing for all keys is wanted.
    pub(super) fn unfollow_all(&self, link: &Link<K>) {
        if let Ok(name) = link.name_of_all() {
            link.node().shared().leave(&name, link.owner);
        }
    }

    /// A connection has left this key.
    pub(super) fn left(&self, topic: &Topic<K>) {
        if let (Some(link), Some(of_topic)) = (&self.link, &topic.link) {
            link.node().shared().leave(&of_topic.name, link.owner);
        }
    }

    /// What was dropped for want of room is not worth following any more.
    pub(super) fn evict(&self, evicted: &[Arc<Topic<K>>]) {
        for topic in evicted {
            if let (Some(link), Some(of_topic)) = (&self.link, &topic.link) {
                link.node().shared().evict(&of_topic.name, link.owner);
            }
        }
    }
}
