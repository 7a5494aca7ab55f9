//! One shard, and its lock.

use std::{
    ops::{Deref, DerefMut},
    sync::atomic::AtomicU64 as Shown,
};

use super::{super::topic::Topic, Registry};
use crate::{
    log::Position,
    sync::{Arc, AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, lock},
};

/// Nothing is that old.
pub(super) const NONE: u64 = u64::MAX;

/// One shard, with what is known of it without its lock. On cache lines of its own.
#[repr(align(128))]
pub(super) struct Shard<K> {
    registry: Mutex<Registry<K>>,
    /// Somebody holds the lock, and gives a position.
    pub(super) gives: AtomicBool,
    /// The newest position that was given here.
    pub(super) newest: AtomicU64,
    /// See [`Registry::oldest`]. Not seen by the model checker: whoever looks locks the shard and looks again.
    oldest: [Shown; 2],
}

impl<K> Shard<K> {
    pub(super) fn new(registry: Registry<K>, newest: Position) -> Self {
        Self {
            registry: Mutex::new(registry),
            gives: AtomicBool::new(false),
            newest: AtomicU64::new(newest.get()),
            oldest: [NONE, NONE].map(Shown::new),
        }
    }

    /// What was last shown, or [`NONE`].
    pub(super) fn oldest(&self, of: usize) -> u64 {
        self.oldest[of].load(Ordering::Relaxed)
    }

    #[inline]
    fn show_oldest(&self, registry: &Registry<K>) {
        for (shown, oldest) in self.oldest.iter().zip(registry.oldest()) {
            shown.store(oldest.unwrap_or(NONE), Ordering::Relaxed);
        }
    }
}

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

    /// Begins to give a position to something, which is brought to its log before this lock is released.
    pub(in crate::emitters) fn begin(&self) -> Turn<'a, K> {
        self.shard.gives.store(true, Ordering::Release);
        Turn { shard: self.shard }
    }
}

/// A thread that gives a position, under the lock of the shard. Until it is dropped, those wait who read several
/// logs.
#[must_use]
pub(in crate::emitters) struct Turn<'a, K> {
    shard: &'a Shard<K>,
}

impl<K> Turn<'_, K> {
    /// Notes that what has this position is in its log.
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
    #[inline]
    fn drop(&mut self) {
        self.shard.show_oldest(&self.registry);
        // The fields are dropped after this, the lock first.
        if !self.registry.dead.is_empty() {
            self.dead = std::mem::take(&mut self.registry.dead);
        }
    }
}
