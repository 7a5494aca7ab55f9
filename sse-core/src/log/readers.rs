//! Who reads a log, and how far each has read: a list that is walked without a lock.

use std::sync::Arc as Block;

use super::Seq;
use crate::sync::Arc;

/// How many readers share one block, and so are copied together when the list changes during a walk.
const BLOCK: usize = 64;

/// The cursor of a place that nobody has: behind every record.
const VACANT: Seq = Seq::NEVER;

/// Which reader of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReaderId(usize);

/// Shared by snapshots and copied on a change. Always the standard library's `Arc`: the model
/// checker's has no `make_mut`, and there is nothing to check about a value that never changes.
type SharedBlock<T> = Block<Vec<Option<Arc<T>>>>;

/// The places in order. Most logs have few readers: those need the first block alone.
#[derive(Debug)]
struct Blocks<T> {
    first: Option<SharedBlock<T>>,
    others: Option<Block<Vec<SharedBlock<T>>>>,
}

impl<T> Clone for Blocks<T> {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), others: self.others.clone() }
    }
}

impl<T> Blocks<T> {
    const NONE: Self = Self { first: None, others: None };

    /// The block of this place, to change.
    fn of(&mut self, index: usize) -> &mut Vec<Option<Arc<T>>> {
        let block = match index / BLOCK {
            0 => self.first.get_or_insert_default(),
            index => {
                let others = Block::make_mut(self.others.get_or_insert_default());
                if others.len() < index {
                    others.resize_with(index, SharedBlock::default);
                }
                &mut others[index - 1]
            }
        };
        Block::make_mut(block)
    }
}

/// The readers of a log and how far each has read.
///
/// Whoever publishes takes a [`Snapshot`] under the log's lock (one reference count) and wakes the
/// readers after releasing it. A change during a walk copies one block, not the list.
#[derive(Debug)]
pub(super) struct Readers<T> {
    blocks: Blocks<T>,
    /// The sequence number that each reads next; dense, so that finding the smallest is cheap.
    cursors: Vec<Seq>,
    vacant: Vec<usize>,
}

/// The readers at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot<T>(Blocks<T>);

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Readers<T> {
    pub(super) fn new() -> Self {
        Self { blocks: Blocks::NONE, cursors: Vec::new(), vacant: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.cursors.len() - self.vacant.len()
    }

    /// A new reader, which reads `next` first.
    pub(super) fn join(&mut self, reader: Arc<T>, next: Seq) -> ReaderId {
        let index = self.vacant.pop().unwrap_or(self.cursors.len());
        let block = self.blocks.of(index);
        if index == self.cursors.len() {
            self.cursors.push(next);
            block.push(Some(reader));
        } else {
            self.cursors[index] = next;
            block[index % BLOCK] = Some(reader);
        }
        ReaderId(index)
    }

    /// One reader less. With the last all memory goes.
    pub(super) fn leave(&mut self, ReaderId(index): ReaderId) {
        if self.len() == 1 {
            *self = Self::new();
            return;
        }
        self.cursors[index] = VACANT;
        self.vacant.push(index);
        self.blocks.of(index)[index % BLOCK] = None;
    }

    pub(super) fn cursor(&self, ReaderId(index): ReaderId) -> Seq {
        self.cursors[index]
    }

    /// Every reader reads `next` first.
    pub(super) fn advance_all(&mut self, next: Seq) {
        self.cursors
            .iter_mut()
            .filter(|cursor| **cursor != VACANT)
            .for_each(|cursor| *cursor = next);
    }

    pub(super) fn advance(&mut self, ReaderId(index): ReaderId, next: Seq) {
        self.cursors[index] = next;
    }

    /// How many readers read this next.
    pub(super) fn reading_at(&self, next: Seq) -> usize {
        self.cursors.iter().filter(|cursor| **cursor == next).count()
    }

    /// The record that the slowest reader reads next; one that never comes, without readers.
    pub(super) fn slowest(&self) -> Seq {
        self.cursors.iter().copied().min().unwrap_or(VACANT)
    }

    /// Those of whom something is true.
    pub(super) fn of(&self, is_one: impl Fn(&Arc<T>) -> bool) -> Vec<ReaderId> {
        let others = self.blocks.others.iter().flat_map(|others| others.iter());
        let all = self.blocks.first.iter().chain(others).flat_map(|block| block.iter());
        let of = all.enumerate().filter(|(_, reader)| reader.as_ref().is_some_and(&is_one));
        of.map(|(index, _)| ReaderId(index)).collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot<T> {
        Snapshot(self.blocks.clone())
    }
}

impl<T> Snapshot<T> {
    /// In how many blocks the readers are.
    pub(crate) fn blocks(&self) -> usize {
        usize::from(self.0.first.is_some()) + self.0.others.as_ref().map_or(0, |o| o.len())
    }

    /// The readers in one of them.
    pub(crate) fn block(&self, index: usize) -> impl Iterator<Item = &Arc<T>> {
        let block = match index {
            0 => self.0.first.as_ref(),
            index => self.0.others.as_ref().and_then(|others| others.get(index - 1)),
        };
        block.into_iter().flat_map(|block| block.iter().flatten())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        let others = self.0.others.iter().flat_map(|others| others.iter());
        self.0.first.iter().chain(others).flat_map(|block| block.iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(readers: &Readers<&'static str>) -> Vec<&'static str> {
        readers.snapshot().iter().map(|name| **name).collect()
    }

    #[test]
    fn a_place_is_used_again() {
        let mut readers = Readers::new();
        let a = readers.join(Arc::new("a"), Seq::ZERO);
        readers.join(Arc::new("b"), Seq::ZERO);
        readers.leave(a);
        assert_eq!(readers.join(Arc::new("c"), Seq::ZERO.plus(5)), a);
        assert_eq!(names(&readers), ["c", "b"]);
        assert_eq!(readers.len(), 2);
    }

    #[test]
    fn a_snapshot_has_the_readers_of_its_moment() {
        let mut readers = Readers::new();
        let a = readers.join(Arc::new("a"), Seq::ZERO);
        let snapshot = readers.snapshot();
        readers.leave(a);
        readers.join(Arc::new("b"), Seq::ZERO);
        assert_eq!(snapshot.iter().map(|name| **name).collect::<Vec<_>>(), ["a"]);
        assert_eq!(names(&readers), ["b"]);
    }

    #[test]
    fn the_slowest_counts_only_readers() {
        let mut readers = Readers::new();
        let slow = readers.join(Arc::new("slow"), Seq::ZERO.plus(3));
        readers.join(Arc::new("quick"), Seq::ZERO.plus(9));
        assert_eq!(readers.slowest(), Seq::ZERO.plus(3));
        readers.leave(slow);
        assert_eq!(readers.slowest(), Seq::ZERO.plus(9));
    }

    #[test]
    fn many_readers_fill_several_blocks() {
        let mut readers = Readers::new();
        let all: Vec<_> = (0..200).map(|n| readers.join(Arc::new(n), Seq::ZERO)).collect();
        let snapshot = readers.snapshot();
        assert_eq!(snapshot.iter().count(), 200);
        assert_eq!(snapshot.blocks(), 4);
        let by_block: Vec<_> =
            (0..5).flat_map(|index| snapshot.block(index)).map(|n| **n).collect();
        assert_eq!(by_block, (0..200).collect::<Vec<_>>());
        for id in all {
            readers.leave(id);
        }
        assert_eq!(readers.len(), 0);
        assert_eq!(readers.snapshot().iter().count(), 0);
    }
}
