//! Who uses topics: they come, they leave, and for a while a topic is followed without them.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    super::{
        super::{Position, Topic},
        sink::Sink,
    },
    entry::{Copy, Entry, Owner, State},
    state::{News, Rest, Table},
};

/// For how long a topic is followed at least after its last connection has left: browsers come back in seconds.
pub const LINGER: Duration = Duration::from_secs(30);
/// How many topics without connections are followed at most; the one that was left first goes first.
pub const MAX_LINGERING: usize = 65_536;

impl Table {
    /// Counts one more user of a topic. Whether its copy is live.
    pub(in crate::backplane::node) fn join(
        &mut self,
        topic: &Topic,
        owner: Owner,
        sink: impl FnOnce() -> Arc<dyn Sink>,
        news: &mut News,
    ) -> bool {
        if let Some(entry) = self.entry(topic, owner) {
            entry.users += 1;
            return entry.state == State::Live;
        }
        let sink = sink();
        if sink.is_for_all() {
            self.for_all.insert(owner, topic.clone());
        }
        let entry = Entry {
            owner,
            sink,
            state: State::Wanted,
            again: false,
            users: 1,
            rest: 0,
            newest: Position::ZERO,
            last: Position::ZERO,
            joining: Some(Box::default()),
        };
        // Nearly always one, and there may be many topics.
        self.entries.entry(topic.clone()).or_insert_with(|| Vec::with_capacity(1)).push(entry);
        self.to_follow.push_back((topic.clone(), owner));
        news.work = true;
        false
    }

    /// Counts one user less. When the last one has left, the topic is followed for a while, and then no more.
    pub(in crate::backplane::node) fn leave(
        &mut self,
        topic: &Topic,
        owner: Owner,
        now: Instant,
        news: &mut News,
    ) {
        let Some(entry) = self.entry(topic, owner) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users > 0 {
            return;
        }
        entry.rest = entry.rest.wrapping_add(1);
        let rest = Rest { until: now + LINGER, rest: entry.rest };
        news.timer |= self.resting.is_empty();
        self.resting.push_back(((topic.clone(), owner), rest));
        if self.resting.len() > MAX_LINGERING
            && let Some((copy, rest)) = self.resting.pop_front()
        {
            self.rested(&copy, rest, news);
        }
    }

    pub(super) fn rested(&mut self, (topic, owner): &Copy, rest: Rest, news: &mut News) {
        let is_over = |entry: &Entry| entry.users == 0 && entry.rest == rest.rest;
        if self.entry(topic, *owner).is_some_and(|entry| is_over(entry)) {
            self.unfollow(topic, *owner, news);
        }
    }

    /// Drops the copy unless somebody uses it: it is not worth keeping.
    pub(in crate::backplane::node) fn evict(
        &mut self,
        topic: &Topic,
        owner: Owner,
        news: &mut News,
    ) {
        if self.entry(topic, owner).is_some_and(|entry| entry.users == 0) {
            self.unfollow(topic, owner, news);
        }
    }

    fn unfollow(&mut self, topic: &Topic, owner: Owner, news: &mut News) {
        let Some(entries) = self.entries.get_mut(topic) else { return };
        let Some(index) = entries.iter().position(|entry| entry.owner == owner) else { return };
        let entry = entries.swap_remove(index);
        if entries.is_empty() {
            self.entries.remove(topic);
            self.to_unfollow.push(topic.clone());
            news.work = true;
        }
        if entry.again && entry.state != State::Live {
            self.behind -= 1;
        }
        self.aside_bytes -= entry.joining.map_or(0, |joining| joining.aside_bytes);
        if entry.sink.is_for_all() {
            self.for_all.remove(&owner);
        }
        entry.sink.unfollowed();
    }

    /// Stops following topics that nobody came back to by now.
    pub(super) fn let_go(&mut self, now: Instant, news: &mut News) {
        while let Some((copy, rest)) = self.resting.front()
            && rest.until <= now
        {
            let (copy, rest) = (copy.clone(), *rest);
            self.resting.pop_front();
            self.rested(&copy, rest, news);
        }
    }
}
