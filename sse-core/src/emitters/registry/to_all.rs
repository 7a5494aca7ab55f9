//! An event to all keys with connections, in one shard: a few of them under one hold of the lock.
//!
//! It has one position, and every log has its events in the order of positions. So while it is on its way
//! it comes to a log at the latest when something else is about to happen there: whoever sends to a key,
//! completes it or connects to it [helps](Registry::help) first. The watermark stays before it until all
//! have it: until then nobody who reads several logs reads beyond it.

use super::{super::topic::Topic, Registry, ToAll};
use crate::{
    emitter::Conn,
    log::{Bounds, Record, Snapshot},
    sync::{Arc, Ordering},
};

impl<K> Registry<K> {
    /// Begins to bring a record to all keys with connections.
    pub(super) fn begin_to_all(&mut self, record: Record) {
        self.to_all = Some(ToAll { record, place: 0, last: self.places });
    }

    /// Gives it to the next `count` keys, and says who reads them. `None` once all have it; and the last
    /// place that had to have it, with which those begin who came meanwhile.
    pub(in crate::emitters) fn go_on_to_all(
        &mut self,
        count: usize,
        bounds: &Bounds,
    ) -> Result<Vec<Snapshot<Conn>>, u64> {
        let Some((place, end)) = self.to_all.as_ref().map(|to_all| (to_all.place, to_all.last))
        else {
            return Err(self.places);
        };
        let (mut topics, last) = self.connected_after(place, count);
        topics.retain(|topic| topic.place() <= end);
        if topics.is_empty() {
            self.to_all = None;
            return Err(end);
        }
        let mut readers = Vec::with_capacity(topics.len());
        for topic in &topics {
            self.help(topic, bounds);
            let log = topic.log();
            if log.completed().is_none() {
                readers.push(log.snapshot());
            }
        }
        if let Some(to_all) = &mut self.to_all {
            to_all.place = last;
        }
        Ok(readers)
    }

    /// Before anything else happens to this key: what is on its way to all comes first. Its readers are
    /// woken by whoever sends to all.
    pub(in crate::emitters) fn help(&mut self, topic: &Arc<Topic<K>>, bounds: &Bounds) {
        let Some(ToAll { record, last, .. }) = &self.to_all else { return };
        let place = topic.place();
        let is_to_have_it = place != 0 && place <= *last && {
            let log = topic.log();
            log.newest() < record.position && log.completed().is_none()
        };
        if is_to_have_it {
            let record = record.clone();
            topic.announced.store(record.position.get(), Ordering::Release);
            self.append(topic, record, bounds);
        }
    }
}
