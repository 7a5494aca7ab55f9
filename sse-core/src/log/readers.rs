//! `Readers`: who reads a log and how far each has read, a list that is walked without a lock.

use std::sync::Arc as Block;

use super::Seq;
use crate::sync::Arc;

/// How many readers share one block, and so are copied together when the list changes during a walk.
const BLOCK: usize = 64;

/// The cursor of a place that nobody has: behind every record.
const VACANT: Seq = Seq::NEVER;

/// The cursor of somebody who was [put out](Readers::put_out), until its place is given back: behind every
/// record too, and it moves no more.
const LEFT: Seq = Seq::LEFT;

/// Which reader of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReaderId(u32);

impl ReaderId {
    /// The reader at this place: there are never as many as would not fit.
    const fn at(place: usize) -> Self {
        Self(place as u32)
    }

    const fn place(self) -> usize {
        self.0 as usize
    }
}

/// Shared by snapshots and copied on a change. Always the standard library's `Arc`: the model
/// checker's has no `make_mut`, and there is nothing to check about a value that never changes.
type SharedBlock<T> = Block<Vec<Option<Arc<T>>>>;

/// The readers of a log and how far each has read.
///
/// Whoever publishes takes a [`Snapshot`] under the log's lock (two reference counts) and wakes the
/// readers after releasing it. A change during a walk copies one block, not the list.
#[derive(Debug)]
pub(super) struct Readers<T> {
    /// The reader at place 0. Most logs have one reader, and those need nothing else.
    first: Option<Arc<T>>,
    first_cursor: Seq,
    others: Option<Box<Others<T>>>,
}

/// The places from 1 on.
#[derive(Debug)]
struct Others<T> {
    blocks: Block<Vec<SharedBlock<T>>>,
    /// The sequence number that each reads next; dense, so that finding the smallest is cheap.
    cursors: Vec<Seq>,
    vacant: Vec<usize>,
    /// How many of those that are not vacant are nobody's any more.
    left: usize,
}

impl<T> Others<T> {
    fn new() -> Self {
        Self { blocks: Block::default(), cursors: Vec::new(), vacant: Vec::new(), left: 0 }
    }

    fn len(&self) -> usize {
        self.cursors.len() - self.vacant.len() - self.left
    }

    /// The block of this place, to change.
    fn block(&mut self, index: usize) -> &mut Vec<Option<Arc<T>>> {
        let blocks = Block::make_mut(&mut self.blocks);
        if blocks.len() <= index / BLOCK {
            blocks.resize_with(index / BLOCK + 1, SharedBlock::default);
        }
        Block::make_mut(&mut blocks[index / BLOCK])
    }

    fn join(&mut self, reader: Arc<T>, next: Seq) -> usize {
        let index = self.vacant.pop().unwrap_or(self.cursors.len());
        if index == self.cursors.len() {
            self.cursors.push(next);
            self.block(index).push(Some(reader));
        } else {
            self.cursors[index] = next;
            self.block(index)[index % BLOCK] = Some(reader);
        }
        index
    }

    /// Removes a reader. Whether it was there until now.
    fn leave(&mut self, index: usize) -> bool {
        let was_there = std::mem::replace(&mut self.cursors[index], VACANT) != LEFT;
        self.vacant.push(index);
        if was_there {
            self.block(index)[index % BLOCK] = None;
        } else {
            self.left -= 1;
        }
        was_there
    }

    fn put_out(&mut self, index: usize) {
        self.cursors[index] = LEFT;
        self.left += 1;
        self.block(index)[index % BLOCK] = None;
    }
}

/// The readers at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot<T> {
    first: Option<Arc<T>>,
    others: Option<Block<Vec<SharedBlock<T>>>>,
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), others: self.others.clone() }
    }
}

