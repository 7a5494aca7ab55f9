//! Keeping the bounds on all keys: what is dropped, when, and by whom.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    super::{
        registry::{Behind, Registry},
        sweeper::Looked,
        table::SHARDS,
        topic::Topic,
    },
    Hub, Key, SLICE,
};
use crate::{
    backstop::Watched,
    emitter::{ASKED, Conn},
    log::ReaderId,
    sync::{Arc, plain},
    timer::Tick,
};

impl<K: Key> Hub<K> {
    /// Plans the next sweep, so that histories are forgotten in time also where nothing else happens.
    pub(in crate::emitters) fn plan_sweep(&self, registry: &mut Registry<K>, now: Instant) {
        if std::mem::take(&mut registry.is_earlier) || self.planned.is_late(now) {
            self.plan_next_sweep(registry, now);
        }
    }

    fn plan_next_sweep(&self, registry: &Registry<K>, now: Instant) {
        if let Some(next) = registry.next_sweep(self.bounds(), now) {
            plain::lock(&self.sweeper).plan(now, next, &self.planned);
        }
    }

    /// Drops the oldest of all keys while there is too much. Not to be called under the lock of a shard, nor under
    /// the node's.
    pub(in crate::emitters) fn relieve(&self, now: Instant) {
        let evicted = self.shards.relieve(self.bounds(), now);
        self.evict(&evicted);
    }

    /// [`relieve`](Self::relieve) under the node's lock; returns what is to be [evicted](Self::evict) once that is
    /// released.
    pub(in crate::emitters) fn relieve_later(&self, now: Instant) -> Vec<Arc<Topic<K>>> {
        self.shards.relieve(self.bounds(), now)
    }

    /// The frame of an event, counted for as long as anybody has it if it is large.
    pub(in crate::emitters) fn counted(&self, frame: Bytes) -> Bytes {
        self.shards.counted(frame)
    }

    /// Counts something that is kept for those who come later and that is in no log.
    pub(in crate::emitters) fn lend(&self, bytes: usize) {
        self.shards.lend(bytes);
    }

    /// Counts it no more.
    pub(in crate::emitters) fn take_back(&self, bytes: usize) {
        self.shards.take_back(bytes);
    }

    /// Ends a connection that was overtaken and does not notice. One that is ending anyway is left alone.
    fn end_behind(&self, topic: &Arc<Topic<K>>, id: ReaderId, conn: &Arc<Conn>, now: Instant) {
        if !conn.falls_behind() {
            return;
        }
        let is_out = self.shard_of(topic).put_out(topic, (id, conn), self.bounds(), now);
        if is_out {
            self.left(topic);
        }
        conn.finish(false);
    }

    fn sweep(&self, now: Instant) {
        // First: whoever adds something in a shard that was looked at already plans for himself.
        plain::lock(&self.sweeper).done(&self.planned);
        for shard in 0..SHARDS {
            loop {
                let behind = self.shards.at(shard).take_behind(now, SLICE);
                if behind.is_empty() {
                    break;
                }
                for Behind { topic, before, asked, .. } in behind {
                    let readers = topic.log().readers_before(before);
                    for (id, conn) in &readers {
                        if !asked {
                            conn.notify(ASKED);
                        } else if conn.has(ASKED) {
                            self.end_behind(&topic, *id, conn, now);
                        }
                    }
                }
            }
        }
        for mut registry in self.shards.each() {
            registry.sweep(self.bounds(), now);
            self.plan_next_sweep(&registry, now);
        }
        self.relieve(now);
        self.sweep_snapshots(now);
    }
}

impl<K: Key> Tick for Hub<K> {
    fn tick(&self, now: Instant) {
        self.sweep(now);
    }
}

impl<K: Key> Watched for Hub<K> {
    fn look(&self) -> Option<Duration> {
        let looked = plain::lock(&self.sweeper).look();
        match looked {
            Looked::Nothing => None,
            Looked::Again(after) => Some(after),
            Looked::Overdue(at) => {
                self.sweep(Instant::now().max(at));
                plain::lock(&self.sweeper).look_again()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        emitters::hub::Config,
        event::SseEvent,
        log::{Bounds, History},
    };

    #[test]
    fn a_history_is_swept_though_the_runtime_of_its_first_send_does_nothing_any_more() {
        let bounds = Bounds {
            history: History::events(10).age(Duration::from_millis(50)),
            ..Bounds::default()
        };
        let hubs = [true, false].map(|ends| {
            let hub: Arc<Hub<u8>> = Hub::new(Config { bounds, ..Config::default() }, None);
            let first =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            first.block_on(async { hub.send(&1, SseEvent::data("x")) }).unwrap();
            // Ended, or there and driven by nobody.
            let idles = (!ends).then_some(first);
            (hub, idles)
        });
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        for (hub, _) in &hubs {
            while hub.shards.events() > 0 {
                assert!(std::time::Instant::now() < deadline, "it is kept for ever");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
