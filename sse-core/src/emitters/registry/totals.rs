//! `Totals`: what is counted of all shards together, without a lock.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;

use crate::log::{Bounds, Change, LARGE};

/// What one entry costs of each kind that is counted by number.
#[derive(Debug)]
pub(super) struct Costs {
    /// A key that nobody is connected to.
    pub(super) key: usize,
    /// A record, beside its log: its place in the queue by which the oldest of all is found.
    pub(super) record: usize,
    /// How many keys that only remember where they ended are kept at most.
    pub(super) most_idle: usize,
}

/// By how many more keys that is exceeded before the oldest are forgotten.
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
    /// Large frames that anybody has.
    large: AtomicUsize,
    /// Large frames in logs; one that is in several as often.
    large_in_logs: AtomicUsize,
}

/// What share of the bytes in all is counted at most for large frames that only readers have: a half. Clients that do
/// not read cost others their history, then, but never what is live.
const SHARE: usize = 2;

/// A large frame, counted until the last who has it lets go.
struct Large {
    frame: Bytes,
    totals: Arc<Totals>,
}

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        self.totals.large.fetch_sub(self.frame.len(), Relaxed);
    }
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

    /// The frame, counted from now on if it is large.
    pub(super) fn counted(self: &Arc<Self>, frame: Bytes) -> Bytes {
        if frame.len() <= LARGE {
            return frame;
        }
        self.large.fetch_add(frame.len(), Relaxed);
        Bytes::from_owner(Large { frame, totals: Arc::clone(self) })
    }

    /// The large frames that are in no log any more, and that readers have yet to write.
    pub(super) fn held_by_readers(&self) -> usize {
        self.large.load(Relaxed).saturating_sub(self.large_in_logs.load(Relaxed))
    }

    /// What is taken by everything that is kept for nobody in particular: events, and the keys that nobody is
    /// connected to.
    pub(super) fn used(&self, keys: usize, costs: &Costs) -> usize {
        let quiet = keys.saturating_sub(self.connected.load(Relaxed));
        let bytes = self.bytes.load(Relaxed).saturating_add(self.beside.load(Relaxed));
        let kept = self.events().saturating_mul(costs.record);
        bytes.saturating_add(kept).saturating_add(quiet.saturating_mul(costs.key))
    }

    #[cfg(test)]
    pub(super) fn used_by_records(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn used_beside(&self) -> usize {
        self.beside.load(Relaxed)
    }

    /// Of what there is too much, if there is.
    pub(super) fn excess(&self, bounds: &Bounds, keys: usize, costs: &Costs) -> Option<Excess> {
        let idle = self.idle.load(Relaxed);
        if idle > costs.most_idle + SLACK {
            return Some(Excess::Keys);
        }
        if self.events() > bounds.total_events {
            return Some(Excess::Events);
        }
        let held = self.held_by_readers().min(bounds.total_bytes / SHARE);
        if self.used(keys, costs).saturating_add(held) <= bounds.total_bytes {
            return None;
        }
        // Do keys that only remember where they ended take more than events?
        let remembers_too_much = idle.saturating_mul(costs.key) > self.bytes.load(Relaxed);
        Some(if remembers_too_much { Excess::Keys } else { Excess::Events })
    }

    /// Counts that a log shrank or grew. One that is full does neither, and then nothing is touched that all share.
    pub(super) fn count(&self, change: Change) {
        let events = change.added_events.wrapping_sub(change.dropped_events);
        if events != 0 {
            self.events.fetch_add(events, Relaxed);
        }
        let bytes = change.added_bytes.wrapping_sub(change.dropped_bytes);
        if bytes != 0 {
            self.bytes.fetch_add(bytes, Relaxed);
        }
        if change.added_large != change.dropped_large {
            let large = change.added_large.wrapping_sub(change.dropped_large);
            self.large_in_logs.fetch_add(large, Relaxed);
        }
    }

    /// Counts what something takes beside records: what it took before, and what it takes now.
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

    /// Counts `more` entries for keys that only remember where they ended.
    pub(super) fn idle(&self, more: usize) {
        self.idle.fetch_add(more, Relaxed);
    }

    pub(super) fn not_idle(&self, fewer: usize) {
        self.idle.fetch_sub(fewer, Relaxed);
    }
}
