//! Whether every event came, once and in order.

use std::ops::AddAssign;

/// What went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) lost: u64,
    /// Lost, and the client was told so.
    pub(crate) told: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    /// Data that nobody published.
    pub(crate) corrupt: u64,
}

impl Tally {
    pub(crate) fn faults(&self) -> u64 {
        self.lost + self.doubled + self.reordered + self.corrupt
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.told += other.told;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
    }
}

/// What one client has got.
#[derive(Debug)]
pub(super) struct Ledger {
    next: u64,
    /// Numbers that were passed over and may still come.
    missing: Vec<u64>,
    told: bool,
    tally: Tally,
}

impl Ledger {
    /// Of a client that must get everything from `next` on.
    pub(super) fn new(next: u64) -> Self {
        Self { next, missing: Vec::new(), told: false, tally: Tally::default() }
    }

    /// The server says that something is missing before the next event.
    pub(super) fn gap(&mut self) {
        self.told = true;
    }

    pub(super) fn corrupt(&mut self) {
        self.tally.corrupt += 1;
    }

    pub(super) fn event(&mut self, number: u64) {
        if number < self.next {
            match self.missing.iter().position(|missing| *missing == number) {
                Some(index) => {
                    self.missing.swap_remove(index);
                    self.tally.reordered += 1;
                }
                None => self.tally.doubled += 1,
            }
            return;
        }
        if self.told {
            self.tally.told += number - self.next;
        } else {
            self.missing.extend(self.next..number);
        }
        self.told = false;
        self.next = number + 1;
    }

    /// What went wrong, given that everything before `end` should have come.
    pub(super) fn close(&self, end: u64) -> Tally {
        let lost = self.missing.len() as u64 + end.saturating_sub(self.next);
        Tally { lost, ..self.tally }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(numbers: &[u64]) -> Tally {
        let mut ledger = Ledger::new(1);
        numbers.iter().for_each(|number| ledger.event(*number));
        ledger.close(5)
    }

    #[test]
    fn each_fault_is_seen() {
        assert_eq!(tally(&[1, 2, 3, 4]), Tally::default());
        assert_eq!(tally(&[1, 2, 4]), Tally { lost: 1, ..Tally::default() });
        assert_eq!(tally(&[1, 2, 3]), Tally { lost: 1, ..Tally::default() });
        assert_eq!(tally(&[1, 2, 2, 3, 4]), Tally { doubled: 1, ..Tally::default() });
        assert_eq!(tally(&[1, 3, 2, 4]), Tally { reordered: 1, ..Tally::default() });
    }

    #[test]
    fn an_announced_gap_is_not_a_loss() {
        let mut ledger = Ledger::new(1);
        ledger.gap();
        ledger.event(4);
        assert_eq!(ledger.close(5), Tally { told: 3, ..Tally::default() });
    }
}
