//! What is dropped and forgotten in one shard: by age, and where all of them together have too much.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{super::topic::Topic, Idle, Kept, Registry};
use crate::{
    emitter::Conn,
    log::{Bounds, Change, Log},
    sync::{Arc, lock},
};

/// How many records that slow connections still want one sweep looks at.
const PUT_OFF: usize = 8;

/// When those are looked at again, if nothing else happens.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How much two queues may hold that is out of date before they are cleaned.
const SLACK: usize = 64;

impl<K> Registry<K> {
    /// Drops what is too old, and forgets keys whose time has come. Each record and each retired key is looked at once,
    /// so this costs no more than what caused it.
    pub(in crate::emitters) fn sweep(&mut self, bounds: &Bounds, now: Instant) {
        let mut put_off = 0;
        while put_off < PUT_OFF
            && let Some(oldest) = self.kept.front()
            && now.saturating_duration_since(oldest.at) >= bounds.history.age
            && let Some(oldest) = self.kept.pop_front()
        {
            let still_wanted = self.look_at(&oldest, now, |log, change| {
                log.trim_exactly(bounds, now, change);
            });
            if still_wanted {
                // A slow connection has yet to read it: looked at again later.
                self.kept.push_back(oldest);
                put_off += 1;
            } else {
                self.release(oldest.topic);
            }
        }
        while self.idle.front().is_some_and(|first| first.until <= now) {
            self.forget_oldest();
        }
        self.compact();
    }

    /// Makes room by the oldest record, whoever still wants it. Returns its key if that is not worth following any more.
    pub(super) fn drop_oldest(&mut self, now: Instant) -> Option<Arc<Topic<K>>> {
        let oldest = self.kept.pop_front()?;
        self.look_at(&oldest, now, |log, change| log.drop_through(oldest.seq, change));
        let evicted = self.linked && lock(&oldest.topic.log).readers() == 0;
        let evicted = evicted.then(|| Arc::clone(&oldest.topic));
        self.release(oldest.topic);
        self.compact();
        evicted
    }

    /// Makes room by the key that has been quiet for longest.
    pub(super) fn forget_oldest(&mut self) {
        let Some(idle) = self.idle.pop_front() else { return };
        self.totals.not_idle(1);
        if is_current(&idle) {
            self.remove(&idle.topic, idle.last);
        }
        self.release(idle.topic);
        self.compact();
    }

    /// Drops something of a log, and says whether the record is still there.
    fn look_at(
        &mut self,
        kept: &Kept<K>,
        now: Instant,
        act: impl FnOnce(&mut Log<Conn>, &mut Change),
    ) -> bool {
        let mut change = Change::default();
        let (emptied, still_there) = {
            let mut log = lock(&kept.topic.log);
            act(&mut log, &mut change);
            self.settle(&mut log);
            self.note_behind(&kept.topic, &mut log, now);
            (change.dropped_events > 0 && log.is_empty(), log.holds(kept.seq))
        };
        self.count(change);
        if emptied {
            self.retire_if_idle(&kept.topic, now);
        }
        still_there
    }

    /// When the oldest record came, and when the oldest key that only remembers is forgotten.
    pub(super) fn oldest(&self) -> [Option<Instant>; 2] {
        [self.kept.front().map(|kept| kept.at), self.idle.front().map(|idle| idle.until)]
    }

    /// Entries that are out of date must not pile up behind one that is not.
    fn compact(&mut self) {
        if self.kept.len() > 2 * self.records + SLACK {
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
        if self.idle.len() > 2 * self.keys + SLACK {
            let mut newest_entry = HashMap::new();
            for (index, idle) in self.idle.iter().enumerate() {
                newest_entry.insert(Arc::as_ptr(&idle.topic), index);
            }
            let mut index = 0;
            let mut gone = Vec::new();
            let before = self.idle.len();
            self.idle.retain(|idle| {
                let keep =
                    newest_entry.get(&Arc::as_ptr(&idle.topic)) == Some(&index) && is_current(idle);
                index += 1;
                if !keep {
                    gone.push(Arc::clone(&idle.topic));
                }
                keep
            });
            self.totals.not_idle(before - self.idle.len());
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
