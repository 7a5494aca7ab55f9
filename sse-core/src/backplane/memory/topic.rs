//! `TopicLog`: one topic of the store.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::clock::micros;
use crate::backplane::{Answer, Change, Head, Keep, Position, Record, Topic, Want};

/// How many bytes of bodies are kept, 256 MiB; beyond that the topic that has not changed longest is forgotten.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;

/// How many `once` keys of events that left its log are remembered for one topic: the newest.
pub const MAX_ONCE_KEYS: usize = 65_536;

/// How long a `once` key is remembered after its event left the log.
const ONCE: Duration = Duration::from_secs(60 * 60);

/// How long a head outlives its last change at least, besides twice the age of events.
const HEAD: Duration = Duration::from_secs(10 * 60);

/// Events and head of one topic.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct TopicLog {
    pub(super) head: Head,
    events: VecDeque<Stored>,
    bytes: usize,
    keep: Keep,
    once: Option<Box<OnceKeys>>,
    /// When it last changed, by the store's clock.
    changed: u64,
    /// When the store looks at it again, because something may have grown too old.
    pub(super) look: u64,
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
struct Stored {
    position: Position,
    previous: Position,
    at: u64,
    body: Bytes,
    once: Option<Arc<str>>,
}

/// The `once` keys of what is in the log, and of what left it not long ago.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
struct OnceKeys {
    stored: HashMap<Arc<str>, Position>,
    /// Those whose event left the log, by when it did.
    left: VecDeque<(u64, Arc<str>)>,
}

impl TopicLog {
    pub(super) fn new(keep: Keep, now: u64) -> Self {
        Self {
            head: Head::default(),
            events: VecDeque::new(),
            bytes: 0,
            keep,
            once: None,
            changed: now,
            look: u64::MAX,
        }
    }

    /// The bytes of all bodies that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is answered without storing anything, if that is so.
    pub(super) fn refuse(&self, change: &Change) -> Option<Answer> {
        if let (Change::Event { once: Some(key), .. }, Some(keys)) = (change, &self.once)
            && let Some(position) = keys.stored.get(key)
        {
            return Some(Answer::Repeated(*position));
        }
        self.head.refuses(change).then_some(Answer::Closed)
    }

    /// Makes a change that was not refused.
    pub(super) fn apply(&mut self, change: &Change, keep: Keep, position: Position, now: u64) {
        self.keep = keep;
        self.changed = now;
        let previous = self.head.newest;
        self.head.apply(change, position);
        match change {
            Change::Event { body, once } => {
                if let Some(key) = once {
                    self.once.get_or_insert_default().stored.insert(key.clone(), position);
                }
                self.bytes += body.len();
                let (body, once) = (body.clone(), once.clone());
                self.events.push_back(Stored { position, previous, at: now, body, once });
            }
            Change::Forget => while self.drop_oldest(now) {},
            _ => {}
        }
        self.trim(now);
    }

    /// Drops what its settings do not keep any more. `false` once nothing is left of it, its head neither.
    pub(super) fn trim(&mut self, now: u64) -> bool {
        let age = micros(self.keep.age);
        let most = self.keep.bytes.min(MAX_BYTES);
        while let Some(oldest) = self.events.front() {
            let over = self.events.len() > self.keep.events || self.bytes > most;
            if !over && oldest.at.saturating_add(age) > now {
                break;
            }
            self.drop_oldest(now);
        }
        if let Some(keys) = &mut self.once {
            keys.trim(now);
            if keys.stored.is_empty() {
                self.once = None;
            }
        }
        let end = self.end();
        let event = self.events.front().map(|event| event.at.saturating_add(age));
        self.look = event.map_or(end, |event| event.min(end));
        end > now
    }

