//! One key, and its log.

use super::link::TopicLink;
use crate::{
    emitter::Conn,
    log::{Log, Position, ReceiverCount},
    sync::{AtomicU64, AtomicUsize, Mutex, Ordering},
};

/// One key and its log. The log's lock is taken with the registry's or alone, never the other way
/// round.
pub(super) struct Topic<K> {
    pub(super) key: K,
    pub(super) hash: u64,
    pub(super) log: Mutex<Log<Conn>>,
    /// How many readers take events. Changed under the lock of the connection concerned.
    open: AtomicUsize,
    /// Its number among those with connections, or 0, or [`FORGOTTEN`]. Changed under the registry's
    /// lock.
    pub(super) place: AtomicU64,
    /// The newest event to all keys that this one has, or lacks on purpose. Changed under the registry's lock.
    pub(super) announced: AtomicU64,
    /// Of a key that is on a backplane.
    pub(super) link: Option<Box<TopicLink>>,
}

/// The place of a topic that its key has no more.
const FORGOTTEN: u64 = u64::MAX;

impl<K> Topic<K> {
    pub(super) fn new(key: K, hash: u64, link: Option<Box<TopicLink>>) -> Self {
        let log = Mutex::new(Log::new(Position::ZERO));
        let (open, place, announced) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { key, hash, log, open, place, announced, link }
    }

    /// Is this the topic of its key, or was that forgotten meanwhile? Certain under the registry's lock.
    pub(super) fn is_current(&self) -> bool {
        self.place.load(Ordering::Acquire) != FORGOTTEN
    }

    /// Its key has it no more.
    pub(super) fn forgotten(&self) {
        self.place.store(FORGOTTEN, Ordering::Release);
    }

    /// How many readers take events.
    pub(super) fn receivers(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }
}

impl<K: Send + Sync> ReceiverCount for Topic<K> {
    fn opened(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    fn closed(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}
