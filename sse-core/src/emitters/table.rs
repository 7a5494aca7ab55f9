//! `Table`: the keys that there are, by their hashes. Nothing of a key's own code runs here.
//!
//! A key's `Hash`, `Eq`, `Clone` and `Drop` are the program's, and may do anything, sending included. So
//! the table is asked for the few candidates with a hash, whoever asks compares the keys under no lock,
//! and what is added is added only if the candidates are still the same.
//!
//! Each part has a lock of its own, which is innermost: who looks for a key waits for nobody who sends.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::topic::Topic;
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering, lock};

/// How many maps share the keys, so that one that grows moves few of them at once, and who looks for
/// one seldom waits.
const PARTS: usize = if cfg!(test) { 4 } else { 32 };

/// In how many parts everything is kept that belongs to keys, each under a lock of its own: a power of two.
pub(super) const SHARDS: usize = match (cfg!(sse_loom), cfg!(test)) {
    (true, _) => 2,
    (_, true) => 4,
    _ => 16,
};

/// The index of the shard of the keys with this hash.
pub(super) const fn shard_of(hash: u64) -> usize {
    // Not the bits by which a map finds its place.
    (hash >> 32) as usize % SHARDS
}

/// The topics with one hash: nearly always one.
pub(super) enum Bucket<K> {
    One(Arc<Topic<K>>),
    Several(Vec<Arc<Topic<K>>>),
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

/// A hasher for what is a hash already.
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

struct Part<K> {
    topics: HashMap<u64, Arc<Topic<K>>, BuildHasherDefault<AsIs>>,
    /// Those whose hash another one has that is above.
    others: Vec<Arc<Topic<K>>>,
}

impl<K> Part<K> {
    fn bucket(&self, hash: u64) -> Option<Bucket<K>> {
        let first = self.topics.get(&hash)?;
        let mut others = self.others.iter().filter(|other| other.hash == hash).peekable();
        if others.peek().is_none() {
            return Some(Bucket::One(Arc::clone(first)));
        }
        Some(Bucket::Several(std::iter::once(first).chain(others).map(Arc::clone).collect()))
    }

    /// Removes a topic. Whether it was there.
    fn remove(&mut self, topic: &Arc<Topic<K>>) -> bool {
        let hash = topic.hash;
        let same = |known: &Arc<Topic<K>>| Arc::ptr_eq(known, topic);
        if let Some(index) = self.others.iter().position(same) {
            self.others.swap_remove(index);
            return true;
        }
        if !self.topics.get(&hash).is_some_and(same) {
            return false;
        }
        match self.others.iter().position(|other| other.hash == hash) {
            Some(index) => drop(self.topics.insert(hash, self.others.swap_remove(index))),
            None => drop(self.topics.remove(&hash)),
        }
        true
    }
}

impl<K> Default for Part<K> {
    fn default() -> Self {
        Self { topics: HashMap::default(), others: Vec::new() }
    }
}

pub(super) struct Table<K> {
    parts: [Mutex<Part<K>>; PARTS],
    len: AtomicUsize,
}

impl<K> Table<K> {
    pub(super) fn new() -> Self {
        let parts = std::array::from_fn(|_| Mutex::new(Part::default()));
        Self { parts, len: AtomicUsize::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn candidates(&self, hash: u64) -> Option<Bucket<K>> {
        lock(self.part(hash)).bucket(hash)
    }

    /// All topics at this moment.
    pub(super) fn topics(&self) -> Vec<Arc<Topic<K>>> {
        let mut topics = Vec::with_capacity(self.len());
        for part in &self.parts {
            let part = lock(part);
            topics.extend(part.topics.values().chain(&part.others).map(Arc::clone));
        }
        topics
    }

    /// Adds a topic, if those with its hash are still these.
    pub(super) fn add(&self, known: Option<&Bucket<K>>, topic: &Arc<Topic<K>>) -> bool {
        let mut part = lock(self.part(topic.hash));
        let now = part.bucket(topic.hash);
        let same = match (&now, known) {
            (None, None) => true,
            (Some(now), Some(known)) => now.is(known),
            _ => false,
        };
        if !same {
            return false;
        }
        match now {
            None => drop(part.topics.insert(topic.hash, Arc::clone(topic))),
            Some(_) => part.others.push(Arc::clone(topic)),
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Takes a topic out, if it is there. What was freed is given back. The caller holds the topic, so
    /// that it is not dropped here.
    pub(super) fn remove(&self, topic: &Arc<Topic<K>>) -> bool {
        let mut part = lock(self.part(topic.hash));
        if !part.remove(topic) {
            return false;
        }
        let topics = &mut part.topics;
        if topics.capacity() > 64 && topics.len() < topics.capacity() / 4 {
            topics.shrink_to(2 * topics.len());
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// By other bits than those by which a map finds its place.
    fn part(&self, hash: u64) -> &Mutex<Part<K>> {
        &self.parts[(hash >> 32) as usize % PARTS]
    }
}
