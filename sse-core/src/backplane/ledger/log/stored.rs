//! The contents of the log's rows.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::backplane::{
    Answer, Change, EngineError, Epoch, Head, Keep, Mark, Position, Record, Topic,
    ledger::codec::{Reader, Writer, unreadable},
};

/// What is known of the whole log.
#[derive(Clone, Copy)]
pub(super) struct Meta {
    pub(super) epoch: Epoch,
    pub(super) last: Position,
    pub(super) forgotten: Position,
    pub(super) topics: u64,
    pub(super) bytes: u64,
    /// How many batches were stored, and of how many nodes the newest is known.
    pub(super) batches: u64,
    pub(super) nodes: u64,
}

impl Meta {
    pub(super) fn new(epoch: Epoch) -> Self {
        let zero = Position::ZERO;
        Self { epoch, last: zero, forgotten: zero, topics: 0, bytes: 0, batches: 0, nodes: 0 }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { epoch: self.epoch, position: self.last }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let row = Writer::default().u64(self.epoch.get()).position(self.last);
        let row = row.position(self.forgotten).u64(self.topics).u64(self.bytes);
        row.u64(self.batches).u64(self.nodes).0
    }

    pub(super) fn read(row: Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row);
        Ok(Self {
            epoch: Epoch::new(row.u64()?),
            last: row.position()?,
            forgotten: row.position()?,
            topics: row.u64()?,
            bytes: row.u64()?,
            batches: row.u64()?,
            nodes: row.u64()?,
        })
    }
}

/// One topic.
#[derive(Clone)]
pub(super) struct TopicRow {
    /// Its first position, which stands for its name in the keys of its records.
    pub(super) number: u64,
    pub(super) head: Head,
    pub(super) keep: Keep,
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// When its oldest event came.
    pub(super) oldest: u64,
    /// When it last changed.
    pub(super) changed: u64,
    /// When it is looked at again.
    pub(super) look: u64,
    /// How many `once` keys of events that left the log are known.
    pub(super) left: u64,
    /// Whether it ever had a `once` key.
    pub(super) has_once: bool,
}

impl TopicRow {
    pub(super) fn new(number: u64, keep: Keep, now: u64) -> Self {
        Self {
            number,
            head: Head::default(),
            keep,
            events: 0,
            bytes: 0,
            oldest: now,
            changed: now,
            look: 0,
            left: 0,
            has_once: false,
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let head = &self.head;
        let (claimed, holder) = head.claimed.unwrap_or_default();
        let row = Writer::default().u64(self.number).position(head.last).position(head.newest);
        let row = row.position(head.completed.unwrap_or_default()).position(head.disconnected);
        let row = row.position(claimed).u64(holder);
        let row = row.u64(self.keep.events as u64).u64(self.keep.bytes as u64);
        let row = row.u64(micros(self.keep.age)).u64(self.events).u64(self.bytes);
        let row = row.u64(self.oldest).u64(self.changed).u64(self.look).u64(self.left);
        row.u8(self.has_once.into()).0
    }

    pub(super) fn read(row: Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row);
        let some = |position: Position| (position > Position::ZERO).then_some(position);
        let number = row.u64()?;
        let (last, newest, completed) = (row.position()?, row.position()?, row.position()?);
        let (disconnected, claimed, holder) = (row.position()?, row.position()?, row.u64()?);
        let claimed = some(claimed).map(|claimed| (claimed, holder));
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            number,
            head: Head { last, newest, completed: some(completed), disconnected, claimed },
            keep: Keep {
                events: count(row.u64()?),
                bytes: count(row.u64()?),
                age: Duration::from_micros(row.u64()?),
            },
            events: row.u64()?,
            bytes: row.u64()?,
            oldest: row.u64()?,
            changed: row.u64()?,
            look: row.u64()?,
            left: row.u64()?,
            has_once: row.u8()? == 1,
        })
    }
}

/// One event of a topic.
pub(super) struct Event {
    pub(super) previous: Position,
    pub(super) at: u64,
    pub(super) once: Option<Arc<str>>,
    pub(super) body: Bytes,
}

impl Event {
    pub(super) fn write(previous: Position, at: u64, once: Option<&str>, body: &[u8]) -> Vec<u8> {
        let row = Writer::default().position(previous).u64(at);
        let row = match once {
            Some(key) => row.u8(1).bytes(key.as_bytes()),
            None => row.u8(0),
        };
        row.bytes(body).0
    }

    pub(super) fn read(row: Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row);
        Ok(Self {
            previous: row.position()?,
            at: row.u64()?,
            once: if row.u8()? == 1 { Some(row.text()?) } else { None },
            body: row.bytes()?,
        })
    }

    pub(super) fn record(self, topic: &Topic, position: Position) -> Record {
        let change = Change::Event { body: self.body, once: self.once };
        Record { topic: topic.clone(), position, previous: self.previous, change }
    }
}

/// A node's newest batch.
pub(super) struct BatchRow {
    pub(super) number: u64,
    /// Its number among all batches of the store.
    pub(super) stored: u64,
    pub(super) answers: Vec<Answer>,
}

impl BatchRow {
    pub(super) fn write(&self) -> Vec<u8> {
        let row = Writer::default().u64(self.number).u64(self.stored);
        let row = row.u32(u32::try_from(self.answers.len()).unwrap_or(u32::MAX));
        let rows = self.answers.iter().fold(row, |row, answer| match answer {
            Answer::Stored(position) => row.u8(0).position(*position),
            Answer::Repeated(position) => row.u8(1).position(*position),
            Answer::Closed => row.u8(2),
        });
        rows.0
    }

    pub(super) fn read(row: Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row);
        let (number, stored, answers) = (row.u64()?, row.u64()?, row.u32()?);
        let answer = |_| match row.u8()? {
            0 => row.position().map(Answer::Stored),
            1 => row.position().map(Answer::Repeated),
            2 => Ok(Answer::Closed),
            _ => Err(unreadable("an unknown answer")),
        };
        Ok(Self { number, stored, answers: (0..answers).map(answer).collect::<Result<_, _>>()? })
    }
}

/// A duration in microseconds; the longest there is for one that is longer.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
