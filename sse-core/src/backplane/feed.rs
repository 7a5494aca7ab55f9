//! `Feed`: what the store tells a process by itself.

use std::{fmt, sync::Arc};

use super::{Epoch, Mark, Record};

/// One thing that a feed brings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FeedItem {
    /// Changes of topics that are followed, in rising positions, each once unless [`Broke`](Self::Broke) came between. What is
    /// not followed may be among them and is passed over.
    Records {
        /// The epoch of all of them.
        epoch: Epoch,
        /// The changes.
        records: Vec<Record>,
    },
    /// The store stands here, and every change of a followed topic up to this position came before this item.
    Mark(Mark),
    /// From now on something may be missing, until [`Whole`](Self::Whole). What comes between may come twice.
    Broke,
    /// Every topic that is followed is followed again: whoever loads now misses nothing.
    Whole,
    /// Something may wait in the [`Queue`](super::Queue). May come too often, and may be lost: it only saves waiting.
    Bell,
}

/// Where an engine puts what its store tells it. Cheap to clone.
///
/// What is put here is taken before the call returns; it never blocks and never waits. One task of the engine puts
/// in order; items from several tasks have no order between them.
///
/// ```
/// # use sse_tower_core::backplane::{Feed, FeedItem};
/// # use std::sync::{Arc, Mutex};
/// let heard = Arc::new(Mutex::new(Vec::new()));
/// let feed = Feed::new({
///     let heard = heard.clone();
///     move |item| heard.lock().unwrap().push(item)
/// });
/// feed.put(FeedItem::Whole);
/// assert!(matches!(heard.lock().unwrap()[..], [FeedItem::Whole]));
/// ```
#[derive(Clone)]
pub struct Feed(Arc<dyn Fn(FeedItem) + Send + Sync>);

impl Feed {
    /// A feed that calls `take` for each item. It must not block.
    pub fn new(take: impl Fn(FeedItem) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Brings one item.
    pub fn put(&self, item: FeedItem) {
        (self.0)(item);
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}