impl<T> Readers<T> {
    pub(super) const fn new() -> Self {
        Self { first: None, first_cursor: VACANT, others: None }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.len())
    }

    /// Whether nobody has a place here, not even a reader that was put out.
    pub(super) fn has_no_places(&self) -> bool {
        self.first_cursor == VACANT && self.others.is_none()
    }

    /// Adds a reader, which reads `next` first.
    pub(super) fn join(&mut self, reader: Arc<T>, next: Seq) -> ReaderId {
        if self.first_cursor == VACANT {
            (self.first, self.first_cursor) = (Some(reader), next);
            return ReaderId(0);
        }
        let others = self.others.get_or_insert_with(|| Box::new(Others::new()));
        ReaderId::at(1 + others.join(reader, next))
    }

    /// Removes a reader, unless it was put out before. With the last of the others their memory is given back.
    pub(super) fn leave(&mut self, id: ReaderId) -> bool {
        let Some(index) = id.place().checked_sub(1) else {
            self.first_cursor = VACANT;
            return self.first.take().is_some();
        };
        let was_there = self.others.as_mut().is_some_and(|others| others.leave(index));
        self.others.take_if(|others| others.vacant.len() == others.cursors.len());
        was_there
    }

    /// Removes a reader that has not left from the list. Its place stays its own until it leaves, so that no other
    /// reader gets its number. `false` if this one is not there.
    pub(super) fn put_out(&mut self, id: ReaderId, reader: &Arc<T>) -> bool {
        if !self.at(id).is_some_and(|known| Arc::ptr_eq(known, reader)) {
            return false;
        }
        match (id.place().checked_sub(1), &mut self.others) {
            (None, _) => (self.first, self.first_cursor) = (None, LEFT),
            (Some(index), Some(others)) => others.put_out(index),
            (Some(_), None) => return false,
        }
        true
    }

    fn at(&self, id: ReaderId) -> Option<&Arc<T>> {
        let Some(index) = id.place().checked_sub(1) else { return self.first.as_ref() };
        let block = self.others.as_ref()?.blocks.get(index / BLOCK)?;
        block.get(index % BLOCK)?.as_ref()
    }

    /// The readers that have yet to read something before `seq`.
    pub(super) fn before(&self, seq: Seq) -> Vec<(ReaderId, Arc<T>)> {
        let others = self.others.iter().flat_map(|others| &others.cursors);
        let cursors = std::iter::once(&self.first_cursor).chain(others).enumerate();
        let ids =
            cursors.filter(|(_, cursor)| **cursor < seq).map(|(index, _)| ReaderId::at(index));
        ids.filter_map(|id| Some((id, Arc::clone(self.at(id)?)))).collect()
    }

    #[inline]
    pub(super) fn cursor_mut(&mut self, id: ReaderId) -> Option<&mut Seq> {
        match id.place().checked_sub(1) {
            None => Some(&mut self.first_cursor),
            Some(index) => self.others.as_mut()?.cursors.get_mut(index),
        }
    }

    #[inline]
    pub(super) fn cursor(&self, id: ReaderId) -> Seq {
        match (id.place().checked_sub(1), &self.others) {
            (None, _) => self.first_cursor,
            (Some(index), Some(others)) => others.cursors[index],
            (Some(_), None) => VACANT,
        }
    }

    /// Lets every reader read `next` first.
    pub(super) fn advance_all(&mut self, next: Seq) {
        let others = self.others.iter_mut().flat_map(|others| &mut others.cursors);
        for cursor in std::iter::once(&mut self.first_cursor).chain(others) {
            if *cursor < LEFT {
                *cursor = next;
            }
        }
    }

    pub(super) fn advance(&mut self, id: ReaderId, next: Seq) {
        if let Some(cursor) = self.cursor_mut(id)
            && *cursor != LEFT
        {
            *cursor = next;
        }
    }

    /// A reader whose next record is `next`, among the first `most` places behind `after`; behind the last place
    /// comes the first.
    pub(super) fn next_at(&self, next: Seq, after: ReaderId, most: usize) -> Option<ReaderId> {
        let after = after.place();
        let others = self.others.as_ref().map_or(&[][..], |others| &others.cursors);
        let (before, behind) = others.split_at_checked(after).unwrap_or((others, &[]));
        let at = |cursor: &Seq| *cursor == next;
        if let Some(index) = behind.iter().take(most).position(at) {
            return Some(ReaderId::at(after + 1 + index));
        }
        let most = most.checked_sub(behind.len() + 1)?;
        if self.first_cursor == next {
            return Some(ReaderId(0));
        }
        before.iter().take(most).position(at).map(|index| ReaderId::at(1 + index))
    }

    /// The record that the slowest reader reads next; one that never comes, without readers.
    pub(super) fn slowest(&self) -> Seq {
        let others = self.others.as_ref().and_then(|others| others.cursors.iter().copied().min());
        self.first_cursor.min(others.unwrap_or(VACANT))
    }

    /// The readers for which `meant` is true, with their numbers.
    pub(super) fn all(&self, meant: impl Fn(&Arc<T>) -> bool) -> Vec<(ReaderId, Arc<T>)> {
        let blocks = self.others.iter().flat_map(|others| others.blocks.iter());
        let places = std::iter::once(&self.first).chain(blocks.flat_map(|block| block.iter()));
        let readers = places.enumerate().filter_map(|(index, reader)| {
            reader.as_ref().map(|reader| (ReaderId::at(index), Arc::clone(reader)))
        });
        readers.filter(|(_, reader)| meant(reader)).collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot<T> {
        Snapshot {
            first: self.first.clone(),
            others: self.others.as_ref().map(|others| Block::clone(&others.blocks)),
        }
    }
}

