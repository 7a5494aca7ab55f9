//! Trimming the log, in steps: most transactions delete nothing, and none deletes without end.

use std::time::Duration;

use super::{
    RowLog, keys,
    stored::{Event, TopicRow, micros},
};
use crate::backplane::{
    EngineError, Position, Topic,
    ledger::{
        Rows,
        codec::{Reader, Writer, unreadable},
    },
};

/// How many events more than it keeps a topic may have before they are deleted, unless a quarter of what it keeps is
/// more.
const EVENTS_MORE: u64 = 16;

/// How many bytes of bodies more: 64 KiB.
const BYTES_MORE: u64 = 64 * 1024;

/// How many events of one topic are deleted at once.
const AT_ONCE: usize = 1_024;

/// How many topics are looked at with each transaction, because something of them may be too old.
const LOOKED_AT: usize = 64;

/// How long a `once` key is remembered after its event left the log.
const ONCE: Duration = Duration::from_secs(60 * 60);

/// How long a head outlives its last change at least, besides twice the age of events.
const HEAD: Duration = Duration::from_secs(10 * 60);

impl<R: Rows> RowLog<'_, R> {
    /// Forgets what is too old or too much, a few topics at a time.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn sweep(&mut self) -> Result<(), EngineError> {
        let looks = keys::looks();
        let now = keys::look(self.now.saturating_add(1), 0);
        for (key, row) in self.rows.range(&looks, &now, LOOKED_AT)? {
            self.changed = true;
            self.look_at(&key, row, false)?;
        }
        let over = self.meta.topics > self.limits.topics || self.meta.bytes > self.limits.bytes;
        if over {
            for (key, row) in self.rows.range(&looks, &keys::end(looks.clone()), LOOKED_AT)? {
                if self.meta.topics <= self.limits.topics && self.meta.bytes <= self.limits.bytes {
                    break;
                }
                self.changed = true;
                self.look_at(&key, row, true)?;
            }
        }
        Ok(())
    }

    /// Drops what is too old of one topic; or, if `goes`, all of it.
    fn look_at(&mut self, key: &[u8], row: bytes::Bytes, goes: bool) -> Result<(), EngineError> {
        let name = Reader(row).text()?;
        let name = Topic::new(name).map_err(unreadable)?;
        let Some(mut topic) = super::topic_row(self.rows, &name)? else {
            return self.rows.delete(key);
        };
        self.trim_old(&mut topic)?;
        if goes || self.end_of(&topic) <= self.now {
            return self.forget(&name, topic);
        }
        self.look_again(&name, &mut topic, true)?;
        self.rows.put(keys::topic(&name), topic.write())
    }

    /// Deletes events beyond what the topic keeps, once there are somewhat too many.
    pub(super) fn trim_much(&mut self, topic: &mut TopicRow) -> Result<(), EngineError> {
        let keep = (topic.keep.events as u64, topic.keep.bytes as u64);
        let more = (EVENTS_MORE.max(keep.0 / 4), BYTES_MORE.max(keep.1 / 4));
        let most = (keep.0.saturating_add(more.0), keep.1.saturating_add(more.1));
        if topic.events <= most.0 && topic.bytes <= most.1 {
            return Ok(());
        }
        self.drop_while(topic, AT_ONCE, |topic, _| topic.events > keep.0 || topic.bytes > keep.1)
    }

    fn trim_old(&mut self, topic: &mut TopicRow) -> Result<(), EngineError> {
        let (age, now) = (micros(topic.keep.age), self.now);
        self.drop_while(topic, AT_ONCE, |_, event| event.at.saturating_add(age) <= now)?;
        let left = keys::left_of(topic.number);
        let gone = self.now.saturating_sub(micros(ONCE)).saturating_add(1);
        let gone = keys::left(topic.number, gone, Position::ZERO);
        for (key, row) in self.rows.range(&left, &gone, AT_ONCE)? {
            self.forget_once(topic, &key, row)?;
        }
        Ok(())
    }

    pub(super) fn drop_oldest(
        &mut self,
        topic: &mut TopicRow,
        events: usize,
    ) -> Result<(), EngineError> {
        self.drop_while(topic, events, |_, _| true)
    }

    fn drop_while(
        &mut self,
        topic: &mut TopicRow,
        most: usize,
        goes: impl Fn(&TopicRow, &Event) -> bool,
    ) -> Result<(), EngineError> {
        let mut dropped = 0;
        let (from, to) = (keys::records(topic.number), keys::end(keys::records(topic.number)));
        loop {
            // One more than is dropped at once: the one that stays is the oldest.
            let rows = self.rows.range(&from, &to, super::READ_AT_ONCE)?;
            if rows.is_empty() {
                return Ok(());
            }
            for (key, row) in rows {
                let event = Event::read(row)?;
                if dropped >= most || !goes(topic, &event) {
                    topic.oldest = event.at;
                    return Ok(());
                }
                dropped += 1;
                self.rows.delete(&key)?;
                let bytes = event.body.len() as u64;
                topic.events = topic.events.saturating_sub(1);
                topic.bytes = topic.bytes.saturating_sub(bytes);
                self.meta.bytes = self.meta.bytes.saturating_sub(bytes);
                if let Some(once) = event.once {
                    let position = Position::new(keys::last_number(&key));
                    let row = Writer::default().bytes(once.as_bytes()).0;
                    self.rows.put(keys::left(topic.number, self.now, position), row)?;
                    topic.left += 1;
                }
            }
            while topic.left > self.limits.once_keys {
                let left = keys::left_of(topic.number);
                let Some((key, row)) = self.rows.range(&left, &keys::end(left.clone()), 1)?.pop()
                else {
                    break;
                };
                self.forget_once(topic, &key, row)?;
            }
        }
    }

    fn forget_once(
        &mut self,
        topic: &mut TopicRow,
        key: &[u8],
        row: bytes::Bytes,
    ) -> Result<(), EngineError> {
        let once = Reader(row).text()?;
        self.rows.delete(&keys::once(topic.number, &once))?;
        self.rows.delete(key)?;
        topic.left = topic.left.saturating_sub(1);
        Ok(())
    }

    /// When nothing of a topic need be known any more.
    fn end_of(&self, topic: &TopicRow) -> u64 {
        let age = micros(topic.keep.age);
        let events = topic.changed.saturating_add(age);
        let head = events.saturating_add(age).saturating_add(micros(HEAD));
        if topic.has_once { head.max(events.saturating_add(micros(ONCE))) } else { head }
    }

    /// Sees to it that the topic is looked at in time. Too early does no harm, and finds the right time: so a busy topic is not
    /// moved with each event.
    pub(super) fn look_again(
        &mut self,
        name: &Topic,
        topic: &mut TopicRow,
        was_looked_at: bool,
    ) -> Result<(), EngineError> {
        let age = micros(topic.keep.age);
        let mut look = self.end_of(topic);
        if topic.events > 0 {
            look = look.min(topic.oldest.saturating_add(age));
        }
        if topic.left > 0 {
            let left = keys::left_of(topic.number);
            if let Some((key, _)) = self.rows.range(&left, &keys::end(left.clone()), 1)?.first() {
                look = look.min(keys::number_before(key).saturating_add(micros(ONCE)));
            }
        }
        if !was_looked_at && topic.look <= look {
            return Ok(());
        }
        self.rows.delete(&keys::look(topic.look, topic.number))?;
        topic.look = look.max(self.now.saturating_add(1));
        let row = Writer::default().bytes(name.as_str().as_bytes()).0;
        self.rows.put(keys::look(topic.look, topic.number), row)
    }

    /// Deletes everything of a topic, its head too.
    fn forget(&mut self, name: &Topic, mut topic: TopicRow) -> Result<(), EngineError> {
        self.drop_oldest(&mut topic, usize::MAX)?;
        for prefix in [keys::once_of(topic.number), keys::left_of(topic.number)] {
            for (key, _) in self.rows.range(&prefix, &keys::end(prefix.clone()), usize::MAX)? {
                self.rows.delete(&key)?;
            }
        }
        self.rows.delete(&keys::look(topic.look, topic.number))?;
        self.rows.delete(&keys::topic(name))?;
        self.meta.topics = self.meta.topics.saturating_sub(1);
        self.meta.forgotten = self.meta.forgotten.max(topic.head.newest);
        Ok(())
    }
}
