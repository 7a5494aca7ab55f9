//! Which topics the node follows for the emitters, and from when to when.

use super::{
    super::{
        hub::{Hub, Key},
        topic::Topic,
    },
    all::AllSink,
    to::Link,
};
use crate::sync::Arc;

impl<K: Key> Hub<K> {
    /// Follows what is for all keys, from now on.
    pub(in crate::emitters) fn follow_all(self: &Arc<Self>, link: &Link<K>) {
        if let Ok(name) = link.name_of_all() {
            let sink = || Arc::new(AllSink::new(Arc::downgrade(self))) as _;
            link.node().shared().join(|joining| {
                joining.join(&name, link.owner, sink);
            });
        }
    }

    /// Stops following what is for all keys: nobody sends any more.
    pub(in crate::emitters) fn unfollow_all(&self, link: &Link<K>) {
        if let Ok(name) = link.name_of_all() {
            link.node().shared().leave(&name, link.owner);
        }
    }

    /// Notes that a connection has left this key.
    pub(in crate::emitters) fn left(&self, topic: &Topic<K>) {
        if let (Some(link), Some(of_topic)) = (&self.link, &topic.link) {
            link.node().shared().leave(&of_topic.name, link.owner);
        }
    }

    /// Stops following keys whose events were dropped for want of room.
    pub(in crate::emitters) fn evict(&self, evicted: &[Arc<Topic<K>>]) {
        for topic in evicted {
            if let (Some(link), Some(of_topic)) = (&self.link, &topic.link) {
                link.node().shared().evict(&of_topic.name, link.owner);
            }
        }
    }
}
