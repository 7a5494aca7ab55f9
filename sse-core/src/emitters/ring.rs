//! Waking the readers of a log. A few are woken by whoever publishes; many by a task, so that
//! nobody waits for it.

use super::{log::Walk, registry::Topic};
use crate::{
    emitter::{Conn, SHARED},
    sync::{Arc, lock},
};

/// How many readers whoever publishes wakes himself, and how many the task wakes before others have
/// their turn; in blocks of the list of members.
const BLOCKS: usize = 4;

/// Wakes the readers of a log to which something was appended: now, or soon.
pub(super) fn ring<K: Send + Sync + 'static>(topic: &Arc<Topic<K>>, walk: Walk<Conn>) {
    if walk.blocks() <= BLOCKS {
        return wake(walk.iter());
    }
    #[cfg(not(sse_loom))]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        if lock(&topic.log).ring() {
            let ring = Ring { topic: Arc::clone(topic), walk: Some(walk), next: 0 };
            runtime.spawn(ring.run());
        }
        return;
    }
    wake(walk.iter());
}

fn wake<'a>(members: impl Iterator<Item = &'a Arc<Conn>>) {
    for conn in members {
        conn.notify(SHARED);
    }
}

/// A walk that is under way. Dropped before its end, as by a runtime that stops, it ends at once.
struct Ring<K> {
    topic: Arc<Topic<K>>,
    /// `None` when all are woken.
    walk: Option<Walk<Conn>>,
    /// The block that is woken next.
    next: usize,
}

impl<K> Ring<K> {
    async fn run(mut self) {
        while self.step() {
            tokio::task::yield_now().await;
        }
    }

    /// Wakes some. `false` if nobody is left.
    fn step(&mut self) -> bool {
        let Some(walk) = &self.walk else { return false };
        for block in self.next..self.next + BLOCKS {
            wake(walk.block(block));
        }
        self.next += BLOCKS;
        if self.next >= walk.blocks() {
            self.walk = lock(&self.topic.log).rang();
            self.next = 0;
        }
        self.walk.is_some()
    }
}

impl<K> Drop for Ring<K> {
    fn drop(&mut self) {
        while self.step() {}
    }
}
