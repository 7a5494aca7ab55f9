//! `Shards`: all shards, and the one order that they share.
//!
//! Sends to keys of different shards wait for each other nowhere. What they share is the clock, which is one atomic
//! number, and by that one order: a position that is given later is greater, whatever the shard. An event may be in its
//! log before one that got an earlier position in another shard, though. Who reads several logs must not go past such a
//! one, since the id that its client holds says what it has of all of them. So whoever gives a position says so before
//! he asks the clock, and is waited for by those who want to know up to where all logs are complete.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    super::{
        table::{SHARDS, Table, shard_of},
        topic::Topic,
    },
    Kept, MEMORY_KEYS, Registry,
    locked::{Locked, NONE, Shard},
    totals::{Costs, Excess, Totals},
};
use crate::{
    log::{Bounds, Position, Record},
    sync::{Arc, AtomicU64, Ordering},
};

/// All shards.
pub(in crate::emitters) struct Shards<K> {
    shards: [Shard<K>; SHARDS],
    table: Arc<Table<K>>,
    totals: Arc<Totals>,
    /// Where an event to all keys stands that is on its way, or after everything.
    to_all: AtomicU64,
}

impl<K> Shards<K> {
    const COSTS: Costs =
        Costs { key: Topic::<K>::COST, record: size_of::<Kept<K>>(), most_idle: MEMORY_KEYS };

    pub(in crate::emitters) fn new(
        table: Arc<Table<K>>,
        linked: bool,
        patience: Duration,
        newest: Position,
    ) -> Self {
        let (totals, born) = (Arc::<Totals>::default(), Instant::now());
        let shards = std::array::from_fn(|_| {
            let (table, totals) = (Arc::clone(&table), Arc::clone(&totals));
            Shard::new(Registry::new(table, totals, linked, patience, born), newest)
        });
        Self { shards, table, totals, to_all: AtomicU64::new(Position::LAST.get()) }
    }

    /// The shard of the keys with this hash, locked.
    pub(in crate::emitters) fn lock(&self, hash: u64) -> Locked<'_, K> {
        Locked::lock(&self.shards[shard_of(hash)])
    }

    /// The shard with this index, locked.
    pub(in crate::emitters) fn at(&self, index: usize) -> Locked<'_, K> {
        Locked::lock(&self.shards[index])
    }

    /// The shards one after the other, each locked when it is asked for.
    pub(in crate::emitters) fn each(&self) -> impl Iterator<Item = Locked<'_, K>> {
        self.shards.iter().map(Locked::lock)
    }

    /// All shards at once. Nobody else holds two, and all are locked in one order.
    pub(in crate::emitters) fn lock_all(&self) -> AllLocked<'_, K> {
        AllLocked(self.each().collect())
    }

    #[cfg(test)]
    pub(in crate::emitters) fn events(&self) -> usize {
        self.totals.events()
    }

    pub(in crate::emitters) fn connections(&self) -> usize {
        self.totals.connections()
    }

    /// The newest position that was given. Under the lock of a shard, its logs have everything up to it that is for
    /// them, once [helped](Registry::help): who gives a position there holds that lock.
    pub(in crate::emitters) fn newest(&self) -> Position {
        let newest = self.shards.iter().map(|shard| shard.newest.load(Ordering::Acquire)).max();
        newest.map_or(Position::ZERO, Position::new)
    }

    /// Every event with a position up to this one is in its log. Waits for those who are bringing theirs there; so not
    /// to be asked under the lock of a shard.
    pub(in crate::emitters) fn complete(&self) -> Position {
        // Whoever has an earlier position than this one has asked the clock before, and said so before that.
        let newest = self.newest();
        for shard in &self.shards {
            if shard.gives.load(Ordering::Acquire) {
                drop(Locked::lock(shard));
            }
        }
        newest.min(Position::new(self.to_all.load(Ordering::Acquire)).before())
    }

    /// Begins an event for all who are connected now, with one position, in its place everywhere: while the clock is
    /// asked nobody else is given one. One at a time.
    pub(in crate::emitters) fn begin_to_all<R>(&self, make: impl FnOnce() -> (Record, R)) -> R {
        let mut all = self.lock_all();
        let turns: Vec<_> = all.0.iter().map(Locked::begin).collect();
        let (record, result) = make();
        let position = record.position;
        self.to_all.store(position.get(), Ordering::Release);
        all.0.iter_mut().for_each(|shard| shard.begin_to_all(record.clone()));
        turns.into_iter().for_each(|turn| turn.stands_at(position));
        result
    }

    /// Ends an event to all keys: all have it.
    pub(in crate::emitters) fn end_to_all(&self) {
        self.to_all.store(Position::LAST.get(), Ordering::Release);
    }

    #[cfg(test)]
    pub(in crate::emitters) fn used(&self) -> usize {
        self.totals.used(self.table.len(), &Self::COSTS)
    }

    /// Drops the oldest, of whatever key, while there is too much in all. Returns keys that are not worth following
    /// any more. Not to be called under the lock of a shard.
    pub(in crate::emitters) fn relieve(&self, bounds: &Bounds, now: Instant) -> Vec<Arc<Topic<K>>> {
        let mut evicted = Vec::new();
        while let Some(excess) = self.excess(bounds)
            && let Some(shard) = self.with_oldest(excess)
        {
            let mut registry = Locked::lock(shard);
            match excess {
                Excess::Events => evicted.extend(registry.drop_oldest(now)),
                Excess::Keys => registry.forget_oldest(),
            }
        }
        evicted
    }

    fn excess(&self, bounds: &Bounds) -> Option<Excess> {
        self.totals.excess(bounds, self.table.len(), &Self::COSTS)
    }

    fn with_oldest(&self, excess: Excess) -> Option<&Shard<K>> {
        let oldest = |shard: &Shard<K>| shard.oldest(excess as usize);
        self.shards.iter().filter(|shard| oldest(shard) != NONE).min_by_key(|shard| oldest(shard))
    }

    /// The frame, counted for as long as anybody has it if it is large.
    pub(in crate::emitters) fn counted(&self, frame: Bytes) -> Bytes {
        self.totals.counted(frame)
    }

    /// Counts something that is kept for those who come later and that is in no log.
    pub(in crate::emitters) fn lend(&self, bytes: usize) {
        self.totals.settle(0, bytes);
    }

    /// Counts it no more.
    pub(in crate::emitters) fn take_back(&self, bytes: usize) {
        self.totals.settle(bytes, 0);
    }
}

/// Every shard, locked.
pub(in crate::emitters) struct AllLocked<'a, K>(Vec<Locked<'a, K>>);

impl<'a, K> AllLocked<'a, K> {
    /// The shard of the keys with this hash.
    pub(in crate::emitters) fn of(&mut self, hash: u64) -> &mut Locked<'a, K> {
        &mut self.0[shard_of(hash)]
    }

    pub(in crate::emitters) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Locked<'a, K>> {
        self.0.iter_mut()
    }
}
