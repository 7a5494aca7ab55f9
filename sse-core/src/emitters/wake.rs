//! Waking the readers of a log. A few are woken by whoever publishes; many by a task, so that
//! nobody waits for it.

use super::registry::Topic;
use crate::{
    emitter::{Conn, SHARED},
    log::Snapshot,
    sync::{Arc, lock},
};

/// How many readers whoever publishes wakes himself, and how many the task wakes before others have
/// their turn; in blocks of the list of readers.
const BLOCKS: usize = 4;

/// Wakes the readers of a log to which something was appended: now, or soon.
pub(super) fn wake_readers<K: Send + Sync + 'static>(
    topic: &Arc<Topic<K>>,
    readers: Snapshot<Conn>,
) {
    if readers.blocks() <= BLOCKS {
        return wake(readers.iter());
    }
    // Without a runtime, as under the model checker, there is no task to leave it to.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        if lock(&topic.log).begin_wake() {
            let slices = Slices { topic: Arc::clone(topic), readers: Some(readers), next: 0 };
            runtime.spawn(slices.run());
        }
        return;
    }
    wake(readers.iter());
}

fn wake<'a>(readers: impl Iterator<Item = &'a Arc<Conn>>) {
    for conn in readers {
        conn.notify(SHARED);
    }
}

/// Readers that are woken slice by slice. Dropped before its end, as by a runtime that stops, it
/// wakes the others at once.
struct Slices<K> {
    topic: Arc<Topic<K>>,
    /// `None` when all are woken.
    readers: Option<Snapshot<Conn>>,
    /// The block that is woken next.
    next: usize,
}

impl<K> Slices<K> {
    async fn run(mut self) {
        while self.step() {
            tokio::task::yield_now().await;
        }
    }

    /// Wakes some. `false` if nobody is left.
    fn step(&mut self) -> bool {
        let Some(readers) = &self.readers else { return false };
        for block in self.next..self.next + BLOCKS {
            wake(readers.block(block));
        }
        self.next += BLOCKS;
        if self.next >= readers.blocks() {
            self.readers = lock(&self.topic.log).finish_wake();
            self.next = 0;
        }
        self.readers.is_some()
    }
}

impl<K> Drop for Slices<K> {
    fn drop(&mut self) {
        while self.step() {}
    }
}
