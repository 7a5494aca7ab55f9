//! Ending keys and their connections: complete, disconnect, forget, and the end of the `Emitters` itself.

use std::{borrow::Borrow, hash::Hash};

use tokio::time::Instant;

use super::{Hub, Key};
use crate::{
    close_reason::CloseReason,
    log::{Position, Snapshot, clock},
};

impl<K: Key> Hub<K> {
    /// Completes a key: nothing comes after what was sent. That is remembered, so that a client which has seen
    /// everything and dials again is told never to come back.
    pub(in crate::emitters) fn complete<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let (readers, now) = loop {
            let (topic, _) = self.find_or_create(key);
            let mut registry = self.shard_of(&topic);
            if !topic.is_current() {
                continue;
            }
            registry.help(&topic, self.bounds());
            let now = Instant::now();
            self.catch_up_one(&mut registry, &topic, now);
            let turn = registry.begin();
            let position = Position::from(clock::next());
            let readers = {
                let mut log = topic.log();
                if log.completed().is_some() {
                    return;
                }
                log.complete(position);
                log.snapshot()
            };
            turn.stands_at(position);
            registry.retire_if_idle(&topic, now);
            registry.sweep(self.bounds(), now);
            self.plan_sweep(&mut registry, now);
            break (readers, now);
        };
        self.relieve(now);
        for conn in readers.iter() {
            conn.log_completed();
        }
    }

    /// Ends every connection at a key. They may come back.
    pub(in crate::emitters) fn disconnect<Q>(&self, key: &Q, reason: CloseReason)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let readers = self.find(key).map(|topic| topic.log().snapshot());
        for conn in readers.iter().flat_map(Snapshot::iter) {
            conn.close(reason, None);
        }
    }

    /// Ends what only the program could go on with: nobody can send any more.
    pub(in crate::emitters) fn close(&self) {
        if let Some(link) = &self.link {
            self.unfollow_all(link);
        }
        self.for_connected(|topic| {
            let readers = topic.log().end_all();
            for conn in readers.iter().flat_map(Snapshot::iter) {
                conn.log_completed();
            }
        });
    }

    pub(in crate::emitters) fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let topic = match self.find(key) {
            Some(topic) => topic,
            // It is to remember which events to all it lacks on purpose.
            None if self.has_announced() => self.find_or_create(key).0,
            None => return,
        };
        let mut registry = self.shard_of(&topic);
        let now = Instant::now();
        self.catch_up_one(&mut registry, &topic, now);
        let reopened = {
            let log = topic.log();
            log.completed().map(|_| log.snapshot())
        };
        for conn in reopened.iter().flat_map(Snapshot::iter) {
            conn.log_reopened();
        }
        self.forget_announcements(&topic);
        registry.forget(&topic, now);
    }
}
