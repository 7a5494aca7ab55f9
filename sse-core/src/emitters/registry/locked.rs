//! The lock of one shard.

use std::ops::{Deref, DerefMut};

use super::{super::topic::Topic, Registry, shards::Shard};
use crate::{
    log::Position,
    sync::{Arc, MutexGuard, Ordering, lock},
};

/// One shard, locked. What it lets go of is dropped once it is unlocked.
pub(in crate::emitters) struct Locked<'a, K> {
    shard: &'a Shard<K>,
    registry: MutexGuard<'a, Registry<K>>,
    dead: Vec<Arc<Topic<K>>>,
}

impl<'a, K> Locked<'a, K> {
    pub(super) fn lock(shard: &'a Shard<K>) -> Self {
        Self { shard, registry: lock(&shard.registry), dead: Vec::new() }
    }

    /// A position is given to something now, and it is brought to its log before this lock is let go of.
    pub(in crate::emitters) fn begin(&self) -> Turn<'a, K> {
        self.shard.gives.store(true, Ordering::Release);
        Turn { shard: self.shard }
    }
}

/// Somebody who gives a position, under the lock of the shard. Until it is dropped those wait who read several logs.
#[must_use]
pub(in crate::emitters) struct Turn<'a, K> {
    shard: &'a Shard<K>,
}

impl<K> Turn<'_, K> {
    /// This is in its log by now.
    pub(in crate::emitters) fn stands_at(self, position: Position) {
        self.shard.newest.store(position.get(), Ordering::Release);
    }
}

impl<K> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        self.shard.gives.store(false, Ordering::Release);
    }
}

impl<K> Deref for Locked<'_, K> {
    type Target = Registry<K>;

    fn deref(&self) -> &Registry<K> {
        &self.registry
    }
}

impl<K> DerefMut for Locked<'_, K> {
    fn deref_mut(&mut self) -> &mut Registry<K> {
        &mut self.registry
    }
}

impl<K> Drop for Locked<'_, K> {
    fn drop(&mut self) {
        self.shard.show_oldest(&self.registry);
        // The fields are dropped after this, the lock first.
        if !self.registry.dead.is_empty() {
            self.dead = std::mem::take(&mut self.registry.dead);
        }
    }
}
