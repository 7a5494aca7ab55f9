//! What a node follows.

use std::collections::HashSet;

use sse_tower_core::backplane::{Record, Topic};

use super::values::{SLOTS, slot};

/// Followed topics, and the bits that tell the server of them: it sends what falls into a slot that is set.
#[derive(Debug)]
pub(super) struct Followed {
    topics: HashSet<Topic>,
    /// How many fall into each slot.
    counts: Vec<u32>,
    bits: Vec<u8>,
}

impl Followed {
    pub(super) fn new() -> Self {
        Self { topics: HashSet::new(), counts: vec![0; SLOTS], bits: vec![0; SLOTS / 8] }
    }

    pub(super) fn follow(&mut self, topic: Topic) {
        let slot = slot(topic.as_str().as_bytes());
        if self.topics.insert(topic) {
            self.counts[slot] += 1;
            // As `get_bit` counts them.
            self.bits[slot / 8] |= 1 << (slot % 8);
        }
    }

    pub(super) fn unfollow(&mut self, topic: &Topic) {
        let slot = slot(topic.as_str().as_bytes());
        if self.topics.remove(topic) {
            self.counts[slot] -= 1;
            if self.counts[slot] == 0 {
                self.bits[slot / 8] &= !(1 << (slot % 8));
            }
        }
    }

    pub(super) fn bits(&self) -> Vec<u8> {
        self.bits.clone()
    }

    /// Another topic may fall into the same slot.
    pub(super) fn has(&self, record: &Record) -> bool {
        self.topics.contains(&record.topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_set_as_long_as_any_topic_falls_into_it() {
        let names = (0..40_000).map(|n| Topic::new(format!("key {n}")).unwrap());
        let mut same = Vec::new();
        for name in names {
            if slot(name.as_str().as_bytes()) == 7 {
                same.push(name);
            }
        }
        assert!(same.len() >= 2, "{}", same.len());
        let mut followed = Followed::new();
        for topic in &same {
            followed.follow(topic.clone());
            followed.follow(topic.clone());
        }
        assert_eq!(followed.bits()[0], 1 << 7);
        for topic in &same[1..] {
            followed.unfollow(topic);
        }
        assert_eq!(followed.bits()[0], 1 << 7);
        followed.unfollow(&same[0]);
        followed.unfollow(&same[0]);
        assert_eq!(followed.bits(), vec![0; SLOTS / 8]);
    }
}
