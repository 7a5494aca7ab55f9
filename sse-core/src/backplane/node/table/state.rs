//! Everything that a node knows of its topics, and who waits for them.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    super::{
        super::{Epoch, Mark, Position, Topic, Want},
        options::NodeOptions,
        shown::Shown,
        sink::Waiter,
    },
    entry::{Copy, Entry, Owner, State},
};

pub(super) struct Waiting {
    pub(super) waiter: Arc<dyn Waiter>,
    /// How many of its topics are not live.
    pub(super) pending: usize,
    pub(super) barrier: Option<Barrier>,
}

/// What a waiter waits for besides its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    /// A mark that is to be asked for.
    Wanted,
    /// It was asked for.
    Asked,
    /// The feed has to come as far as this.
    At(Mark),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) until: Instant,
    pub(super) rest: u32,
}

/// What is to be loaded, and for which copies.
pub(in crate::backplane::node) struct Load {
    pub(in crate::backplane::node) generation: u64,
    pub(in crate::backplane::node) copies: Vec<Copy>,
    pub(in crate::backplane::node) wants: Vec<Want>,
}

/// Everything that a node knows of its topics.
pub(in crate::backplane::node) struct Table {
    #[cfg_attr(not(feature = "test-util"), allow(dead_code, reason = "asked for mutants"))]
    pub(super) options: NodeOptions,
    pub(super) entries: HashMap<Topic, Vec<Entry>>,
    pub(super) waiting: HashMap<u64, Waiting>,
    pub(super) next_waiter: u64,
    /// Waiters whose topics are live and whose barrier is not reached.
    pub(super) held: Vec<u64>,
    /// Waiters that want a mark.
    pub(super) asking: Vec<u64>,
    /// When waiters are turned away, in order.
    pub(super) deadlines: VecDeque<(Instant, u64)>,
    /// Copies without users, in the order in which they were left.
    pub(super) resting: VecDeque<(Copy, Rest)>,
    pub(super) epoch: Option<Epoch>,
    /// How far the feed has come.
    pub(super) reached: Position,
    /// How many marks it has brought.
    pub(super) marks: u64,
    /// Where the watermark and the epoch are shown to those who read them without a lock.
    pub(super) shown: Arc<Shown>,
    /// Rises whenever what is being loaded is worth nothing.
    pub(super) generation: u64,
    /// Whether the feed is broken.
    pub(super) broken: bool,
    /// How many copies had been live and are to be loaded again.
    pub(super) behind: usize,
    pub(super) aside_bytes: usize,
    pub(super) to_unfollow: Vec<Topic>,
    pub(super) to_follow: VecDeque<Copy>,
    pub(super) to_load: VecDeque<Copy>,
    /// What was loaded and waits for the feed.
    pub(super) loaded: Vec<Copy>,
    /// Whether a mark is wanted, for what was loaded.
    pub(super) wants_mark: bool,
    /// The topics that are for all keys of their owners.
    pub(super) for_all: HashMap<Owner, Topic>,
}

/// What somebody has to be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::backplane::node) struct News {
    /// The driver has something to do.
    pub(in crate::backplane::node) work: bool,
    /// Something is due earlier than anything was before.
    pub(in crate::backplane::node) timer: bool,
}

impl Table {
    pub(in crate::backplane::node) fn new(shown: Arc<Shown>, options: NodeOptions) -> Self {
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

    pub(in crate::backplane::node) const fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// How many marks the feed has brought: one that is deaf brings none, also where nothing changes.
    pub(in crate::backplane::node) const fn marks(&self) -> u64 {
        self.marks
    }

    pub(super) fn watermark(&self) -> Position {
        self.shown.watermark()
    }

    pub(in crate::backplane::node) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the feed has come as far as this mark, or beyond its epoch.
    pub(in crate::backplane::node) fn has_reached(&self, mark: Mark) -> bool {
        self.epoch == Some(mark.epoch) && self.reached >= mark.position
    }

    pub(super) fn entry(&mut self, topic: &Topic, owner: Owner) -> Option<&mut Entry> {
        self.entries.get_mut(topic)?.iter_mut().find(|entry| entry.owner == owner)
    }

    /// How many topics are followed, are live, are behind, and wait for the feed; and how far that is.
    pub(in crate::backplane::node) fn summary(&self) -> [u64; 6] {
        let live = self.entries.values().flatten().filter(|entry| entry.state == State::Live);
        let (broken, reached) = (u64::from(self.broken), self.reached.get());
        let (live, behind) = (live.count() as u64, self.behind as u64);
        [self.entries.len() as u64, live, behind, self.loaded.len() as u64, broken, reached]
    }

    /// When there is next something to do.
    pub(in crate::backplane::node) fn next_due(&self) -> Option<Instant> {
        let deadline = self.deadlines.front().map(|(at, _)| *at);
        let rest = self.resting.front().map(|(_, rest)| rest.until);
        match (deadline, rest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
