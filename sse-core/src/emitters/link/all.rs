//! Events for all keys: one record in the store, which every node gives to the keys that it follows.
//!
//! It stands in the log of each key in its place. A log that is loaded later gets what the history still has of it.

use tokio::time::Instant;

use super::{
    super::{
        hub::{Hub, Key},
        topic::Topic,
        wake::wake_readers,
    },
    sink::skip_to,
    to::{keep, kept},
};
use crate::{
    backplane::{self, After, Change, Found, Position, Sink, Wanted},
    log::{Record, clock},
    sync::{Arc, Weak, plain},
};

/// What a node gives to all keys.
pub(super) struct AllSink<K: Key> {
    hub: Weak<Hub<K>>,
}

impl<K: Key> AllSink<K> {
    pub(super) fn new(hub: Weak<Hub<K>>) -> Self {
        Self { hub }
    }
}

impl<K: Key> Sink for AllSink<K> {
    fn is_for_all(&self) -> bool {
        true
    }

    fn wanted(&self, again: bool) -> Wanted {
        let Some(hub) = self.hub.upgrade() else {
            return Wanted { after: Position::ZERO, events: 0, bytes: 0 };
        };
        let keep = keep(hub.bounds());
        let newest = plain::lock(&hub.announcements).newest;
        let after = if again { newest } else { Position::ZERO };
        Wanted { after, events: keep.events, bytes: keep.bytes }
    }

    fn load(&self, found: Found, after: &mut After) {
        let Some(hub) = self.hub.upgrade() else { return };
        let Found { loaded, aside, again, .. } = found;
        let floor = match loaded.head {
            // Of what came up to the watermark nothing is missing, whatever the store has forgotten since.
            None if again && loaded.forgotten <= hub.watermark() => Position::ZERO,
            None => loaded.forgotten,
            Some(head) => loaded.records.first().map_or(head.newest, |oldest| oldest.previous),
        };
        let skipped = {
            let mut announcements = plain::lock(&hub.announcements);
            let skipped = floor > announcements.newest;
            if skipped {
                announcements.dropped = announcements.dropped.max(floor);
                announcements.newest = floor;
            }
            skipped
        };
        if skipped && again {
            hub.topics().iter().for_each(|topic| hub.skip_to(topic, floor, after));
        }
        for record in loaded.records.into_iter().chain(aside) {
            hub.announce(record, after);
        }
    }

    fn apply(&self, record: backplane::Record, after: &mut After) -> bool {
        self.hub.upgrade().is_some_and(|hub| hub.announce(record, after))
    }

    fn pause(&self) {}

    fn reset(&self, _: &mut After) {
        if let Some(hub) = self.hub.upgrade() {
            plain::lock(&hub.announcements).reset();
        }
    }

    fn unfollowed(&self) {}

    fn wake(&self) {
        let Some(hub) = self.hub.upgrade() else { return };
        hub.for_connected(|topic| {
            let readers = topic.log().snapshot();
            wake_readers(topic, readers);
        });
    }
}

impl<K: Key> Hub<K> {
    /// Everything up to here that went to all keys is gone, as far as it is not remembered.
    pub(super) fn dropped_for_all(&self) -> Position {
        plain::lock(&self.announcements).dropped
    }

    /// What went to all keys after `position`, as it comes to a log now.
    pub(super) fn sent_to_all_after(&self, position: Position) -> Vec<Record> {
        let announcements = plain::lock(&self.announcements);
        let later = announcements.records.iter().filter(|record| record.position > position);
        later.map(|record| Record { offset: clock::next(), ..record.clone() }).collect()
    }

    fn skip_to(&self, topic: &Topic<K>, position: Position, after: &mut After) {
        if let Some(link) = &topic.link {
            skip_to(topic, link, position, after);
        }
    }

    /// Gives a record to all keys whose logs are live; the others get it when they are loaded.
    fn announce(self: &Arc<Self>, record: backplane::Record, after: &mut After) -> bool {
        let Change::Event { body, .. } = record.change else { return false };
        let now = Instant::now();
        {
            let mut announcements = plain::lock(&self.announcements);
            if record.position <= announcements.newest {
                return false;
            }
            let Some(record) = self.record_of(record.position, body, now) else {
                announcements.newest = record.position;
                return false;
            };
            announcements.push(record, &kept(self.bounds()), now);
        }
        let Some(record) = plain::lock(&self.announcements).records.back().cloned() else {
            return false;
        };
        let live = |topic: &Arc<Topic<K>>| {
            let Some(link) = &topic.link else { return false };
            let mut state = plain::lock(&link.state);
            if state.live {
                state.announced = record.position;
            }
            state.live
        };
        for topic in self.topics().into_iter().filter(live) {
            let mut registry = self.shard_of(&topic);
            if topic.log().completed().is_some() {
                continue;
            }
            if topic.log().newest() < record.position {
                registry.append_old(&topic, record.clone(), self.bounds(), now);
                self.plan_sweep(&mut registry, now);
                continue;
            }
            drop(registry);
            // It was missed, and what came after it is there: too late for its place.
            self.skip_to(&topic, record.position, after);
        }
        let evicted = self.relieve_later(now);
        if !evicted.is_empty() {
            let hub = Arc::clone(self);
            after.then(move || hub.evict(&evicted));
        }
        true
    }
}
