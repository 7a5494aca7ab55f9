//! `Announcements`: events that went to all keys, in one log from which each key takes what it lacks.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::log::{History, Position, Record};

/// Events that went to all keys, oldest first, within the history.
#[derive(Default)]
pub(super) struct Announcements {
    pub(super) records: VecDeque<Record>,
    bytes: usize,
    /// The position of the newest event that is not here any more.
    pub(super) dropped: Position,
    pub(super) newest: Position,
}

impl Announcements {
    pub(super) fn push(&mut self, record: Record, kept: &History, now: Instant) {
        self.newest = record.position;
        self.bytes += record.cost();
        self.records.push_back(record);
        self.trim(kept, now);
    }

    pub(super) fn trim(&mut self, kept: &History, now: Instant) {
        while let Some(oldest) = self.records.front() {
            let is_old = now.saturating_duration_since(oldest.at) >= kept.age;
            if self.records.len() <= kept.events && self.bytes <= kept.bytes && !is_old {
                return;
            }
            self.bytes -= oldest.cost();
            self.dropped = oldest.position;
            self.records.pop_front();
        }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}
