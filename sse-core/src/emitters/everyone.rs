//! Events for all keys, in one process.
//!
//! Each key with connections gets such an event at once. A key without any would have to be touched for nobody in
//! particular; so it takes what it lacks from the one log of all of them when somebody comes, each in its place.

use tokio::time::Instant;

use super::{
    hub::{Hub, Key},
    registry::Registry,
    topic::Topic,
};
use crate::{
    log::Position,
    sync::{Arc, Ordering, plain},
};

impl<K: Key> Hub<K> {
    /// Whether this key lacks something that went to all.
    fn is_behind(&self, topic: &Topic<K>) -> bool {
        let newest = plain::lock(&self.announcements).newest;
        newest.get() > topic.announced.load(Ordering::Acquire)
    }

    /// Gives these keys what they lack of what went to all, before it is decided where a new connection begins.
    pub(super) fn catch_up<'a>(&self, topics: impl Iterator<Item = &'a Arc<Topic<K>>>) {
        for topic in topics.filter(|topic| self.is_behind(topic)) {
            let mut registry = self.shard_of(topic);
            self.catch_up_one(&mut registry, topic, Instant::now());
        }
    }

    /// [`catch_up`](Self::catch_up) for one key, under the lock of its shard.
    pub(super) fn catch_up_one(
        &self,
        registry: &mut Registry<K>,
        topic: &Arc<Topic<K>>,
        now: Instant,
    ) {
        if !self.is_behind(topic) {
            return;
        }
        let end = {
            let log = topic.log();
            // Whoever is there got what is for him; and nothing comes after the end.
            (log.readers() == 0).then(|| log.completed().unwrap_or(Position::LAST))
        };
        let Some(end) = end else { return };
        let mut announcements = plain::lock(&self.announcements);
        announcements.trim(&self.bounds().history, now);
        let known = Position::new(topic.announced.load(Ordering::Acquire));
        topic.announced.store(announcements.newest.get(), Ordering::Release);
        let dropped = announcements.dropped;
        if known < dropped && dropped < end {
            topic.log().lost_up_to(dropped);
        }
        let missing = announcements.records.iter();
        for record in missing.filter(|record| known < record.position && record.position < end) {
            registry.insert(topic, record.clone(), self.bounds());
        }
        registry.trim(topic, self.bounds(), now);
    }

    /// Whether there was ever something for all.
    pub(super) fn has_announced(&self) -> bool {
        plain::lock(&self.announcements).newest > Position::ZERO
    }

    /// A key that is forgotten does not get again what went to all before.
    pub(super) fn forget_announcements(&self, topic: &Topic<K>) {
        let newest = plain::lock(&self.announcements).newest;
        topic.announced.store(newest.get(), Ordering::Release);
    }
}
