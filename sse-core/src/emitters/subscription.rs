//! A seat at a log, whatever the type of its key.

use tokio::time::Instant;

use super::{
    feed::{Feed, Read},
    history::Lag,
    hub::{Hub, Key},
    log::{Overtaken, Record},
    registry::Topic,
};
use crate::{
    EventId,
    sync::{Arc, Ordering, lock},
};

/// One connection's seat at one log.
pub(super) struct Subscription<K: Key> {
    pub(super) hub: Arc<Hub<K>>,
    pub(super) topic: Arc<Topic<K>>,
    pub(super) seat: usize,
    /// The offset that its reader began after.
    pub(super) start: u64,
}

impl<K: Key> Feed for Subscription<K> {
    fn read(&mut self, until: u64, quiet: &dyn Fn() -> bool) -> Read {
        let mut log = lock(&self.topic.log);
        if !quiet() || log.is_overtaken(self.seat) {
            return Read::Careful;
        }
        log.read(self.seat, until).map_or(Read::Nothing, Read::Piece)
    }

    fn overtaken(&mut self) -> Option<Overtaken> {
        lock(&self.topic.log).overtaken(self.seat)
    }

    fn peek(&mut self, until: u64, budget: usize) -> (Vec<Record>, bool) {
        lock(&self.topic.log).peek(self.seat, until, budget)
    }

    fn advance_past(&mut self, offset: u64) {
        lock(&self.topic.log).advance_past(self.seat, offset);
    }

    fn newest_by_name(&mut self, until: u64) -> (Vec<Record>, u64) {
        lock(&self.topic.log).newest_by_name(self.seat, until)
    }

    fn source(&self) -> usize {
        std::ptr::from_ref(&*self.hub).addr()
    }

    fn cut(&self) -> u64 {
        self.hub.head.load(Ordering::Acquire)
    }

    fn settle(&self) {
        // Offsets are given and appended under this lock.
        drop(lock(&self.hub.registry));
    }

    fn start(&self) -> u64 {
        self.start
    }

    fn mark(&self, id: &EventId, offset: u64) {
        lock(&self.hub.marks).mark(&self.topic.key, id, offset);
    }

    fn lag(&self) -> Lag {
        self.hub.config.lag
    }
}

impl<K: Key> Drop for Subscription<K> {
    fn drop(&mut self) {
        let mut registry = lock(&self.hub.registry);
        let now = Instant::now();
        registry.leave(&self.topic, self.seat, self.hub.bounds(), now);
        self.hub.plan_sweep(&registry, now);
    }
}
