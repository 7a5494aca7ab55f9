//! `Node`: one node's feed, filled in the store's order and emptied by whoever comes by.

use std::{collections::VecDeque, sync::OnceLock, time::Duration};

use crate::{
    backplane::{Feed, FeedItem},
    sync::plain::{self, Mutex},
};

/// How many items wait for one node's feed at most. What comes then is dropped, and the feed says `Broke` and, once
/// it is empty, `Whole`.
pub const MAX_FEED_ITEMS: usize = 65_536;

/// How many bytes of bodies wait for one node's feed at most: 64 MiB.
pub const MAX_FEED_BYTES: usize = 64 * 1024 * 1024;

/// A node as the store sees it.
pub(super) struct Node {
    pub(super) number: u64,
    feed: OnceLock<Feed>,
    inbox: Mutex<Inbox>,
}

/// What waits for the feed.
#[derive(Default)]
pub(super) struct Inbox {
    items: VecDeque<FeedItem>,
    bytes: usize,
    /// Whether a thread is emptying it, which will find what is added.
    draining: bool,
    /// Whether there was too much: nothing is added until it is empty.
    overflowed: bool,
    closed: bool,
    pub(super) script: Script,
}

/// What goes wrong on purpose. Nothing, outside of tests.
#[derive(Default)]
pub(super) struct Script {
    /// Nothing comes, until `Whole`.
    pub(super) broken: bool,
    /// Nothing comes, and nobody says so.
    pub(super) deaf: bool,
    /// What comes is kept back.
    pub(super) held: bool,
    /// How many items with records are lost.
    pub(super) lose: usize,
    /// Every call fails.
    pub(super) away: bool,
    /// It stays away.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) dead: bool,
    /// How many appends fail before they are stored.
    pub(super) fail_before: usize,
    /// How many appends fail although they are stored.
    pub(super) fail_after: usize,
    /// How many loads fail.
    pub(super) fail_loads: usize,
    /// No bell comes.
    pub(super) no_bells: bool,
    /// Every beat fails.
    pub(super) no_beats: bool,
    /// How many verdicts fail before they are stored.
    pub(super) settle_before: usize,
    /// How many verdicts fail although they are stored.
    pub(super) settle_after: usize,
    /// By how much the answer of a load is delayed after it has read.
    pub(super) slow_load: Duration,
    /// Verdicts are stored so much later.
    pub(super) slow_settle: Duration,
    /// The newest records that came, to be repeated.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) recent: VecDeque<(crate::backplane::Epoch, crate::backplane::Record)>,
}

impl Node {
    pub(super) fn new(number: u64) -> Self {
        Self { number, feed: OnceLock::new(), inbox: Mutex::default() }
    }

    /// `false` if it was started before.
    pub(super) fn start(&self, feed: Feed) -> bool {
        self.feed.set(feed).is_ok()
    }

    pub(super) fn is_started(&self) -> bool {
        self.feed.get().is_some()
    }

    pub(super) fn is_closed(&self) -> bool {
        plain::lock(&self.inbox).closed
    }

    /// Adds something. Called under the store's lock, which makes the order; [`drain`](Self::drain) is called after it.
    pub(super) fn push(&self, item: FeedItem) {
        plain::lock(&self.inbox).push(item);
    }

    /// Brings the feed what waits, unless somebody does so already. Called without any lock.
    pub(super) fn drain(&self) {
        let Some(feed) = self.feed.get() else { return };
        let Some(turn) = Turn::take(self) else { return };
        loop {
            let Some(item) = plain::lock(&self.inbox).next() else { break };
            feed.put(item);
        }
        drop(turn);
        // What was added between the last look and the end of the turn found somebody at it.
        if plain::lock(&self.inbox).waits() {
            self.drain();
        }
    }

    /// Ends the feed: nothing comes any more.
    pub(super) fn close(&self) {
        let mut inbox = plain::lock(&self.inbox);
        inbox.closed = true;
        inbox.items.clear();
    }

    /// Does something with what waits and what goes wrong.
    pub(super) fn inbox<T>(&self, look: impl FnOnce(&mut Inbox) -> T) -> T {
        look(&mut plain::lock(&self.inbox))
    }
}

impl Inbox {
    fn push(&mut self, item: FeedItem) {
        if self.closed || self.script.passes_over(&item) || self.overflowed {
            return;
        }
        let bytes = bytes(&item);
        if self.items.len() >= MAX_FEED_ITEMS || self.bytes.saturating_add(bytes) > MAX_FEED_BYTES {
            self.overflowed = true;
            self.items.push_back(FeedItem::Broke);
            return;
        }
        self.bytes += bytes;
        self.items.push_back(item);
    }

    fn next(&mut self) -> Option<FeedItem> {
        if self.closed || self.script.held {
            return None;
        }
        let next = self.items.pop_front();
        if next.is_none() && self.overflowed {
            self.overflowed = false;
            return Some(FeedItem::Whole);
        }
        self.bytes -= next.as_ref().map_or(0, bytes);
        next
    }

    fn waits(&self) -> bool {
        !self.draining && !self.closed && !self.script.held && !self.items.is_empty()
    }

    /// Adds something of the connection itself, whatever goes wrong with it.
    pub(super) fn say(&mut self, item: FeedItem) {
        if !self.closed {
            self.bytes += bytes(&item);
            self.items.push_back(item);
        }
    }
}

impl Script {
    fn passes_over(&mut self, item: &FeedItem) -> bool {
        if self.broken || self.deaf {
            return true;
        }
        if matches!(item, FeedItem::Bell) {
            return self.no_bells;
        }
        let FeedItem::Records { .. } = item else { return false };
        if self.lose > 0 {
            self.lose -= 1;
            return true;
        }
        #[cfg(any(test, feature = "test-util"))]
        self.remember(item);
        false
    }
}

fn bytes(item: &FeedItem) -> usize {
    let FeedItem::Records { records, .. } = item else { return 0 };
    records.iter().map(|record| record.change.bytes()).sum()
}

/// Being the one who empties the inbox; given back also if the feed panics.
struct Turn<'a>(&'a Node);

impl<'a> Turn<'a> {
    fn take(node: &'a Node) -> Option<Self> {
        let mut inbox = plain::lock(&node.inbox);
        if inbox.draining {
            return None;
        }
        inbox.draining = true;
        Some(Self(node))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        plain::lock(&self.0.inbox).draining = false;
    }
}
