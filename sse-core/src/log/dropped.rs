//! `Dropped`: where dropped events stood, so that a client that comes back is told how many it missed.

use std::collections::VecDeque;

use super::{Missed, Position};

/// How many dropped events a log remembers the position of.
pub(super) const DROPPED_POSITIONS: usize = 1024;
/// How many while nobody reads the log and it keeps nothing.
pub(super) const RETIRED_POSITIONS: usize = 8;
/// The positions of the newest dropped events of a log at rest.
#[derive(Debug, Default)]
pub(super) struct Few {
    positions: Box<[Position]>,
    beyond: Position,
}

impl Few {
    /// What it takes on the heap, in bytes.
    pub(super) fn cost(&self) -> usize {
        size_of_val(&*self.positions)
    }
}

/// Of how many events that a connection to several keys missed at one of them it is told in their places among those
/// of the others; it is told of older ones at the beginning.
pub(crate) const GAPS_APART: usize = 32;

/// The positions of the newest dropped events, oldest first.
#[derive(Debug)]
pub(super) struct Dropped {
    positions: VecDeque<Position>,
    /// The newest position that is not in `positions` any more.
    beyond: Position,
}

impl Dropped {
    /// A record of no dropped event; of events up to `forgotten` nothing is known.
    pub(super) const fn new(forgotten: Position) -> Self {
        Self { positions: VecDeque::new(), beyond: forgotten }
    }

    /// Adds one, and remembers no more than `most`.
    pub(super) fn push(&mut self, position: Position, most: usize) {
        if position <= self.beyond {
            // Among those of which nobody knows how many they are.
            return;
        }
        while self.positions.len() >= most.clamp(1, DROPPED_POSITIONS)
            && let Some(oldest) = self.positions.pop_front()
        {
            self.beyond = oldest;
        }
        self.positions.push_back(position);
    }

    /// Adds one that stood before others which were dropped already.
    pub(super) fn insert(&mut self, position: Position, most: usize) {
        if position > self.newest() {
            return self.push(position, most);
        }
        if position > self.beyond {
            let index = self.positions.partition_point(|known| *known < position);
            self.positions.insert(index, position);
            self.keep(most.clamp(1, DROPPED_POSITIONS));
        }
    }

    /// What it takes on the heap, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.positions.capacity() * size_of::<Position>()
    }

    /// Forgets all but the newest few.
    pub(super) fn shrink(&mut self) {
        self.keep(RETIRED_POSITIONS);
    }

    /// Forgets all but the newest `most`, and gives back what they took.
    pub(super) fn keep(&mut self, most: usize) {
        let excess = self.positions.len().saturating_sub(most);
        if let Some(beyond) = self.positions.drain(..excess).next_back() {
            self.beyond = beyond;
        }
        self.positions.shrink_to_fit();
    }

    /// How many positions are kept while the log is at rest, whose newest event stood at `newest`: that one need not
    /// be stored.
    pub(super) fn few(&self, newest: Position) -> usize {
        let known = self.positions.back() == Some(&newest);
        self.positions.len() - usize::from(known)
    }

    /// The positions that are kept while the log is at rest.
    pub(super) fn rest(&mut self, newest: Position) -> Few {
        self.positions.truncate(self.few(newest));
        let positions = std::mem::take(&mut self.positions).into_iter().collect();
        Few { positions, beyond: self.beyond }
    }

    /// The record as it was before the log was at rest.
    pub(super) fn wake(few: Few, newest: Position) -> Self {
        let mut dropped = Self { positions: Vec::from(few.positions).into(), beyond: few.beyond };
        if newest > dropped.newest() {
            dropped.positions.push_back(newest);
        }
        dropped
    }

    /// The position of the newest dropped event.
    pub(super) fn newest(&self) -> Position {
        self.positions.back().copied().unwrap_or(self.beyond)
    }

    /// The positions of the newest `count` dropped events, as far as they are known, oldest first; at
    /// least one.
    pub(super) fn newest_of(&self, count: usize) -> Vec<Position> {
        let known = self.positions.len().min(count);
        match self.positions.range(self.positions.len() - known..) {
            newest if known > 0 => newest.copied().collect(),
            _ => vec![self.newest()],
        }
    }

    /// How many were dropped after `position`.
    pub(super) fn after(&self, position: Position) -> Missed {
        if self.beyond > position {
            return Missed::Unknown;
        }
        match self.positions.len() - self.positions.partition_point(|known| *known <= position) {
            0 => Missed::None,
            missed => Missed::Some(missed as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(positions: impl IntoIterator<Item = u64>) -> Dropped {
        let mut dropped = Dropped::new(Position::ZERO);
        let all = positions.into_iter().map(Position::new);
        all.for_each(|position| dropped.push(position, DROPPED_POSITIONS));
        dropped
    }

    #[test]
    fn only_what_was_dropped_after_a_position_was_missed() {
        let dropped = dropped([10, 20, 30]);
        assert_eq!(dropped.after(Position::ZERO), Missed::Some(3));
        assert_eq!(dropped.after(Position::new(10)), Missed::Some(2));
        assert_eq!(dropped.after(Position::new(25)), Missed::Some(1));
        assert_eq!(dropped.after(Position::new(30)), Missed::None);
    }

    #[test]
    fn beyond_what_is_remembered_nobody_knows_how_many() {
        let many = DROPPED_POSITIONS as u64 + 1;
        let dropped = dropped(1..=many);
        assert_eq!(dropped.after(Position::ZERO), Missed::Unknown);
        assert_eq!(dropped.after(Position::new(1)), Missed::Some(many - 1));
    }

    #[test]
    fn one_that_is_found_missing_later_is_counted_in_its_place() {
        let mut dropped = dropped([10, 30]);
        dropped.insert(Position::new(20), DROPPED_POSITIONS);
        assert_eq!(dropped.after(Position::new(10)), Missed::Some(2));
        dropped.insert(Position::new(5), 3);
        assert_eq!(dropped.after(Position::new(5)), Missed::Some(3));
        assert_eq!(dropped.after(Position::new(4)), Missed::Unknown);
    }

    #[test]
    fn a_retired_log_still_knows_its_newest() {
        let mut dropped = dropped(1..=20);
        dropped.shrink();
        assert_eq!(dropped.after(Position::new(12)), Missed::Some(RETIRED_POSITIONS as u64));
        assert_eq!(dropped.after(Position::new(11)), Missed::Unknown);
        assert_eq!(dropped.newest(), Position::new(20));
    }

    #[test]
    fn what_rests_is_as_it_was() {
        for (count, kept) in [(0, 0), (1, 0), (8, 7)] {
            let newest = Position::new(count);
            let mut dropped = dropped(1..=count);
            let (before, few) = (format!("{dropped:?}"), dropped.rest(newest));
            assert_eq!(few.cost(), kept * size_of::<Position>());
            assert_eq!(format!("{:?}", Dropped::wake(few, newest)), before);
        }
        // Of what is not known to have been dropped nothing is made up.
        let mut dropped = Dropped::new(Position::new(9));
        let few = dropped.rest(Position::new(7));
        assert_eq!(Dropped::wake(few, Position::new(7)).after(Position::new(6)), Missed::Unknown);
    }

    #[test]
    fn of_a_key_that_was_forgotten_nothing_is_certain_before_that() {
        let dropped = Dropped::new(Position::new(7));
        assert_eq!(dropped.after(Position::new(6)), Missed::Unknown);
        assert_eq!(dropped.after(Position::new(7)), Missed::None);
        assert_eq!(dropped.newest(), Position::new(7));
    }
}
