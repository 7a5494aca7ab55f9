//! Who reads a log: a list that is walked without a lock.

use std::sync::Arc as Block;

use crate::sync::Arc;

/// How many members share one block, and so are copied together when the list changes during a walk.
const BLOCK: usize = 64;

/// A seat that nobody has.
const VACANT: u64 = u64::MAX;

/// Shared by walks and copied on a change. Always the standard library's `Arc`: the model checker's
/// has no `make_mut`, and there is nothing to check about a value that never changes.
type Blocks<T> = Block<Vec<Block<Vec<Option<Arc<T>>>>>>;

/// The members of a log and how far each has read.
///
/// Whoever publishes takes a [`Walk`] under the log's lock (one reference count) and wakes the
/// members after releasing it. A change during a walk copies one block, not the list.
#[derive(Debug)]
pub(super) struct Members<T> {
    blocks: Blocks<T>,
    /// The sequence number that each seat reads next; dense, so that finding the smallest is cheap.
    cursors: Vec<u64>,
    vacant: Vec<usize>,
}

/// The members at one moment.
#[derive(Debug)]
pub(super) struct Walk<T>(Blocks<T>);

impl<T> Members<T> {
    pub(super) fn new() -> Self {
        Self { blocks: Block::new(Vec::new()), cursors: Vec::new(), vacant: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.cursors.len() - self.vacant.len()
    }

    /// Takes a seat.
    pub(super) fn join(&mut self, member: Arc<T>, next: u64) -> usize {
        let seat = self.vacant.pop().unwrap_or(self.cursors.len());
        let blocks = Block::make_mut(&mut self.blocks);
        if seat == self.cursors.len() {
            self.cursors.push(next);
            if seat.is_multiple_of(BLOCK) {
                blocks.push(Block::new(Vec::new()));
            }
            Block::make_mut(&mut blocks[seat / BLOCK]).push(Some(member));
        } else {
            self.cursors[seat] = next;
            Block::make_mut(&mut blocks[seat / BLOCK])[seat % BLOCK] = Some(member);
        }
        seat
    }

    /// Gives a seat back. With the last member all memory goes.
    pub(super) fn leave(&mut self, seat: usize) {
        if self.len() == 1 {
            *self = Self::new();
            return;
        }
        self.cursors[seat] = VACANT;
        self.vacant.push(seat);
        Block::make_mut(&mut Block::make_mut(&mut self.blocks)[seat / BLOCK])[seat % BLOCK] = None;
    }

    pub(super) fn cursor(&self, seat: usize) -> u64 {
        self.cursors[seat]
    }

    pub(super) fn advance(&mut self, seat: usize, next: u64) {
        self.cursors[seat] = next;
    }

    /// How many members read this next.
    pub(super) fn reading_at(&self, next: u64) -> usize {
        self.cursors.iter().filter(|cursor| **cursor == next).count()
    }

    /// The sequence number that the slowest member reads next; `u64::MAX` without members.
    pub(super) fn slowest(&self) -> u64 {
        self.cursors.iter().copied().min().unwrap_or(VACANT)
    }

    pub(super) fn walk(&self) -> Walk<T> {
        Walk(Block::clone(&self.blocks))
    }
}

impl<T> Walk<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.iter().flat_map(|block| block.iter().flatten())
    }
}

#[cfg(all(test, not(sse_loom)))]
mod tests {
    use super::*;

    fn names(members: &Members<&'static str>) -> Vec<&'static str> {
        members.walk().iter().map(|name| **name).collect()
    }

    #[test]
    fn a_seat_is_used_again() {
        let mut members = Members::new();
        let a = members.join(Arc::new("a"), 0);
        members.join(Arc::new("b"), 0);
        members.leave(a);
        assert_eq!(members.join(Arc::new("c"), 5), a);
        assert_eq!(names(&members), ["c", "b"]);
        assert_eq!(members.len(), 2);
    }

    #[test]
    fn a_walk_sees_the_members_of_its_moment() {
        let mut members = Members::new();
        let a = members.join(Arc::new("a"), 0);
        let walk = members.walk();
        members.leave(a);
        members.join(Arc::new("b"), 0);
        assert_eq!(walk.iter().map(|name| **name).collect::<Vec<_>>(), ["a"]);
        assert_eq!(names(&members), ["b"]);
    }

    #[test]
    fn the_slowest_counts_only_members() {
        let mut members = Members::new();
        let slow = members.join(Arc::new("slow"), 3);
        members.join(Arc::new("quick"), 9);
        assert_eq!(members.slowest(), 3);
        members.leave(slow);
        assert_eq!(members.slowest(), 9);
    }

    #[test]
    fn many_members_fill_several_blocks() {
        let mut members = Members::new();
        let seats: Vec<_> = (0..200).map(|n| members.join(Arc::new(n), 0)).collect();
        assert_eq!(members.walk().iter().count(), 200);
        for seat in seats {
            members.leave(seat);
        }
        assert_eq!(members.len(), 0);
        assert_eq!(members.walk().iter().count(), 0);
    }
}
