//! What is dropped and forgotten in one shard: by age, and where all of them together have too much.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{super::topic::Topic, Kept, Registry};
use crate::{
    emitter::Conn,
    log::{Bounds, Change, Log},
    sync::Arc,
    timer::{FAR, later},
};

/// How many records that slow connections still want one sweep looks at.
const PUT_OFF: usize = 8;

/// When such records are looked at again, if nothing else happens.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How much two queues may hold that is out of date before they are cleaned.
const SLACK: usize = 64;

impl<K> Registry<K> {
    /// Drops what is too old, and forgets keys whose time has come. Each record and each retired key is looked at once,
    /// so this costs no more than what caused it.
    pub(in crate::emitters) fn sweep(&mut self, bounds: &Bounds, now: Instant) {
        if now >= self.quiet_until {
            self.sweep_due(bounds, now);
            let record = self.kept.front().map(|kept| later(kept.at, bounds.history.age));
            let memory = self.idle.front().map(|idle| self.at(idle.until));
            let next = [record, memory].into_iter().flatten().min();
            self.quiet_until = next.unwrap_or_else(|| later(now, FAR));
        }
        self.compact();
    }

    /// Notes that something came to the front of a queue: until when nothing is due is not known any more.
    pub(super) fn begins_earlier(&mut self) {
        self.is_earlier = true;
        self.quiet_until = self.born;
    }

    fn sweep_due(&mut self, bounds: &Bounds, now: Instant) {
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
        let nanos = now.saturating_duration_since(self.born).as_nanos();
        while self.idle.front().is_some_and(|first| u128::from(first.until) <= nanos) {
            self.forget_oldest();
        }
    }

    /// Drops the oldest record, whoever still wants it. Returns its key if that is not worth following any more.
    pub(super) fn drop_oldest(&mut self, now: Instant) -> Option<Arc<Topic<K>>> {
        let oldest = self.kept.pop_front()?;
        // What was put off stands behind what is younger.
        self.quiet_until = self.born;
        self.look_at(&oldest, now, |log, change| log.drop_through(oldest.seq, change));
        let evicted = self.linked && oldest.topic.log().readers() == 0;
        let evicted = evicted.then(|| Arc::clone(&oldest.topic));
        self.release(oldest.topic);
        self.compact();
        evicted
    }

    /// Forgets the key that has been quiet for longest.
    pub(super) fn forget_oldest(&mut self) {
        let Some(idle) = self.idle.pop_front() else { return };
        self.totals.not_idle(1);
        if idle.topic.idles_until(idle.until) {
            let last = idle.topic.log().last_position();
            self.remove(&idle.topic, last);
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
            let mut log = kept.topic.log();
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

    /// The number of the oldest record, and when the oldest key that only remembers is forgotten.
    pub(super) fn oldest(&self) -> [Option<u64>; 2] {
        [self.kept.front().map(|kept| kept.came.get()), self.idle.front().map(|idle| idle.until)]
    }

    fn at(&self, nanos: u64) -> Instant {
        later(self.born, Duration::from_nanos(nanos))
    }

    /// Entries that are out of date must not pile up behind one that is not.
    fn compact(&mut self) {
        if self.kept.len() > 2 * self.records + SLACK {
            let mut gone = Vec::new();
            self.kept.retain(|kept| {
                let holds = kept.topic.log().holds(kept.seq);
                if !holds {
                    gone.push(Arc::clone(&kept.topic));
                }
                holds
            });
            self.dead.append(&mut gone);
            self.kept.shrink_to_fit();
        }
        if self.idle.len() > 2 * self.keys + SLACK {
            let mut gone = Vec::new();
            let before = self.idle.len();
            self.idle.retain(|idle| {
                let keep = idle.topic.idles_until(idle.until);
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
        let memory = self.idle.front().map(|idle| self.at(idle.until));
        [record, memory, self.next_behind()].into_iter().flatten().min()
    }
}
