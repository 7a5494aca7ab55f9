//! What readers and senders see of a node without its lock.

use super::super::{Epoch, Position};
use crate::sync::{AtomicU64, Ordering};

/// How far a node is. Written under the node's lock, but for what was acknowledged.
#[derive(Debug)]
pub(crate) struct Shown {
    watermark: AtomicU64,
    acknowledged: AtomicU64,
    epoch: AtomicU64,
}

impl Shown {
    pub(super) fn new() -> Self {
        Self {
            watermark: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
        }
    }

    /// Every event with a position up to this one is in its log, in all logs that are live.
    pub(crate) fn watermark(&self) -> Position {
        Position::new(self.watermark.load(Ordering::Acquire))
    }

    /// The newest position that this node knows of: of its own sends it knows before the feed brings them.
    pub(crate) fn newest(&self) -> Position {
        let acknowledged = Position::new(self.acknowledged.load(Ordering::Acquire));
        self.watermark().max(acknowledged)
    }

    /// The store's epoch; zero before the store has said it.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch.load(Ordering::Acquire))
    }

    pub(super) fn enter(&self, epoch: Epoch) {
        self.watermark.store(0, Ordering::Release);
        self.acknowledged.store(0, Ordering::Release);
        self.epoch.store(epoch.get(), Ordering::Release);
    }

    pub(super) fn advance(&self, watermark: Position) {
        self.watermark.store(watermark.get(), Ordering::Release);
    }

    pub(super) fn acknowledge(&self, position: Position) {
        self.acknowledged.fetch_max(position.get(), Ordering::AcqRel);
    }
}
