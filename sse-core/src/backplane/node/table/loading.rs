//! What the store is asked for: topics are followed, loaded, and live once the feed has come as far.

use super::{
    super::{
        super::{Change, Loaded, Mark, Position, Topic, Want},
        options::is_mutant,
        sink::{After, Found, Wanted},
    },
    entry::{Copy, Owner, State},
    state::{Load, News, Table},
};

impl Table {
    pub(in crate::backplane::node) fn take_unfollows(&mut self) -> Vec<Topic> {
        // What was followed again meanwhile is followed behind this.
        std::mem::take(&mut self.to_unfollow)
    }

    /// Topics to be followed now.
    pub(in crate::backplane::node) fn take_follows(&mut self, limit: usize) -> Vec<Copy> {
        let mut copies = Vec::new();
        while copies.len() < limit
            && let Some((topic, owner)) = self.to_follow.pop_front()
        {
            if let Some(entry) = self.entry(&topic, owner)
                && entry.state == State::Wanted
            {
                entry.state = State::Following;
                copies.push((topic, owner));
            }
        }
        copies
    }

    /// Notes that these are followed, or could not be. The store stood at `since` before.
    pub(in crate::backplane::node) fn have_followed(
        &mut self,
        copies: Vec<Copy>,
        done: bool,
        since: Option<Mark>,
    ) {
        for (topic, owner) in copies {
            let Some(entry) = self.entry(&topic, owner) else { continue };
            if entry.state != State::Following {
                continue;
            }
            if done {
                entry.state = State::Loading;
                entry.joining.get_or_insert_default().since = since;
                self.to_load.push_back((topic, owner));
            } else {
                entry.state = State::Wanted;
                self.to_follow.push_back((topic, owner));
            }
        }
    }

    /// Topics to be loaded now.
    pub(in crate::backplane::node) fn take_load(&mut self, limit: usize) -> Option<Load> {
        if self.broken {
            return None;
        }
        let mut load = Load { generation: self.generation, copies: Vec::new(), wants: Vec::new() };
        while load.copies.len() < limit
            && let Some((topic, owner)) = self.to_load.pop_front()
        {
            if let Some(entry) = self.entry(&topic, owner)
                && entry.state == State::Loading
            {
                let Wanted { after, events, bytes } = entry.sink.wanted(entry.again);
                load.wants.push(Want { topic: topic.clone(), after, events, bytes });
                load.copies.push((topic, owner));
            }
        }
        (!load.copies.is_empty()).then_some(load)
    }

    /// Notes that what was taken could not be loaded.
    pub(in crate::backplane::node) fn not_loaded(&mut self, load: Load) {
        if load.generation == self.generation {
            load.copies.into_iter().rev().for_each(|copy| self.to_load.push_front(copy));
        }
    }

    /// Takes what was loaded. `false` if some of it has to be loaded once more.
    pub(in crate::backplane::node) fn have_loaded(
        &mut self,
        load: Load,
        found: Vec<Loaded>,
        news: &mut News,
        after: &mut After,
    ) -> bool {
        if load.generation != self.generation {
            return true;
        }
        let mut all = true;
        for ((topic, owner), loaded) in load.copies.into_iter().zip(found) {
            if self.epoch.is_some_and(|epoch| epoch != loaded.epoch) {
                // The feed will bring the new epoch; what is of the other one means nothing beside what is here.
                all = false;
                self.to_load.push_back((topic, owner));
                continue;
            }
            if let Some(entry) = self.entry(&topic, owner)
                && entry.state == State::Loading
            {
                entry.joining.get_or_insert_default().loaded = Some(loaded);
                self.loaded.push((topic, owner));
            }
        }
        self.go_live_all(news, after);
        self.wants_mark = !self.loaded.is_empty();
        news.work |= self.wants_mark || !self.to_load.is_empty();
        self.advance(after);
        all
    }

    /// Makes live whatever was loaded and has all that stands before it: the feed has come as far, so that what went to
    /// all keys is here as well.
    pub(super) fn go_live_all(&mut self, news: &mut News, after: &mut After) {
        let mut left = self.loaded.len() + 1;
        // What is for all keys may make others ready.
        while !self.loaded.is_empty() && self.loaded.len() < left {
            left = self.loaded.len();
            for (topic, owner) in std::mem::take(&mut self.loaded) {
                if !self.is_ready(&topic, owner) {
                    self.loaded.push((topic, owner));
                    continue;
                }
                match self.go_live(&topic, owner, after) {
                    Some(waiters) => self.one_topic_less(waiters, &topic, owner, news, after),
                    None => {
                        self.to_load.push_back((topic, owner));
                        news.work = true;
                    }
                }
            }
        }
    }

    fn is_ready(&mut self, topic: &Topic, owner: Owner) -> bool {
        let reached = self.reached;
        let marks = !is_mutant!(self.options, NoMarkAfterLoad);
        let for_all = self.for_all.get(&owner).cloned();
        let Some(entry) = self.entry(topic, owner) else { return true };
        let loaded = entry.joining.as_ref().and_then(|joining| joining.loaded.as_ref());
        let last = loaded.and_then(|loaded| loaded.head).map_or(Position::ZERO, |head| head.last);
        if last > reached && marks {
            return false;
        }
        if entry.sink.is_for_all() {
            return true;
        }
        for_all.is_none_or(|topic| {
            self.entry(&topic, owner).is_none_or(|entry| entry.state == State::Live)
        })
    }

    /// Puts what was loaded into its log, and what was kept aside behind it. Returns who waited for it; `None` if
    /// something is missing.
    fn go_live(&mut self, topic: &Topic, owner: Owner, after: &mut After) -> Option<Vec<u64>> {
        let Some(entry) = self.entry(topic, owner) else { return Some(Vec::new()) };
        let mut joining = entry.joining.take().unwrap_or_default();
        let Some(loaded) = joining.loaded.take().filter(|_| entry.state == State::Loading) else {
            entry.joining = Some(joining);
            return Some(Vec::new());
        };
        let freed = std::mem::take(&mut joining.aside_bytes);
        let mut aside = std::mem::take(&mut joining.aside);
        let head = loaded.head.unwrap_or_default();
        let (mut last, mut newest) = (entry.last.max(head.last), entry.newest.max(head.newest));
        aside.retain(|record| record.position > last);
        let mut whole = !joining.incomplete;
        for record in &aside {
            whole &= record.previous <= newest;
            last = record.position;
            if matches!(record.change, Change::Event { .. }) {
                newest = record.position;
            }
        }
        joining.incomplete = false;
        if !whole {
            entry.joining = Some(joining);
            self.aside_bytes -= freed;
            return None;
        }
        (entry.last, entry.newest, entry.state) = (last, newest, State::Live);
        let again = std::mem::replace(&mut entry.again, true);
        let since = joining.since.filter(|since| since.epoch == loaded.epoch);
        let since = since.map(|since| since.position);
        entry.sink.load(Found { loaded, aside, again, since }, after);
        after.wake(&entry.sink);
        if again {
            self.behind -= 1;
        }
        self.aside_bytes -= freed;
        Some(joining.waiters)
    }
}
