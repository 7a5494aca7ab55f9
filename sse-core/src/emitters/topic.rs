//! `Topic`: one key and its log.

use std::ops::{Deref, DerefMut};

use super::link::TopicLink;
use crate::{
    emitter::Conn,
    log::{Log, Position, ReceiverCount, Rest},
    sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, lock},
};

/// One key and its log. The log's lock is taken with the shard's or alone, never the other way
/// round.
pub(super) struct Topic<K> {
    pub(super) key: K,
    pub(super) hash: u64,
    slot: Mutex<Slot>,
    /// How many readers take events. Changed under the lock of the connection concerned.
    open: AtomicUsize,
    /// Its number among those with connections, or 0, or [`IDLE`] and until when it is remembered, or [`FORGOTTEN`].
    /// Changed under the shard's lock.
    place: AtomicU64,
    /// The newest event to all keys that this one has, or lacks on purpose. Changed under the shard's lock.
    pub(super) announced: AtomicU64,
    /// What a key on a backplane has besides.
    pub(super) link: Option<Box<TopicLink>>,
}

/// The place of a topic that its key has no more.
const FORGOTTEN: u64 = u64::MAX;
/// Set where it only remembers where it ended; the other bits say until when.
const IDLE: u64 = 1 << 63;

/// A log, or what is left of it.
#[derive(Default)]
pub(super) struct Slot {
    log: Option<Box<Log<Conn>>>,
    /// Meaningless while the log is there.
    rest: Rest,
}

impl Slot {
    /// The log, unless that is at rest.
    #[inline]
    pub(super) fn awake(&mut self) -> Option<&mut Log<Conn>> {
        self.log.as_deref_mut()
    }
}

/// A log, locked.
pub(super) struct LogGuard<'a> {
    slot: MutexGuard<'a, Slot>,
    /// Whether it was at rest before, or is to be from now on.
    may_rest: bool,
}

/// The log of no key. No guard ever shows it, since its log was woken.
static NOTHING: Log<Conn> = Log::new(Position::ZERO);

impl LogGuard<'_> {
    #[cold]
    fn wake(&mut self) {
        let Slot { log, rest } = &mut *self.slot;
        *log = Some(Box::new(rest.wake()));
        self.may_rest = true;
    }

    #[cold]
    fn put_to_rest(&mut self) {
        if let Some(mut log) = self.slot.log.take_if(|log| log.may_rest()) {
            self.slot.rest = log.rest();
        }
    }

    /// Lets the log rest afterwards: nobody needs more of it than where it ended.
    pub(super) fn rest(&mut self) {
        self.may_rest = true;
    }
}

impl Deref for LogGuard<'_> {
    type Target = Log<Conn>;

    #[inline]
    fn deref(&self) -> &Log<Conn> {
        self.slot.log.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for LogGuard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Log<Conn> {
        let Slot { log, rest } = &mut *self.slot;
        match log {
            Some(log) => log,
            none => anew(none, rest),
        }
    }
}

#[cold]
fn anew<'a>(log: &'a mut Option<Box<Log<Conn>>>, rest: &mut Rest) -> &'a mut Log<Conn> {
    log.insert(Box::new(rest.wake()))
}

impl Drop for LogGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.may_rest {
            self.put_to_rest();
        }
    }
}

impl<K> Topic<K> {
    pub(super) fn new(key: K, hash: u64, link: Option<Box<TopicLink>>) -> Self {
        let slot = Mutex::new(Slot::default());
        let (open, place, announced) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { key, hash, slot, open, place, announced, link }
    }

    /// Its log, locked. One that was at rest is so again afterwards, unless something has come.
    #[inline]
    pub(super) fn log(&self) -> LogGuard<'_> {
        let mut log = LogGuard { slot: lock(&self.slot), may_rest: false };
        if log.slot.log.is_none() {
            log.wake();
        }
        log
    }

    /// The log at rest or awake, locked, for whoever neither wakes it nor lets it rest.
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Slot> {
        lock(&self.slot)
    }

    /// Whether this is the topic of its key, and was not forgotten meanwhile. Certain under the shard's lock.
    pub(super) fn is_current(&self) -> bool {
        self.place.load(Ordering::Acquire) != FORGOTTEN
    }

    /// Notes that its key has it no more.
    pub(super) fn forgotten(&self) {
        self.place.store(FORGOTTEN, Ordering::Release);
    }

    /// Its number among those with connections, or 0.
    pub(super) fn place(&self) -> u64 {
        let place = self.place.load(Ordering::Acquire);
        if place & IDLE == 0 { place } else { 0 }
    }

    /// Notes that it has connections, or none any more. Returns its number before.
    pub(super) fn put_at(&self, place: u64) -> u64 {
        self.place.swap(place, Ordering::AcqRel)
    }

    /// Notes that it only remembers where it ended.
    pub(super) fn idles(&self, until: u64) {
        self.place.store(IDLE | until, Ordering::Release);
    }

    /// Whether it is remembered until then, and nothing has come since that was noted.
    pub(super) fn idles_until(&self, until: u64) -> bool {
        self.place.load(Ordering::Acquire) == IDLE | until
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
