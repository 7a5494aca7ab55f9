//! `Batches`: the answers to each node's newest batch.

use std::collections::HashMap;

use crate::backplane::{Answer, NodeId};

/// Of how many nodes the newest batch is remembered; beyond that the node that was silent longest is forgotten.
pub const MAX_NODES: usize = 4_096;

/// The newest batch of each node, with its answers.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Batches {
    newest: HashMap<NodeId, Newest>,
    /// How many batches were stored: tells who was silent longest.
    stored: u64,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
struct Newest {
    number: u64,
    answers: Vec<Answer>,
    stored: u64,
}

/// What a batch is to the store.
pub(super) enum Seen<'a> {
    /// It was not stored before.
    New,
    /// It is the node's newest: these were its answers.
    Repeated(&'a [Answer]),
    /// A newer one of the node was stored.
    Superseded,
}

impl Batches {
    pub(super) fn look(&self, node: NodeId, number: u64) -> Seen<'_> {
        match self.newest.get(&node) {
            Some(newest) if newest.number == number => Seen::Repeated(&newest.answers),
            Some(newest) if newest.number > number => Seen::Superseded,
            _ => Seen::New,
        }
    }

    pub(super) fn remember(&mut self, node: NodeId, number: u64, answers: Vec<Answer>) {
        self.stored += 1;
        self.newest.insert(node, Newest { number, answers, stored: self.stored });
        if self.newest.len() > MAX_NODES {
            let silent = self.newest.iter().min_by_key(|(_, newest)| newest.stored);
            if let Some(node) = silent.map(|(node, _)| *node) {
                self.newest.remove(&node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_that_was_silent_longest_is_forgotten_first() {
        let mut batches = Batches::default();
        for node in 1..=MAX_NODES as u128 {
            batches.remember(NodeId::new(node), 5, Vec::new());
        }
        batches.remember(NodeId::new(1), 6, Vec::new());
        batches.remember(NodeId::new(MAX_NODES as u128 + 1), 1, Vec::new());
        assert!(matches!(batches.look(NodeId::new(1), 6), Seen::Repeated(_)));
        assert!(matches!(batches.look(NodeId::new(1), 5), Seen::Superseded));
        assert!(matches!(batches.look(NodeId::new(2), 1), Seen::New));
        assert!(matches!(batches.look(NodeId::new(3), 1), Seen::Superseded));
    }
}
