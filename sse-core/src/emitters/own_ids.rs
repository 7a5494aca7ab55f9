//! Where a client stood when it got an event for its connection alone that had an id of its own.

use std::{collections::HashMap, hash::Hash};

use crate::{
    event::EventId,
    log::{Place, Position},
};

/// How many ids are remembered at least; at most twice as many.
const OWN_IDS: usize = 4096;

/// Places by key and id, the latest of them. Outlives the logs: an id that many connections get, a
/// greeting, must not seem to be only where it was used last.
#[derive(Debug)]
pub(super) struct OwnIds<K> {
    new: HashMap<(K, EventId), Place>,
    old: HashMap<(K, EventId), Place>,
}

impl<K: Eq + Hash + Clone> OwnIds<K> {
    pub(super) fn new() -> Self {
        Self { new: HashMap::new(), old: HashMap::new() }
    }

    /// Remembers that one connection to `key` got an event with this id, having seen everything up
    /// to `position`.
    pub(super) fn record(&mut self, key: &K, id: &EventId, position: Position) {
        let entry = (key.clone(), id.clone());
        let place = self.find(&entry).and(Place::At(position));
        if self.new.len() == OWN_IDS {
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
        let mut ids = OwnIds::new();
        let greeting = EventId::from_static("hello");
        for n in 0..3 * OWN_IDS as u64 {
            ids.record(&1, &greeting, Position::new(n));
            let id = EventId::try_from(n.to_string());
            ids.record(&1, &id.unwrap_or_else(|_| greeting.clone()), Position::new(n));
            assert!(ids.new.len() + ids.old.len() <= 2 * OWN_IDS);
        }
        assert_eq!(ids.find(&(1, greeting)), Place::Several);
        assert_eq!(ids.find(&(1, EventId::from_static("0"))), Place::Nowhere);
        let newest = EventId::try_from((3 * OWN_IDS - 1).to_string());
        let place = newest.map(|id| ids.find(&(1, id)));
        assert!(matches!(place, Ok(Place::At(_))));
    }
}
