//! `Log`: the store as a state machine, without clock, lock or feed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    super::ledger::{MemoryRows, RowQueue},
    batches::{Batches, Seen},
    topic::{MAX_BYTES, TopicLog},
};
use crate::backplane::{
    Answer, Batch, Change, EngineError, EngineErrorKind, Entry, Epoch, Loaded, MAX_RECORD_BYTES,
    Mark, Position, Record, Topic, Want,
};

/// How many topics are known; beyond that the one that has not changed longest is forgotten, as if its time were
/// over.
pub const MAX_TOPICS: usize = 1_048_576;

/// How many bytes of events wait in the queue, 256 MiB; beyond that the oldest expire.
pub const MAX_QUEUE_BYTES: u64 = 256 * 1024 * 1024;

/// How many topics are looked at with each call because something of them may be too old: more than one call makes,
/// so that the store does not grow.
const LOOKED_AT: usize = 64;

/// Everything that the store knows.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub(in crate::backplane) struct Log {
    epoch: Epoch,
    positions: Positions,
    topics: HashMap<Topic, TopicLog>,
    /// The topics by their newest change.
    by_last: BTreeMap<Position, Topic>,
    /// The topics by when something of them may be too old.
    by_look: BTreeSet<(u64, Topic)>,
    batches: Batches,
    forgotten: Position,
    bytes: usize,
    queue: MemoryRows,
}

/// Where positions come from.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
struct Positions {
    last: Position,
    /// The newest position that was given in an earlier life, which this store does not remember.
    given: Position,
}

impl Positions {
    fn next(&mut self, now: u64) -> Position {
        let given = self.last.max(self.given).get();
        self.last = Position::new(now.max(given.saturating_add(1)));
        self.last
    }
}

/// What an append did.
pub(in crate::backplane) struct Appended {
    pub(in crate::backplane) answers: Vec<Answer>,
    /// What became visible, in rising positions. Empty for a batch that was stored before.
    pub(in crate::backplane) records: Vec<Record>,
    /// Whether something came into the queue.
    pub(in crate::backplane) queued: bool,
}

