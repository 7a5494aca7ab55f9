//! What is counted of all shards together, without a lock.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::MEMORY_KEYS;
use crate::log::{Bounds, Change};

/// By how many keys more are remembered before the oldest are forgotten.
const SLACK: usize = 64;

/// What all logs of one `Emitters` have and take. Counts alone: nobody learns from them what another thread has
/// done, so the model checker need not see them.
#[derive(Debug, Default)]
pub(super) struct Totals {
    events: AtomicUsize,
    /// The records of all logs.
    bytes: AtomicUsize,
    /// What is taken beside records: where dropped events stood, snapshots.
    beside: AtomicUsize,
    connections: AtomicUsize,
    /// Keys with connections.
    connected: AtomicUsize,
    /// Entries for keys that only remember where they ended.
    idle: AtomicUsize,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Events,
    Keys,
}

impl Totals {
    pub(super) fn events(&self) -> usize {
        self.events.load(Relaxed)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// What all that is kept for nobody in particular takes: events, and the keys that nobody is connected to, of which
    /// one costs `each`.
    pub(super) fn used(&self, keys: usize, each: usize) -> usize {
        let quiet = keys.saturating_sub(self.connected.load(Relaxed));
        let bytes = self.bytes.load(Relaxed).saturating_add(self.beside.load(Relaxed));
        bytes.saturating_add(quiet.saturating_mul(each))
    }

    #[cfg(test)]
    pub(super) fn used_by_records(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Is there too much, and of what?
    pub(super) fn excess(&self, bounds: &Bounds, keys: usize, each: usize) -> Option<Excess> {
        let idle = self.idle.load(Relaxed);
        if idle > MEMORY_KEYS + SLACK {
            return Some(Excess::Keys);
        }
        if self.events() > bounds.total_events {
            return Some(Excess::Events);
        }
        if self.used(keys, each) <= bounds.total_bytes {
            return None;
        }
        // Do keys that only remember where they ended take more than events?
        let remembers_too_much = idle.saturating_mul(each) > self.bytes.load(Relaxed);
        Some(if remembers_too_much { Excess::Keys } else { Excess::Events })
    }

    /// A log shrank or grew. One that is full does neither, and then nothing is touched that all share.
    pub(super) fn count(&self, change: Change) {
        let events = change.added_events.wrapping_sub(change.dropped_events);
        if events != 0 {
            self.events.fetch_add(events, Relaxed);
        }
        let bytes = change.added_bytes.wrapping_sub(change.dropped_bytes);
        if bytes != 0 {
            self.bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// What something takes beside records: before, and now.
    pub(super) fn settle(&self, before: usize, now: usize) {
        if before != now {
            self.beside.fetch_add(now.wrapping_sub(before), Relaxed);
        }
    }

    pub(super) fn came(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn left(&self) {
        self.connections.fetch_sub(1, Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    pub(super) fn disconnected(&self) {
        self.connected.fetch_sub(1, Relaxed);
    }

    /// So many entries more.
    pub(super) fn idle(&self, more: usize) {
        self.idle.fetch_add(more, Relaxed);
    }

    pub(super) fn not_idle(&self, fewer: usize) {
        self.idle.fetch_sub(fewer, Relaxed);
    }
}
