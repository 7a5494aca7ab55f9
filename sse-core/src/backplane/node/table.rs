//! Which topics a node follows, and how complete its copies of them are. No tasks, no I/O; time comes in.
//!
//! A topic is *followed*, then *loaded*, then *live*, once the feed has come as far as the load. What the feed brings
//! before that is kept aside, and what of it is newer than the load comes behind it. The reverse order, load and then
//! follow, loses what is stored between the two; not waiting for the feed mixes up what was sent to the key and what
//! was sent to all.
//!
//! The *watermark* says how far every live topic is complete, all together. It stands still while topics that had
//! been live are loaded again, so that whoever reads several of them never sees a later change before an earlier one.
//!
//! A [`Waiter`] is planned once its topics are live and its barrier is reached: a mark that the store gave after the
//! waiter came, or after its topics were loaded. Before that, what was loaded may be ahead of what the feed has
//! brought of its other topics, and its client may be ahead of both.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::{Change, Epoch, Loaded, Mark, Position, Record, Topic, Want},
    options::{NodeOptions, is_mutant},
    shown::Shown,
    sink::{After, Found, Sink, Waiter, Wanted},
};

/// For how long a topic is followed at least after its last connection has left: browsers come back in seconds.
pub const LINGER: Duration = Duration::from_secs(30);
/// How many topics without connections are followed at most; the one that was left first goes first.
pub const MAX_LINGERING: usize = 65_536;
/// How long a connection waits for its logs before it is turned away.
pub const MAX_WAIT: Duration = Duration::from_secs(5);
/// How many bytes are kept aside for topics that are being loaded, all together: 64 MiB. Beyond it they are loaded
/// once more.
const MAX_ASIDE_BYTES: usize = 64 * 1024 * 1024;
/// What a record that is kept aside costs besides its body.
const ASIDE_COST: usize = 96;

/// Whose copy of a topic: several emitters of one name may share a node.
pub(crate) type Owner = usize;

/// One copy of a topic.
pub(super) type Copy = (Topic, Owner);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be followed.
    Wanted,
    /// The store was asked to.
    Following,
    /// Followed, and to be loaded, or being loaded.
    Loading,
    Live,
}

struct Entry {
    owner: Owner,
    sink: Arc<dyn Sink>,
    state: State,
    /// It had been live, and has readers that count on the watermark.
    again: bool,
    users: u32,
    /// Rises whenever the last user leaves: which of several rests is meant.
    rest: u32,
    /// The newest event that is in the log or was, by the store's word.
    newest: Position,
    /// The newest change of any kind.
    last: Position,
    joining: Option<Box<Joining>>,
}

/// What a topic has that is not live.
#[derive(Default)]
struct Joining {
    aside: Vec<Record>,
    aside_bytes: usize,
    /// Something that should be in `aside` is not.
    incomplete: bool,
    /// How far the store was when the topic was followed.
    since: Option<Mark>,
    /// What was loaded, until the feed has come as far.
    loaded: Option<Loaded>,
    waiters: Vec<u64>,
}

struct Waiting {
    waiter: Arc<dyn Waiter>,
    /// How many of its topics are not live.
    pending: usize,
    barrier: Option<Barrier>,
}

/// What a waiter waits for besides its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barrier {
    /// A mark that is to be asked for.
    Wanted,
    /// It was asked for.
    Asked,
    /// The feed has to come as far as this.
    At(Mark),
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Instant,
    rest: u32,
}

/// What is to be loaded, and for which copies.
pub(super) struct Load {
    pub(super) generation: u64,
    pub(super) copies: Vec<Copy>,
    pub(super) wants: Vec<Want>,
}

/// Everything that a node knows of its topics.
pub(super) struct Table {
    #[cfg_attr(not(feature = "test-util"), allow(dead_code, reason = "asked for mutants"))]
    options: NodeOptions,
    entries: HashMap<Topic, Vec<Entry>>,
    waiting: HashMap<u64, Waiting>,
    next_waiter: u64,
    /// Waiters whose topics are live and whose barrier is not reached.
    held: Vec<u64>,
    /// Waiters that want a mark.
    asking: Vec<u64>,
    /// When waiters are turned away, in order.
    deadlines: VecDeque<(Instant, u64)>,
    /// Copies without users, in the order in which they were left.
    resting: VecDeque<(Copy, Rest)>,
    epoch: Option<Epoch>,
    /// How far the feed has come.
    reached: Position,
    /// How many marks it has brought.
    marks: u64,
    /// Where the watermark and the epoch are shown to those who read them without a lock.
    shown: Arc<Shown>,
    /// Rises whenever what is being loaded is worth nothing.
    generation: u64,
    /// The feed said so.
    broken: bool,
    /// How many copies had been live and are to be loaded again.
    behind: usize,
    aside_bytes: usize,
    to_unfollow: Vec<Topic>,
    to_follow: VecDeque<Copy>,
    to_load: VecDeque<Copy>,
    /// What was loaded and waits for the feed.
    loaded: Vec<Copy>,
    /// The feed is to be asked how far it is, for what was loaded.
    wants_mark: bool,
    /// The topics that are for all keys of their owners.
    for_all: HashMap<Owner, Topic>,
}

