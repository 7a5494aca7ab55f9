//! Connections that wait: until their topics are live, and until their barrier is reached.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    super::{
        super::{Mark, Position, Topic},
        options::is_mutant,
        sink::{After, Waiter},
    },
    entry::{Owner, State},
    state::{Barrier, News, Table, Waiting},
};

/// How long a connection waits for its logs before it is turned away.
pub const MAX_WAIT: Duration = Duration::from_secs(5);

impl Table {
    /// Lets a connection to these topics wait until all are live, and, if `suspicious`, until it is known how far the
    /// store is.
    pub(in crate::backplane::node) fn wait(
        &mut self,
        topics: &[Topic],
        owner: Owner,
        suspicious: bool,
        waiter: Arc<dyn Waiter>,
        now: Instant,
        news: &mut News,
    ) -> u64 {
        let id = self.next_waiter;
        self.next_waiter += 1;
        let mut pending = 0;
        for topic in topics {
            if let Some(entry) = self.entry(topic, owner)
                && entry.state != State::Live
            {
                entry.joining.get_or_insert_default().waiters.push(id);
                pending += 1;
            }
        }
        let barrier = suspicious.then_some(Barrier::Wanted);
        if suspicious {
            self.asking.push(id);
            news.work = true;
        }
        if pending == 0 {
            self.held.push(id);
        }
        news.timer |= self.deadlines.is_empty();
        self.deadlines.push_back((now + MAX_WAIT, id));
        self.waiting.insert(id, Waiting { waiter, pending, barrier });
        id
    }

    /// Notes that the connection is over.
    pub(in crate::backplane::node) fn stop_waiting(&mut self, id: u64) {
        self.waiting.remove(&id);
    }

    /// Plans this waiter if nothing is missing.
    pub(super) fn look_at(&mut self, id: u64, after: &mut After) {
        let Some(waiting) = self.waiting.get(&id) else { return };
        if waiting.pending > 0 {
            return;
        }
        let reached = match waiting.barrier {
            None => true,
            Some(Barrier::At(mark)) => {
                self.epoch == Some(mark.epoch) && self.watermark() >= mark.position
            }
            Some(Barrier::Wanted | Barrier::Asked) => false,
        };
        if !reached {
            self.held.push(id);
        } else if let Some(waiting) = self.waiting.remove(&id) {
            waiting.waiter.plan(after);
        }
    }

    pub(super) fn look_at_held(&mut self, after: &mut After) {
        if !self.held.is_empty() {
            for id in std::mem::take(&mut self.held) {
                self.look_at(id, after);
            }
        }
    }

    pub(super) fn one_topic_less(
        &mut self,
        waiters: Vec<u64>,
        topic: &Topic,
        owner: Owner,
        news: &mut News,
        after: &mut After,
    ) {
        let last = self.entry(topic, owner).map_or(Position::ZERO, |entry| entry.last);
        let ahead = last > self.watermark() && !is_mutant!(self.options, NoMarkAfterLoad);
        for id in waiters {
            let Some(waiting) = self.waiting.get_mut(&id) else { continue };
            waiting.pending = waiting.pending.saturating_sub(1);
            if ahead && waiting.barrier != Some(Barrier::Wanted) {
                // A mark that was asked for before may be older than what was loaded.
                waiting.barrier = Some(Barrier::Wanted);
                self.asking.push(id);
                news.work = true;
            }
            self.look_at(id, after);
        }
    }

    /// Takes the waiters that want a mark, for which it is asked now. `None` if nobody and nothing wants one.
    pub(in crate::backplane::node) fn take_asking(&mut self) -> Option<Vec<u64>> {
        if self.broken {
            return None;
        }
        let wanted = std::mem::take(&mut self.wants_mark);
        let mut asking = std::mem::take(&mut self.asking);
        asking.retain(|id| match self.waiting.get_mut(id) {
            Some(waiting) if waiting.barrier == Some(Barrier::Wanted) => {
                waiting.barrier = Some(Barrier::Asked);
                true
            }
            _ => false,
        });
        (wanted || !asking.is_empty()).then_some(asking)
    }

    /// Takes the store's answer: it stands at `mark`, or did not say.
    pub(in crate::backplane::node) fn have_asked(
        &mut self,
        ids: Vec<u64>,
        mark: Option<Mark>,
        after: &mut After,
    ) {
        self.wants_mark |= mark.is_none() && !self.loaded.is_empty();
        for id in ids {
            let Some(waiting) = self.waiting.get_mut(&id) else { continue };
            if waiting.barrier != Some(Barrier::Asked) {
                continue;
            }
            match mark {
                Some(mark) => waiting.barrier = Some(Barrier::At(mark)),
                None => {
                    waiting.barrier = Some(Barrier::Wanted);
                    self.asking.push(id);
                }
            }
        }
        self.look_at_held(after);
    }

    /// Turns away who has waited too long, and lets go what nobody came back to.
    pub(in crate::backplane::node) fn due(
        &mut self,
        now: Instant,
        news: &mut News,
        after: &mut After,
    ) {
        while let Some((at, id)) = self.deadlines.front().copied() {
            let waits = self.waiting.contains_key(&id);
            if waits && at > now {
                break;
            }
            self.deadlines.pop_front();
            if let Some(waiting) = self.waiting.remove(&id) {
                waiting.waiter.refuse(after);
            }
        }
        self.let_go(now, news);
    }
}