impl Log {
    pub(in crate::backplane) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            positions: Positions::default(),
            topics: HashMap::new(),
            by_last: BTreeMap::new(),
            by_look: BTreeSet::new(),
            batches: Batches::default(),
            forgotten: Position::ZERO,
            bytes: 0,
            queue: MemoryRows::default(),
        }
    }

    pub(in crate::backplane) fn mark(&self) -> Mark {
        Mark { epoch: self.epoch, position: self.positions.last }
    }

    pub(in crate::backplane) fn append(
        &mut self,
        batch: &Batch,
        now: u64,
    ) -> Result<Appended, EngineError> {
        match self.batches.look(batch.node, batch.number) {
            Seen::New => {}
            Seen::Repeated(answers) => {
                return Ok(Appended {
                    answers: answers.to_vec(),
                    records: Vec::new(),
                    queued: false,
                });
            }
            Seen::Superseded => {
                return Err(EngineError::new(
                    EngineErrorKind::Superseded,
                    "a newer batch of this node was stored already",
                ));
            }
        }
        batch.entries.iter().try_for_each(storable)?;
        let mut answers = Vec::with_capacity(batch.entries.len());
        let mut records = Vec::with_capacity(batch.entries.len());
        let mut queued = false;
        for entry in batch.entries.iter() {
            if let Change::Enqueue(event) = &entry.change {
                let position = self.positions.next(now);
                self.queue(now).enqueue(position, event)?;
                answers.push(Answer::Stored(position));
                queued = true;
                continue;
            }
            let (answer, record) = self.store(entry, now);
            answers.push(answer);
            records.extend(record);
        }
        self.batches.remember(batch.node, batch.number, answers.clone());
        self.sweep(now);
        Ok(Appended { answers, records, queued })
    }

    /// The queue, at this time.
    pub(in crate::backplane) fn queue(&mut self, now: u64) -> RowQueue<'_, MemoryRows> {
        RowQueue::new(&mut self.queue, now, self.positions.last, MAX_QUEUE_BYTES)
    }

    fn store(&mut self, entry: &Entry, now: u64) -> (Answer, Option<Record>) {
        let Entry { topic: name, change, keep } = entry;
        let topic = self.topics.entry(name.clone()).or_insert_with(|| TopicLog::new(*keep, now));
        if let Some(answer) = topic.refuse(change) {
            return (answer, None);
        }
        let position = self.positions.next(now);
        let (before, previous) = (topic.head, topic.head.newest);
        let (look, bytes) = (topic.look, topic.bytes());
        topic.apply(change, *keep, position, now);
        self.bytes = self.bytes - bytes + topic.bytes();
        self.by_last.remove(&before.last);
        self.by_last.insert(position, name.clone());
        // An earlier look than needed does no harm and finds the right time: so a busy topic is not moved each time.
        if topic.look < look || before.last == Position::ZERO {
            self.by_look.remove(&(look, name.clone()));
            self.by_look.insert((topic.look, name.clone()));
        } else {
            topic.look = look;
        }
        let record = Record { topic: name.clone(), position, previous, change: change.clone() };
        (Answer::Stored(position), Some(record))
    }

    /// Forgets what is too old, in steps, and what is too much.
    pub(in crate::backplane) fn sweep(&mut self, now: u64) {
        for _ in 0..LOOKED_AT {
            let Some((look, name)) = self.by_look.first().filter(|(look, _)| *look <= now) else {
                break;
            };
            let (look, name) = (*look, name.clone());
            let Some(topic) = self.topics.get_mut(&name) else { break };
            let bytes = topic.bytes();
            let alive = topic.trim(now);
            self.bytes = self.bytes - bytes + topic.bytes();
            if alive {
                let next = (topic.look, name.clone());
                self.by_look.remove(&(look, name));
                self.by_look.insert(next);
            } else {
                topic.look = look;
                self.forget(&name);
            }
        }
        while self.topics.len() > MAX_TOPICS || (self.bytes > MAX_BYTES && self.topics.len() > 1) {
            let Some(name) = self.by_last.first_key_value().map(|(_, name)| name.clone()) else {
                break;
            };
            self.forget(&name);
        }
    }

    fn forget(&mut self, name: &Topic) {
        let Some(topic) = self.topics.remove(name) else { return };
        self.bytes -= topic.bytes();
        self.by_last.remove(&topic.head.last);
        self.by_look.remove(&(topic.look, name.clone()));
        self.forgotten = self.forgotten.max(topic.head.newest);
    }

    pub(in crate::backplane) fn load(&self, want: &Want) -> Loaded {
        let topic = self.topics.get(&want.topic);
        Loaded {
            topic: want.topic.clone(),
            head: topic.map(|topic| topic.head),
            records: topic.map(|topic| topic.newest(&want.topic, want)).unwrap_or_default(),
            forgotten: self.forgotten,
            epoch: self.epoch,
        }
    }

    pub(in crate::backplane) fn changed(
        &self,
        after: Position,
        limit: usize,
    ) -> Vec<(Topic, Position)> {
        let later = self.by_last.range(Position::new(after.get().saturating_add(1))..);
        later.take(limit).map(|(position, topic)| (topic.clone(), *position)).collect()
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Log {
    /// The newest position that was given, in this life or an earlier one.
    pub(super) fn given(&self) -> Position {
        self.positions.last.max(self.positions.given)
    }

    /// Gives no position up to this one.
    pub(super) fn never_below(&mut self, given: Position) {
        self.positions.given = given;
    }
}

/// Whether this store takes the entry.
fn storable(entry: &Entry) -> Result<(), EngineError> {
    match entry.change.bytes() {
        bytes if bytes > MAX_RECORD_BYTES => Err(EngineError::refused(format!(
            "a record of {bytes} bytes is more than {MAX_RECORD_BYTES}"
        ))),
        _ => Ok(()),
    }
}
