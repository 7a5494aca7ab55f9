//! Which keys there are, by their hashes: nothing of a key's own code runs here.
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

/// In which of them the keys with this hash are.
pub(super) const fn shard_of(hash: u64) -> usize {
    // Not the bits by which a map finds its place.
    (hash >> 32) as usize % SHARDS
}

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
        lock(self.part(hash)).get(&hash).cloned()
    }

    /// All topics at this moment.
    pub(super) fn topics(&self) -> Vec<Arc<Topic<K>>> {
        let mut topics = Vec::with_capacity(self.len());
        for part in &self.parts {
            topics.extend(lock(part).values().flat_map(Bucket::topics).map(Arc::clone));
        }
        topics
    }

    /// Adds a topic, if those with its hash are still these.
    pub(super) fn add(&self, known: Option<&Bucket<K>>, topic: &Arc<Topic<K>>) -> bool {
        let mut part = lock(self.part(topic.hash));
        let same = match (part.get(&topic.hash), known) {
            (None, None) => true,
            (Some(now), Some(known)) => now.is(known),
            _ => false,
        };
        if !same {
            return false;
        }
        let bucket = match part.remove(&topic.hash) {
            None => Bucket::One(Arc::clone(topic)),
            Some(others) => {
                let mut topics = others.topics().to_vec();
                topics.push(Arc::clone(topic));
                Bucket::Several(topics)
            }
        };
        part.insert(topic.hash, bucket);
        self.len.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Takes a topic out, if it is there. What was freed is given back. The caller holds the topic, so
    /// that it is not dropped here.
    pub(super) fn remove(&self, topic: &Arc<Topic<K>>) -> bool {
        let mut part = lock(self.part(topic.hash));
        let Some(bucket) = part.get_mut(&topic.hash) else { return false };
        if !bucket.topics().iter().any(|known| Arc::ptr_eq(known, topic)) {
            return false;
        }
        match bucket {
            Bucket::Several(topics) if topics.len() > 1 => {
                topics.retain(|known| !Arc::ptr_eq(known, topic));
            }
            _ => drop(part.remove(&topic.hash)),
        }
        if part.capacity() > 64 && part.len() < part.capacity() / 4 {
            let room = 2 * part.len();
            part.shrink_to(room);
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        true
    }

    /// By other bits than those by which a map finds its place.
    fn part(&self, hash: u64) -> &Mutex<Part<K>> {
        &self.parts[(hash >> 32) as usize % PARTS]
    }
}
