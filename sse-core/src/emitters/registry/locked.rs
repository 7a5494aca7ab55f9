//! The registry's lock.

use std::ops::{Deref, DerefMut};

use super::{super::topic::Topic, Registry};
use crate::sync::{Arc, Mutex, MutexGuard, lock};

/// The registry, locked. What it lets go of is dropped once it is unlocked.
pub(in crate::emitters) struct Locked<'a, K> {
    registry: MutexGuard<'a, Registry<K>>,
    dead: Vec<Arc<Topic<K>>>,
}

impl<'a, K> Locked<'a, K> {
    pub(in crate::emitters) fn lock(registry: &'a Mutex<Registry<K>>) -> Self {
        Self { registry: lock(registry), dead: Vec::new() }
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
        // The fields are dropped after this, the lock first.
        if !self.registry.dead.is_empty() {
            self.dead = std::mem::take(&mut self.registry.dead);
        }
    }
}
