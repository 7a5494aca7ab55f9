//! Waking the readers of a log. A few are woken by whoever publishes; many in slices, so that nobody
//! waits for it.
//!
//! Where that happens must not matter to the readers. So the walk is kept with the log, and whoever
//! comes takes the next slice: a task of the publisher's runtime as a rule, and the
//! [last resort](crate::backstop) where that makes no progress, because its runtime has ended, is not
//! driven any more, or is blocked by the publisher.

use std::time::Duration;

use super::topic::Topic;
use crate::{
    backstop::{self, Watched},
    emitter::{Conn, SHARED},
    log::Snapshot,
    sync::Arc,
};

/// How many readers whoever publishes wakes himself, and how many the task wakes before others have
/// their turn; in blocks of the list of readers.
const BLOCKS: usize = 4;

/// For how long a walk may stand still before the last resort ends it.
const PATIENCE: Duration = Duration::from_millis(20);

/// Wakes the readers of a log to which something was appended: now, or soon.
pub(super) fn wake_readers<K: Send + Sync + 'static>(
    topic: &Arc<Topic<K>>,
    readers: Snapshot<Conn>,
) {
    if readers.blocks() <= BLOCKS {
        return wake_all(&readers);
    }
    // Without a runtime, as under the model checker, there is no task to leave it to.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return wake_all(&readers);
    };
    let begun = topic.log().begin_wake(readers);
    if begun.to_watch {
        let topic: Arc<dyn Watched> = Arc::clone(topic) as _;
        backstop::watch(Arc::downgrade(&topic), PATIENCE);
    }
    if begun.to_walk {
        runtime.spawn(WakeTask { topic: Arc::clone(topic) }.run());
    }
}

fn wake_all(readers: &Snapshot<Conn>) {
    readers.for_each(|conn| {
        conn.notify(SHARED);
    });
}

/// Wakes the next slice. `false` if nobody is left.
fn step<K>(topic: &Topic<K>) -> bool {
    let Some((readers, blocks)) = topic.log().next_to_wake(BLOCKS) else { return false };
    for block in blocks {
        readers.for_block(block, |conn| {
            conn.notify(SHARED);
        });
    }
    true
}

/// Readers that are woken slice by slice. Dropped before its end, as by a runtime that stops, it
/// wakes the others at once.
struct WakeTask<K> {
    topic: Arc<Topic<K>>,
}

impl<K> WakeTask<K> {
    async fn run(self) {
        while step(&self.topic) {
            tokio::task::yield_now().await;
        }
    }
}

impl<K> Drop for WakeTask<K> {
    fn drop(&mut self) {
        while step(&self.topic) {}
    }
}

impl<K: Send + Sync + 'static> Watched for Topic<K> {
    fn look(&self) -> Option<Duration> {
        let stands_still = self.log().look_at_walk()?;
        while stands_still && step(self) {}
        Some(PATIENCE)
    }
}
