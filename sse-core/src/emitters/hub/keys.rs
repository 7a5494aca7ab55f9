//! Finding keys, making them, and going through them.
//!
//! A key's `Hash`, `Eq`, `Clone` and `Drop` are the program's, and run under no lock.

use std::{
    borrow::Borrow,
    hash::{BuildHasher, Hash},
};

use super::{
    super::{
        registry::{AllLocked, Locked},
        table::{Bucket, SHARDS},
        topic::Topic,
    },
    Hub, Key, SLICE,
};
use crate::{emitters::link::TopicLink, sync::Arc};

impl<K: Key> Hub<K> {
    /// The shard of this key, locked.
    pub(in crate::emitters) fn shard_of(&self, topic: &Topic<K>) -> Locked<'_, K> {
        self.shards.lock(topic.hash)
    }

    /// All shards, locked.
    pub(in crate::emitters) fn all_shards(&self) -> AllLocked<'_, K> {
        self.shards.lock_all()
    }

    /// All keys that there are: for a backplane alone, which gives to all of them what is for all.
    pub(in crate::emitters) fn topics(&self) -> Vec<Arc<Topic<K>>> {
        self.table.topics()
    }

    /// The topic of this key, if there is one at this moment.
    pub(in crate::emitters) fn find<Q>(&self, key: &Q) -> Option<Arc<Topic<K>>>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let hash = self.hasher.hash_one(key);
        let candidates = self.table.candidates(hash)?;
        candidates.topics().iter().find(|topic| topic.key.borrow() == key).map(Arc::clone)
    }

    /// The topic of this key, and whether it was made for this call.
    pub(in crate::emitters) fn find_or_create<Q>(&self, key: &Q) -> (Arc<Topic<K>>, bool)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        self.find_or_link(key, || None)
    }

    /// [`find_or_create`](Self::find_or_create), for a key that is on a backplane.
    pub(in crate::emitters) fn find_or_link<Q>(
        &self,
        key: &Q,
        link: impl FnOnce() -> Option<Box<TopicLink>>,
    ) -> (Arc<Topic<K>>, bool)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let hash = self.hasher.hash_one(key);
        let (mut made, mut link) = (None, Some(link));
        loop {
            let candidates = self.table.candidates(hash);
            let known = candidates.iter().flat_map(Bucket::topics);
            if let Some(topic) = known.into_iter().find(|topic| topic.key.borrow() == key) {
                return (Arc::clone(topic), false);
            }
            let topic = made.get_or_insert_with(|| {
                let link = link.take().and_then(|link| link());
                Arc::new(Topic::new(key.to_owned(), hash, link))
            });
            if self.shards.lock(hash).add(candidates.as_ref(), topic) {
                return (Arc::clone(topic), true);
            }
        }
    }

    /// Removes topics again that were made in vain.
    pub(in crate::emitters) fn let_go(&self, topics: &[(Arc<Topic<K>>, bool)]) {
        for (topic, _) in topics.iter().filter(|(_, made)| *made) {
            self.shard_of(topic).discard_unused(topic);
        }
    }

    pub(in crate::emitters) fn connections(&self) -> usize {
        self.shards.connections()
    }

    pub(in crate::emitters) fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        self.find(key).is_some_and(|topic| topic.log().readers() > 0)
    }

    pub(in crate::emitters) fn keys(&self) -> Vec<K> {
        let mut keys = Vec::new();
        self.for_connected(|topic| keys.push(topic.key.clone()));
        keys
    }

    /// Does something for each key with connections, a few of them at a time, so that nobody waits; and
    /// under no lock.
    pub(in crate::emitters) fn for_connected(&self, each: impl FnMut(&Arc<Topic<K>>)) {
        self.for_connected_after(vec![0; SHARDS], each);
    }

    /// [`for_connected`](Self::for_connected), for keys that have a later place than this one in their shard.
    pub(super) fn for_connected_after(
        &self,
        places: Vec<u64>,
        mut each: impl FnMut(&Arc<Topic<K>>),
    ) {
        for (shard, mut place) in places.into_iter().enumerate() {
            loop {
                let (topics, last) = self.shards.at(shard).connected_after(place, SLICE);
                if topics.is_empty() {
                    break;
                }
                topics.iter().for_each(&mut each);
                place = last;
            }
        }
    }
}