    /// When nothing of it need be known any more.
    fn end(&self) -> u64 {
        let age = micros(self.keep.age);
        let head =
            self.changed.saturating_add(age).saturating_add(age).saturating_add(micros(HEAD));
        let once = self.once.as_ref().and_then(|keys| keys.left.back());
        let once = once.map_or(0, |(left, _)| left.saturating_add(micros(ONCE)));
        // A key of an event that is still there will be known for its time after that.
        let held = self.once.as_ref().is_some_and(|keys| keys.stored.len() > keys.left.len());
        let held =
            if held { self.changed.saturating_add(age).saturating_add(micros(ONCE)) } else { 0 };
        head.max(once).max(held)
    }

    fn drop_oldest(&mut self, now: u64) -> bool {
        let Some(event) = self.events.pop_front() else { return false };
        self.bytes -= event.body.len();
        if let (Some(key), Some(keys)) = (event.once, &mut self.once) {
            keys.left.push_back((now, key));
        }
        true
    }

    /// Its newest events within what is wanted, oldest first.
    pub(super) fn newest(&self, topic: &Topic, want: &Want) -> Vec<Record> {
        let mut bytes = 0_usize;
        let mut from = self.events.len();
        for (index, event) in self.events.iter().enumerate().rev().take(want.events) {
            bytes = bytes.saturating_add(event.body.len());
            let first = index + 1 == self.events.len();
            if event.position <= want.after || (bytes > want.bytes && !first) {
                break;
            }
            from = index;
        }
        self.events.range(from..).map(|event| event.record(topic)).collect()
    }
}

impl Stored {
    fn record(&self, topic: &Topic) -> Record {
        Record {
            topic: topic.clone(),
            position: self.position,
            previous: self.previous,
            change: Change::Event { body: self.body.clone(), once: self.once.clone() },
        }
    }
}

impl OnceKeys {
    fn trim(&mut self, now: u64) {
        while let Some((left, key)) = self.left.front() {
            if self.left.len() <= MAX_ONCE_KEYS && left.saturating_add(micros(ONCE)) > now {
                break;
            }
            self.stored.remove(key);
            self.left.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep { events: 2, bytes: 100, age: Duration::from_secs(60) };
    const SECOND: u64 = 1_000_000;

    fn event(once: Option<&str>) -> Change {
        Change::Event { body: Bytes::from_static(b"body"), once: once.map(Into::into) }
    }

    #[test]
    fn a_key_is_known_for_an_hour_after_its_event_left_the_log() {
        let mut topic = TopicLog::new(KEEP, 0);
        topic.apply(&event(Some("a")), KEEP, Position::new(1), 0);
        assert!(topic.trim(60 * SECOND), "the event leaves, the key stays");
        assert_eq!(topic.refuse(&event(Some("a"))), Some(Answer::Repeated(Position::new(1))));
        assert_eq!(topic.look, (60 + 3_600) * SECOND);
        assert!(!topic.trim(topic.look), "and then nothing is left");
    }

    #[test]
    fn a_head_outlives_its_last_event() {
        let mut topic = TopicLog::new(KEEP, 0);
        topic.apply(&event(None), KEEP, Position::new(1), 0);
        assert_eq!(topic.look, 60 * SECOND);
        assert!(topic.trim(topic.look));
        assert_eq!(topic.bytes(), 0);
        assert_eq!(topic.look, (60 + 60 + 600) * SECOND);
        assert!(topic.trim(topic.look - 1));
        assert!(!topic.trim(topic.look));
    }

    #[test]
    fn a_large_newest_event_is_loaded_whatever_its_size() {
        let mut topic = TopicLog::new(KEEP, 0);
        let name = Topic::new("t").unwrap();
        topic.apply(&event(None), KEEP, Position::new(1), 0);
        topic.apply(&event(None), KEEP, Position::new(2), 0);
        let mut want = Want { topic: name.clone(), after: Position::ZERO, events: 9, bytes: 1 };
        assert_eq!(topic.newest(&name, &want).len(), 1);
        want.bytes = 8;
        assert_eq!(topic.newest(&name, &want).len(), 2);
        want.after = Position::new(2);
        assert_eq!(topic.newest(&name, &want).len(), 0);
    }
}
