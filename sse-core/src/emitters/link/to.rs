//! `LinkTo` and `Link`: what ties emitters to a node.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::disconnecting::Disconnecting;
use crate::{
    backplane::{Keep, MAX_RECORD_BYTES, Node, Owner, Shown, Topic, TopicTooLong, topics},
    log::{Bounds, History, Source},
    sync::Arc,
};

/// How many events the store keeps beyond the history, so that a gap can be told with its count.
const SPARE_EVENTS: usize = 16;
/// For how long the store keeps an event at least, however short the history: a client dials again within seconds.
const SPARE_AGE: Duration = Duration::from_secs(10);

type NameOf<K> = Arc<dyn Fn(&K) -> String + Send + Sync>;

/// Which backplane, and how keys are called there.
pub(in crate::emitters) struct LinkTo<K> {
    node: Node,
    name: String,
    key: NameOf<K>,
}

impl<K> LinkTo<K> {
    pub(in crate::emitters) fn new(node: &Node, name: &str, key: NameOf<K>) -> Self {
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
pub(in crate::emitters) struct Link<K> {
    to: LinkTo<K>,
    pub(super) owner: Owner,
    pub(super) disconnecting: Disconnecting,
}

/// No two emitters share a number.
static OWNERS: AtomicUsize = AtomicUsize::new(0);

impl<K> Link<K> {
    pub(in crate::emitters) fn new(to: LinkTo<K>) -> Self {
        let owner = OWNERS.fetch_add(1, Ordering::Relaxed);
        Self { to, owner, disconnecting: Disconnecting::default() }
    }

    pub(in crate::emitters) fn node(&self) -> &Node {
        &self.to.node
    }

    pub(in crate::emitters) fn shown(&self) -> &Shown {
        self.to.node.shown()
    }

    pub(in crate::emitters) fn source(&self) -> Source {
        Source::of(&**self.to.node.shown())
    }

    /// The topic of a key.
    pub(in crate::emitters) fn name(&self, key: &K) -> Result<Topic, TopicTooLong> {
        topics::of_key(&self.to.name, &(self.to.key)(key))
    }

    pub(super) fn name_of_all(&self) -> Result<Topic, TopicTooLong> {
        topics::of_all(&self.to.name)
    }
}

/// What the store is to keep of a topic.
pub(super) fn keep(bounds: &Bounds) -> Keep {
    let history = &bounds.history;
    Keep {
        events: history.events.saturating_add(SPARE_EVENTS),
        bytes: history.bytes.saturating_add(MAX_RECORD_BYTES),
        age: history.age.max(SPARE_AGE),
    }
}

/// What this node keeps of events for all keys.
pub(super) fn kept(bounds: &Bounds) -> History {
    let Keep { events, bytes, age } = keep(bounds);
    History::events(events).bytes(bytes).age(age)
}