/// What somebody has to be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// The driver has something to do.
    pub(super) work: bool,
    /// Something is due earlier than anything was before.
    pub(super) timer: bool,
}

impl Table {
    pub(super) fn new(shown: Arc<Shown>, options: NodeOptions) -> Self {
        Self {
            options,
            entries: HashMap::new(),
            waiting: HashMap::new(),
            next_waiter: 0,
            held: Vec::new(),
            asking: Vec::new(),
            deadlines: VecDeque::new(),
            resting: VecDeque::new(),
            epoch: None,
            reached: Position::ZERO,
            marks: 0,
            shown,
            generation: 0,
            broken: false,
            behind: 0,
            aside_bytes: 0,
            to_unfollow: Vec::new(),
            to_follow: VecDeque::new(),
            to_load: VecDeque::new(),
            loaded: Vec::new(),
            wants_mark: false,
            for_all: HashMap::new(),
        }
    }

    pub(super) const fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// How many marks the feed has brought: one that is deaf brings none, also where nothing changes.
    pub(super) const fn marks(&self) -> u64 {
        self.marks
    }

    fn watermark(&self) -> Position {
        self.shown.watermark()
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Has the feed come as far as this, or beyond its epoch?
    pub(super) fn has_reached(&self, mark: Mark) -> bool {
        self.epoch == Some(mark.epoch) && self.reached >= mark.position
    }

    fn entry(&mut self, topic: &Topic, owner: Owner) -> Option<&mut Entry> {
        self.entries.get_mut(topic)?.iter_mut().find(|entry| entry.owner == owner)
    }

    /// How many topics are followed, are live, are behind, and wait for the feed; and how far that is.
    pub(super) fn summary(&self) -> [u64; 6] {
        let live = self.entries.values().flatten().filter(|entry| entry.state == State::Live);
        let (broken, reached) = (u64::from(self.broken), self.reached.get());
        let (live, behind) = (live.count() as u64, self.behind as u64);
        [self.entries.len() as u64, live, behind, self.loaded.len() as u64, broken, reached]
    }

    // Who uses topics.

    /// One more user of a topic. Says whether its copy is live.
    pub(super) fn join(
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
        self.entries.entry(topic.clone()).or_default().push(entry);
        self.to_follow.push_back((topic.clone(), owner));
        news.work = true;
        false
    }

    /// One user less. With the last one a time begins after which the topic is not followed any more.
    pub(super) fn leave(&mut self, topic: &Topic, owner: Owner, now: Instant, news: &mut News) {
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

    fn rested(&mut self, (topic, owner): &Copy, rest: Rest, news: &mut News) {
        let is_over = |entry: &Entry| entry.users == 0 && entry.rest == rest.rest;
        if self.entry(topic, *owner).is_some_and(|entry| is_over(entry)) {
            self.unfollow(topic, *owner, news);
        }
    }

    /// What is here is not worth keeping, unless somebody uses it.
    pub(super) fn evict(&mut self, topic: &Topic, owner: Owner, news: &mut News) {
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

    // Who waits.

    /// A connection to these topics waits until all are live, and, if `suspicious`, until it is known how far the store is.
    pub(super) fn wait(
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

    /// The connection is over.
    pub(super) fn stop_waiting(&mut self, id: u64) {
        self.waiting.remove(&id);
    }

    /// Plans this waiter if nothing is missing.
    fn look_at(&mut self, id: u64, after: &mut After) {
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

    fn look_at_held(&mut self, after: &mut After) {
        if !self.held.is_empty() {
            for id in std::mem::take(&mut self.held) {
                self.look_at(id, after);
            }
        }
    }

    // What the store is asked for.

    pub(super) fn take_unfollows(&mut self) -> Vec<Topic> {
        // What was followed again meanwhile is followed behind this.
        std::mem::take(&mut self.to_unfollow)
    }

    /// Topics to be followed now.
    pub(super) fn take_follows(&mut self, limit: usize) -> Vec<Copy> {
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

    /// These are followed, or could not be. The store stood at `since` before.
    pub(super) fn have_followed(&mut self, copies: Vec<Copy>, done: bool, since: Option<Mark>) {
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
    pub(super) fn take_load(&mut self, limit: usize) -> Option<Load> {
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

    /// What was taken could not be loaded.
    pub(super) fn not_loaded(&mut self, load: Load) {
        if load.generation == self.generation {
            load.copies.into_iter().rev().for_each(|copy| self.to_load.push_front(copy));
        }
    }

    /// What was loaded. `false` if some of it has to be loaded once more.
    pub(super) fn have_loaded(
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
    fn go_live_all(&mut self, news: &mut News, after: &mut After) {
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

    /// Puts what was loaded in its log, and what was kept aside behind it. Who waited for it; `None` if something is missing.
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

    fn one_topic_less(
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

    /// Waiters that want a mark, which is asked for now. `None` if nobody and nothing wants one.
    pub(super) fn take_asking(&mut self) -> Option<Vec<u64>> {
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

    /// The store stands here, or did not say.
    pub(super) fn have_asked(&mut self, ids: Vec<u64>, mark: Option<Mark>, after: &mut After) {
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

    // What the store tells.

    pub(super) fn records(
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

    pub(super) fn mark(&mut self, mark: Mark, news: &mut News, after: &mut After) {
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

    /// Something may be missing from now on.
    pub(super) fn broke(&mut self) {
        self.broken = true;
        self.start_again();
    }

    /// Whatever is loaded now is complete.
    pub(super) fn whole(&mut self, news: &mut News) {
        self.broken = false;
        self.load_all();
        news.work = true;
    }

    /// This topic was found to be behind the store.
    pub(super) fn lost(&mut self, topic: &Topic, last: Position, news: &mut News) -> bool {
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

    /// Nothing that is being loaded is worth anything, and what is live is so no more.
    fn start_again(&mut self) {
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

    fn load_all(&mut self) {
        let copies = self.entries.iter().flat_map(|(topic, entries)| {
            let loading = entries.iter().filter(|entry| entry.state == State::Loading);
            loading.map(|entry| (topic.clone(), entry.owner, entry.sink.is_for_all()))
        });
        let mut copies: Vec<_> = copies.collect();
        // What is for all keys first; then in an order that does not depend on a hash.
        copies.sort_unstable_by(|a, b| (!a.2, &a.0, a.1).cmp(&(!b.2, &b.0, b.1)));
        self.to_load = copies.into_iter().map(|(topic, owner, _)| (topic, owner)).collect();
    }

    /// What comes is of this epoch.
    fn enter(&mut self, epoch: Epoch, news: &mut News, after: &mut After) {
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
        sinks.sort_unstable_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
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

    fn advance(&mut self, after: &mut After) {
        if !self.broken && self.behind == 0 && self.reached > self.watermark() {
            self.shown.advance(self.reached);
            self.look_at_held(after);
        }
    }

    // Time.

    /// When there is next something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let deadline = self.deadlines.front().map(|(at, _)| *at);
        let rest = self.resting.front().map(|(_, rest)| rest.until);
        match (deadline, rest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Turns away who has waited too long, and lets go what nobody came back to.
    pub(super) fn due(&mut self, now: Instant, news: &mut News, after: &mut After) {
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
        while let Some((copy, rest)) = self.resting.front()
            && rest.until <= now
        {
            let (copy, rest) = (copy.clone(), *rest);
            self.resting.pop_front();
            self.rested(&copy, rest, news);
        }
    }
}

enum Taken {
    Passed,
    /// Kept aside, so many bytes.
    Aside(usize),
    /// Something between is missing: to be loaded again. It is kept aside.
    Hole(usize),
}

impl Entry {
    fn take(&mut self, record: &Record, aside_bytes: usize, after: &mut After) -> Taken {
        if record.position <= self.last {
            return Taken::Passed;
        }
        if self.state != State::Live {
            return Taken::Aside(self.put_aside(record, aside_bytes));
        }
        if record.previous > self.newest {
            self.state = State::Loading;
            self.sink.pause();
            return Taken::Hole(self.put_aside(record, aside_bytes));
        }
        self.last = record.position;
        if matches!(record.change, Change::Event { .. }) {
            self.newest = record.position;
        }
        if self.sink.apply(record.clone(), after) {
            after.wake(&self.sink);
        }
        Taken::Passed
    }

    fn put_aside(&mut self, record: &Record, aside_bytes: usize) -> usize {
        let body = match &record.change {
            Change::Event { body, .. } => body.len(),
            _ => 0,
        };
        let bytes = body + ASIDE_COST;
        let joining = self.joining.get_or_insert_default();
        if joining.incomplete || aside_bytes + bytes > MAX_ASIDE_BYTES {
            joining.incomplete = true;
            return 0;
        }
        joining.aside.push(record.clone());
        joining.aside_bytes += bytes;
        bytes
    }
}