impl<T> Snapshot<T> {
    /// In how many blocks the readers are. The first reader is in the first.
    pub(crate) fn blocks(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.len());
        others.max(usize::from(self.first.is_some()))
    }

    /// Does something with each reader in one of them.
    pub(crate) fn for_block(&self, index: usize, mut each: impl FnMut(&Arc<T>)) {
        if index == 0 {
            self.first.iter().for_each(&mut each);
        }
        let Some(block) = self.others.as_ref().and_then(|others| others.get(index)) else { return };
        for reader in block.iter().flatten() {
            each(reader);
        }
    }

    /// Does something with each reader. No chained iterator: there may be many.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Arc<T>)) {
        for index in 0..self.blocks() {
            self.for_block(index, &mut each);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        let others = self.others.iter().flat_map(|others| others.iter());
        self.first.iter().chain(others.flat_map(|block| block.iter().flatten()))
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
    fn the_place_of_whoever_was_put_out_is_nobody_elses_until_it_leaves() {
        let mut readers = Readers::new();
        let all = ["a", "b", "c"].map(|name| {
            let reader = Arc::new(name);
            (readers.join(Arc::clone(&reader), Seq::ZERO), reader)
        });
        let stranger = Arc::new("b");
        assert!(!readers.put_out(all[1].0, &stranger));
        for (id, reader) in &all {
            assert!(readers.put_out(*id, reader) && !readers.put_out(*id, reader));
            readers.advance(*id, Seq::ZERO);
        }
        assert_eq!((readers.len(), readers.slowest()), (0, LEFT));
        let new = ["d", "e", "f"].map(|name| readers.join(Arc::new(name), Seq::ZERO.plus(7)));
        assert_eq!(readers.before(Seq::ZERO.plus(7)), []);
        assert!(all.iter().all(|(id, _)| !readers.leave(*id)));
        assert_eq!((names(&readers), readers.len()), (vec!["d", "e", "f"], 3));
        assert!(new.into_iter().all(|id| readers.leave(id)));
        assert!(readers.others.is_none());
    }

    #[test]
    fn the_next_at_a_place_is_looked_for_in_a_ring_and_not_too_far() {
        let mut readers = Readers::new();
        let (here, there) = (Seq::ZERO.plus(1), Seq::ZERO.plus(2));
        let ids = [here, there, here, there].map(|next| readers.join(Arc::new(""), next));
        assert_eq!(readers.next_at(here, ids[0], 9), Some(ids[2]));
        assert_eq!(readers.next_at(here, ids[0], 1), None);
        assert_eq!(readers.next_at(here, ids[2], 9), Some(ids[0]));
        assert_eq!(readers.next_at(here, ids[2], 1), None);
        assert_eq!(readers.next_at(there, ids[3], 9), Some(ids[1]));
        assert_eq!(readers.next_at(there, ids[3], 1), None);
        assert_eq!(readers.next_at(there.plus(1), ids[0], 9), None);
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
        let mut by_block = Vec::new();
        (0..5).for_each(|index| snapshot.for_block(index, |n| by_block.push(**n)));
        assert_eq!(by_block, (0..200).collect::<Vec<_>>());
        for id in all {
            readers.leave(id);
        }
        assert_eq!(readers.len(), 0);
        assert_eq!(readers.snapshot().iter().count(), 0);
    }
}
