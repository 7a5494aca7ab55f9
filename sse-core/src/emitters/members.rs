//! Who reads a log: a list that is walked without a lock.

use std::sync::Arc as Block;

use crate::sync::Arc;

/// How many members share one block, and so are copied together when the list changes during a walk.
const BLOCK: usize = 64;

/// A seat that nobody has.
const VACANT: u64 = u64::MAX;

/// Shared by walks and copied on a change. Always the standard library's `Arc`: the model checker's
/// has no `make_mut`, and there is nothing to check about a value that never changes.
type Seats<T> = Block<Vec<Option<Arc<T>>>>;

/// The seats in order. Most logs have few members: those need the first block alone.
#[derive(Debug)]
struct Blocks<T> {
    first: Option<Seats<T>>,
    others: Option<Block<Vec<Seats<T>>>>,
}

impl<T> Clone for Blocks<T> {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), others: self.others.clone() }
    }
}

impl<T> Blocks<T> {
    const NONE: Self = Self { first: None, others: None };

    /// The block of this seat, to change.
    fn of(&mut self, seat: usize) -> &mut Vec<Option<Arc<T>>> {
        let block = match seat / BLOCK {
            0 => self.first.get_or_insert_default(),
            index => {
                let others = Block::make_mut(self.others.get_or_insert_default());
                if others.len() < index {
                    others.resize_with(index, Seats::default);
                }
                &mut others[index - 1]
            }
        };
        Block::make_mut(block)
    }
}

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
        Self { blocks: Blocks::NONE, cursors: Vec::new(), vacant: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.cursors.len() - self.vacant.len()
    }

    /// Takes a seat.
    pub(super) fn join(&mut self, member: Arc<T>, next: u64) -> usize {
        let seat = self.vacant.pop().unwrap_or(self.cursors.len());
        let block = self.blocks.of(seat);
        if seat == self.cursors.len() {
            self.cursors.push(next);
            block.push(Some(member));
        } else {
            self.cursors[seat] = next;
            block[seat % BLOCK] = Some(member);
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
        self.blocks.of(seat)[seat % BLOCK] = None;
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
        Walk(self.blocks.clone())
    }
}

impl<T> Walk<T> {
    /// In how many blocks the members are.
    pub(super) fn blocks(&self) -> usize {
        usize::from(self.0.first.is_some()) + self.0.others.as_ref().map_or(0, |o| o.len())
    }

    /// The members in one of them.
    pub(super) fn block(&self, index: usize) -> impl Iterator<Item = &Arc<T>> {
        let block = match index {
            0 => self.0.first.as_ref(),
            index => self.0.others.as_ref().and_then(|others| others.get(index - 1)),
        };
        block.into_iter().flat_map(|block| block.iter().flatten())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        let others = self.0.others.iter().flat_map(|others| others.iter());
        self.0.first.iter().chain(others).flat_map(|block| block.iter().flatten())
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
        let walk = members.walk();
        assert_eq!(walk.iter().count(), 200);
        assert_eq!(walk.blocks(), 4);
        let by_block: Vec<_> = (0..5).flat_map(|index| walk.block(index)).map(|n| **n).collect();
        assert_eq!(by_block, (0..200).collect::<Vec<_>>());
        for seat in seats {
            members.leave(seat);
        }
        assert_eq!(members.len(), 0);
        assert_eq!(members.walk().iter().count(), 0);
    }
}
