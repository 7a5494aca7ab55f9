//! What bounds all logs together, and when what is forgotten.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{super::topic::Topic, Idle, MEMORY_KEYS, Registry};
use crate::{
    log::{Bounds, Change},
    sync::{Arc, lock},
};

/// How many records that slow connections still want one sweep looks at.
const PUT_OFF: usize = 8;

/// When those are looked at again, if nothing else happens.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How much two queues may hold that is out of date before they are cleaned.
const SLACK: usize = 64;

impl<K> Registry<K> {
    /// What all that is kept for nobody in particular takes: events, and the keys that nobody is
    /// connected to.
    pub(super) fn used(&self) -> usize {
        let quiet = self.table.len().saturating_sub(self.connected.len());
        (self.bytes + self.beside).saturating_add(quiet.saturating_mul(Topic::<K>::COST))
    }

    /// Do keys that only remember where they ended take more than events?
    fn remembers_too_much(&self) -> bool {
        self.idle.len().saturating_mul(Topic::<K>::COST) > self.bytes
    }

    /// Drops what is too old or too much, in all logs, and forgets keys whose time has come. Each
    /// record and each retired key is looked at once, so this costs no more than what caused it.
    pub(in crate::emitters) fn sweep(&mut self, bounds: &Bounds, now: Instant) {
        let mut put_off = 0;
        while let Some(oldest) = self.kept.front() {
            let too_much = self.events > bounds.total_events
                || self.used() > bounds.total_bytes && !self.remembers_too_much();
            let too_old = now.saturating_duration_since(oldest.at) >= bounds.history.age;
            if !too_much && (!too_old || put_off == PUT_OFF) {
                break;
            }
            let Some(oldest) = self.kept.pop_front() else { break };
            let mut change = Change::default();
            let (emptied, still_wanted) = {
                let mut log = lock(&oldest.topic.log);
                if too_much {
                    log.drop_through(oldest.seq, &mut change);
                } else {
                    log.trim_exactly(bounds, now, &mut change);
                }
                self.settle(&mut log);
                self.note_behind(&oldest.topic, &mut log, now);
                (change.dropped_events > 0 && log.is_empty(), log.holds(oldest.seq))
            };
            self.count(change);
            if too_much && self.linked && lock(&oldest.topic.log).readers() == 0 {
                self.evicted.push(Arc::clone(&oldest.topic));
            }
            if emptied {
                self.retire_if_idle(&oldest.topic, now);
            }
            if still_wanted {
                // A slow connection has yet to read it: looked at again later.
                self.kept.push_back(oldest);
                put_off += 1;
            } else {
                self.release(oldest.topic);
            }
        }
        while let Some(first) = self.idle.front() {
            let too_much = self.idle.len() > MEMORY_KEYS + SLACK
                || self.used() > bounds.total_bytes && self.remembers_too_much();
            if first.until > now && !too_much {
                break;
            }
            if let Some(idle) = self.idle.pop_front() {
                if is_current(&idle) {
                    self.remove(&idle.topic, idle.last);
                }
                self.release(idle.topic);
            }
        }
        self.compact();
    }

    /// Entries that are out of date must not pile up behind one that is not.
    fn compact(&mut self) {
        if self.kept.len() > 2 * self.events + SLACK {
            let mut gone = Vec::new();
            self.kept.retain(|kept| {
                let holds = lock(&kept.topic.log).holds(kept.seq);
                if !holds {
                    gone.push(Arc::clone(&kept.topic));
                }
                holds
            });
            self.dead.append(&mut gone);
            self.kept.shrink_to_fit();
        }
        if self.idle.len() > 2 * self.table.len() + SLACK {
            let mut newest_entry = HashMap::new();
            for (index, idle) in self.idle.iter().enumerate() {
                newest_entry.insert(Arc::as_ptr(&idle.topic), index);
            }
            let mut index = 0;
            let mut gone = Vec::new();
            self.idle.retain(|idle| {
                let keep =
                    newest_entry.get(&Arc::as_ptr(&idle.topic)) == Some(&index) && is_current(idle);
                index += 1;
                if !keep {
                    gone.push(Arc::clone(&idle.topic));
                }
                keep
            });
            self.dead.append(&mut gone);
            self.idle.shrink_to_fit();
        }
        if self.kept.is_empty() {
            self.kept = VecDeque::new();
        }
    }

    /// When there is next something to sweep, if nothing else happens. Not at once: what is overdue
    /// now was put off.
    pub(in crate::emitters) fn next_sweep(&self, bounds: &Bounds, now: Instant) -> Option<Instant> {
        let record = self.kept.front().and_then(|kept| kept.at.checked_add(bounds.history.age));
        let record = record.map(|at| at.max(now + PAUSE));
        let memory = self.idle.front().map(|idle| idle.until);
        [record, memory, self.next_behind()].into_iter().flatten().min()
    }
}

fn is_current<K>(idle: &Idle<K>) -> bool {
    let log = lock(&idle.topic.log);
    log.readers() == 0 && log.is_empty() && log.last_position() == idle.last
}
