//! `Feeds`: the nodes of this process, and what they follow.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use sse_tower_core::backplane::{Epoch, Feed, FeedItem, Record, Topic};

/// Which node hears what. Only the writer's thread brings anything, outside of the lock.
#[derive(Default)]
pub(super) struct Feeds(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    feeds: BTreeMap<u64, Feed>,
    followers: HashMap<Topic, Vec<u64>>,
}

impl Feeds {
    pub(super) fn add(&self, node: u64, feed: Feed) {
        self.0.lock().feeds.insert(node, feed);
    }

    pub(super) fn remove(&self, node: u64) {
        let mut inner = self.0.lock();
        if inner.feeds.remove(&node).is_some() {
            inner.followers.retain(|_, followers| {
                followers.retain(|follower| *follower != node);
                !followers.is_empty()
            });
        }
    }

    pub(super) fn follow(&self, node: u64, topics: Vec<Topic>) {
        let mut inner = self.0.lock();
        for topic in topics {
            let followers = inner.followers.entry(topic).or_default();
            if !followers.contains(&node) {
                followers.push(node);
            }
        }
    }

    pub(super) fn unfollow(&self, node: u64, topics: &[Topic]) {
        let mut inner = self.0.lock();
        for topic in topics {
            let Some(followers) = inner.followers.get_mut(topic) else { continue };
            followers.retain(|follower| *follower != node);
            if followers.is_empty() {
                inner.followers.remove(topic);
            }
        }
    }

    /// Brings one node something.
    pub(super) fn put(&self, node: u64, item: FeedItem) {
        let feed = self.0.lock().feeds.get(&node).cloned();
        if let Some(feed) = feed {
            feed.put(item);
        }
    }

    /// Brings all nodes something.
    pub(super) fn put_all(&self, item: &FeedItem) {
        let feeds: Vec<_> = self.0.lock().feeds.values().cloned().collect();
        for feed in feeds {
            feed.put(item.clone());
        }
    }

    /// Brings each node what it follows.
    pub(super) fn records(&self, epoch: Epoch, records: Vec<Record>) {
        let inner = self.0.lock();
        let mut shares = BTreeMap::<u64, Vec<Record>>::new();
        for record in records {
            for node in inner.followers.get(&record.topic).into_iter().flatten() {
                shares.entry(*node).or_default().push(record.clone());
            }
        }
        let shares: Vec<_> = shares
            .into_iter()
            .filter_map(|(node, records)| Some((inner.feeds.get(&node)?.clone(), records)))
            .collect();
        drop(inner);
        for (feed, records) in shares {
            feed.put(FeedItem::Records { epoch, records });
        }
    }
}
