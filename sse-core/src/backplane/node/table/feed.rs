//! What the feed tells: records, how far the store is, that something may be missing, and that the store has begun
//! anew.

use std::sync::Arc;

use super::{
    super::{
        super::{Epoch, Mark, Position, Record, Topic},
        sink::After,
    },
    entry::{State, Taken},
    state::{Barrier, News, Table},
};
use crate::sorted::sort_by;

impl Table {
    pub(in crate::backplane::node) fn records(
        &mut self,
        epoch: Epoch,
        records: Vec<Record>,
        news: &mut News,
        after: &mut After,
    ) {
        if self.broken {
            // Loaded once it is whole.
            return;
        }
        self.enter(epoch, news, after);
        for record in records {
            self.reached = self.reached.max(record.position);
            let Some(entries) = self.entries.get_mut(&record.topic) else { continue };
            for entry in entries {
                match entry.take(&record, self.aside_bytes, after) {
                    Taken::Passed => {}
                    Taken::Aside(bytes) => self.aside_bytes += bytes,
                    Taken::Hole(bytes) => {
                        self.behind += 1;
                        self.aside_bytes += bytes;
                        self.to_load.push_back((record.topic.clone(), entry.owner));
                        news.work = true;
                    }
                }
            }
        }
        self.advance(after);
        self.go_live_all(news, after);
        self.advance(after);
    }

    pub(in crate::backplane::node) fn mark(
        &mut self,
        mark: Mark,
        news: &mut News,
        after: &mut After,
    ) {
        if self.broken {
            return;
        }
        self.enter(mark.epoch, news, after);
        self.marks += 1;
        self.reached = self.reached.max(mark.position);
        self.advance(after);
        self.go_live_all(news, after);
        self.advance(after);
    }

    /// Notes that something may be missing from now on.
    pub(in crate::backplane::node) fn broke(&mut self) {
        self.broken = true;
        self.start_again();
    }

    /// Notes that whatever is loaded now is complete.
    pub(in crate::backplane::node) fn whole(&mut self, news: &mut News) {
        self.broken = false;
        self.load_all();
        news.work = true;
    }

    /// Notes that this topic was found to be behind the store.
    pub(in crate::backplane::node) fn lost(
        &mut self,
        topic: &Topic,
        last: Position,
        news: &mut News,
    ) -> bool {
        if self.broken || last > self.watermark() {
            return false;
        }
        let Some(entries) = self.entries.get_mut(topic) else { return false };
        let mut lost = false;
        for entry in entries {
            if entry.state == State::Live && entry.last < last {
                entry.state = State::Loading;
                entry.sink.pause();
                self.behind += 1;
                self.to_load.push_back((topic.clone(), entry.owner));
                lost = true;
            }
        }
        news.work |= lost;
        lost
    }

    /// Loads everything again: nothing that is being loaded counts, and what is live is so no more.
    pub(super) fn start_again(&mut self) {
        self.generation += 1;
        self.aside_bytes = 0;
        for entry in self.entries.values_mut().flatten() {
            if entry.state == State::Live {
                entry.state = State::Loading;
                entry.sink.pause();
                self.behind += 1;
            }
            if let Some(joining) = &mut entry.joining {
                joining.aside = Vec::new();
                joining.aside_bytes = 0;
                joining.incomplete = false;
                joining.loaded = None;
            }
        }
        self.to_load.clear();
        self.loaded.clear();
    }

    pub(super) fn load_all(&mut self) {
        let copies = self.entries.iter().flat_map(|(topic, entries)| {
            let loading = entries.iter().filter(|entry| entry.state == State::Loading);
            loading.map(|entry| (topic.clone(), entry.owner, entry.sink.is_for_all()))
        });
        let mut copies: Vec<_> = copies.collect();
        // What is for all keys first; then in an order that does not depend on a hash.
        sort_by(&mut copies, |a, b| (!a.2, &a.0, a.1).cmp(&(!b.2, &b.0, b.1)));
        self.to_load = copies.into_iter().map(|(topic, owner, _)| (topic, owner)).collect();
    }

    /// Enters an epoch, to which everything that comes from now on belongs.
    pub(super) fn enter(&mut self, epoch: Epoch, news: &mut News, after: &mut After) {
        let before = self.epoch.replace(epoch);
        if before != Some(epoch) {
            self.shown.enter(epoch);
        }
        if before.is_none_or(|before| before == epoch) {
            return;
        }
        self.start_again();
        self.reached = Position::ZERO;
        let mut sinks = Vec::new();
        for (topic, entries) in &mut self.entries {
            for entry in entries {
                (entry.newest, entry.last) = (Position::ZERO, Position::ZERO);
                sinks.push((!entry.sink.is_for_all(), topic, entry.owner, Arc::clone(&entry.sink)));
            }
        }
        sort_by(&mut sinks, |a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
        sinks.iter().for_each(|(.., sink)| sink.reset(after));
        for (id, waiting) in &mut self.waiting {
            if waiting.barrier.is_some() && waiting.barrier != Some(Barrier::Wanted) {
                waiting.barrier = Some(Barrier::Wanted);
                self.asking.push(*id);
            }
        }
        self.load_all();
        news.work = true;
    }

    pub(super) fn advance(&mut self, after: &mut After) {
        if !self.broken && self.behind == 0 && self.reached > self.watermark() {
            self.shown.advance(self.reached);
            self.look_at_held(after);
        }
    }
}
