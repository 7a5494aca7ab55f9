//! Which keys there are, by their hashes: nothing of a key's own code runs here.
//!
//! A key's `Hash`, `Eq`, `Clone` and `Drop` are the program's, and may do anything, sending included. So
//! the table is asked for the few candidates with a hash, whoever asks compares the keys under no lock,
//! and what is added is added only if the candidates are still the same.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::topic::Topic;
use crate::sync::Arc;

/// How many maps share the keys, so that one that grows moves few of them at once.
const PARTS: usize = 64;

/// The topics with one hash: nearly always one.
pub(super) enum Bucket<K> {
    One(Arc<Topic<K>>),
    Several(Vec<Arc<Topic<K>>>),
}

impl<K> Clone for Bucket<K> {
    fn clone(&self) -> Self {
        match self {
            Self::One(topic) => Self::One(Arc::clone(topic)),
            Self::Several(topics) => Self::Several(topics.clone()),
        }
    }
}

impl<K> Bucket<K> {
    pub(super) fn topics(&self) -> &[Arc<Topic<K>>] {
        match self {
            Self::One(topic) => std::slice::from_ref(topic),
            Self::Several(topics) => topics,
        }
    }

    fn is(&self, other: &Self) -> bool {
        let (these, those) = (self.topics(), other.topics());
        these.len() == those.len()
            && these.iter().zip(those).all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

/// Hashes that are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Part<K> = HashMap<u64, Bucket<K>, BuildHasherDefault<AsIs>>;

pub(super) struct Table<K> {
    parts: Vec<Part<K>>,
    len: usize,
}

impl<K> Table<K> {
    pub(super) fn new() -> Self {
        Self { parts: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn candidates(&self, hash: u64) -> Option<&Bucket<K>> {
        self.parts.get(part(hash))?.get(&hash)
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &Arc<Topic<K>>> {
        self.parts.iter().flat_map(HashMap::values).flat_map(Bucket::topics)
    }

    /// Adds a topic, if those with its hash are still these.
    pub(super) fn add(&mut self, known: Option<&Bucket<K>>, topic: &Arc<Topic<K>>) -> bool {
        let same = match (self.candidates(topic.hash), known) {
            (None, None) => true,
            (Some(now), Some(known)) => now.is(known),
            _ => false,
        };
        if !same {
            return false;
        }
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Part::default);
        }
        let Some(part) = self.parts.get_mut(part(topic.hash)) else { return false };
        let bucket = match part.remove(&topic.hash) {
            None => Bucket::One(Arc::clone(topic)),
            Some(others) => {
                let mut topics = others.topics().to_vec();
                topics.push(Arc::clone(topic));
                Bucket::Several(topics)
            }
        };
        part.insert(topic.hash, bucket);
        self.len += 1;
        true
    }

    /// Takes a topic out, if it is there. What was freed is given back.
    pub(super) fn remove(&mut self, topic: &Arc<Topic<K>>) -> bool {
        let Some(part) = self.parts.get_mut(part(topic.hash)) else { return false };
        let Some(bucket) = part.get_mut(&topic.hash) else { return false };
        if !bucket.topics().iter().any(|known| Arc::ptr_eq(known, topic)) {
            return false;
        }
        let mut left: Vec<_> = bucket.topics().to_vec();
        left.retain(|known| !Arc::ptr_eq(known, topic));
        if left.is_empty() {
            part.remove(&topic.hash);
        } else {
            *bucket = Bucket::Several(left);
        }
        if part.capacity() > 64 && part.len() < part.capacity() / 4 {
            part.shrink_to(2 * part.len());
        }
        self.len -= 1;
        if self.len == 0 {
            self.parts = Vec::new();
        }
        true
    }
}

/// Other bits than those by which a map finds its place.
fn part(hash: u64) -> usize {
    (hash >> 32) as usize % PARTS
}
