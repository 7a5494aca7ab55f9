//! Where events for one connection alone stand that have an id of their own.

use std::{collections::HashMap, hash::Hash};

use crate::EventId;

/// How many ids are remembered at least; at most twice as many.
const MARKS: usize = 4096;

/// Where an event stands that has its own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    At(u64),
    /// The id was used at several places: to go on from any might pass over events.
    Several,
}

impl Place {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nowhere, place) | (place, Self::Nowhere) => place,
            (Self::At(a), Self::At(b)) if a == b => self,
            _ => Self::Several,
        }
    }
}

/// Places by key and id, the latest of them. Outlives the logs: an id that many connections get, a
/// greeting, must not seem to be only where it was used last.
#[derive(Debug)]
pub(super) struct Marks<K> {
    new: HashMap<(K, EventId), Place>,
    old: HashMap<(K, EventId), Place>,
}

impl<K: Eq + Hash + Clone> Marks<K> {
    pub(super) fn new() -> Self {
        Self { new: HashMap::new(), old: HashMap::new() }
    }

    /// Remembers that one connection to `key` got an event with this id, having seen everything up
    /// to `offset`.
    pub(super) fn mark(&mut self, key: &K, id: &EventId, offset: u64) {
        let entry = (key.clone(), id.clone());
        let place = self.find(&entry).and(Place::At(offset));
        if self.new.len() == MARKS {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(entry, place);
    }

    pub(super) fn find(&self, entry: &(K, EventId)) -> Place {
        let known = self.new.get(entry).or_else(|| self.old.get(entry));
        known.copied().unwrap_or(Place::Nowhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_again_stays_and_the_rest_is_bounded() {
        let mut marks = Marks::new();
        let greeting = EventId::from_static("hello");
        for n in 0..3 * MARKS as u64 {
            marks.mark(&1, &greeting, n);
            let id = EventId::try_from(n.to_string());
            marks.mark(&1, &id.unwrap_or_else(|_| greeting.clone()), n);
            assert!(marks.new.len() + marks.old.len() <= 2 * MARKS);
        }
        assert_eq!(marks.find(&(1, greeting)), Place::Several);
        assert_eq!(marks.find(&(1, EventId::from_static("0"))), Place::Nowhere);
        let newest = EventId::try_from((3 * MARKS - 1).to_string());
        let place = newest.map(|id| marks.find(&(1, id)));
        assert!(matches!(place, Ok(Place::At(_))));
    }
}
