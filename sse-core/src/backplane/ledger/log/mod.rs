//! `RowLog`: the log over rows, one call after the other.

mod keys;
mod stored;
mod trim;

use bytes::Bytes;

use super::{
    ReadRows, RowQueue, Rows,
    codec::{Reader, Writer},
};
use crate::backplane::{
    Answer, Batch, Change, EngineError, EngineErrorKind, Entry, Epoch, Loaded, MAX_RECORD_BYTES,
    Mark, Position, Record, Topic, Want,
};
use stored::{BatchRow, Event, Meta, TopicRow};

/// How many rows a load reads at once, so that one of few bytes reads no more than it gives.
const READ_AT_ONCE: usize = 64;

/// How much a store holds. Beyond that, what would be looked at next goes first, as if its time were over.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many topics.
    pub topics: u64,
    /// How many bytes of events in the log.
    pub bytes: u64,
    /// How many bytes of events in the queue.
    pub queue_bytes: u64,
    /// Of how many nodes the newest batch is known.
    pub nodes: u64,
    /// How many `once` keys of events that left the log are known of one topic.
    pub once_keys: u64,
}

/// What [`RowLog::append`] did.
#[derive(Debug)]
pub struct Appended {
    /// One for each entry.
    pub answers: Vec<Answer>,
    /// What becomes visible with the transaction, in rising positions. Empty for a batch that was stored before.
    pub records: Vec<Record>,
    /// Whether something came into the queue.
    pub queued: bool,
}

/// The log at one moment: what one or more calls do, within one transaction over the rows.
///
/// If a method fails, what it has put is to be undone by dropping the transaction; and the transaction is committed only
/// after [`finish`](Self::finish).
///
/// ```
/// # use sse_tower_core::backplane::{
/// #     Answer, Batch, Change, Entry, Epoch, Keep, NodeId, Position, Topic, Want,
/// #     ledger::{Limits, MemoryRows, RowLog},
/// # };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limits = Limits { topics: 9, bytes: 999, queue_bytes: 999, nodes: 9, once_keys: 9 };
/// let mut rows = MemoryRows::default();
/// let mut log = RowLog::open(&mut rows, 1_000_000, Epoch::new(7), limits)?;
/// let topic = Topic::new("orders")?;
/// let entry = Entry {
///     topic: topic.clone(),
///     change: Change::Event { body: "paid".into(), once: None },
///     keep: Keep { events: 10, bytes: 1_000, age: std::time::Duration::from_secs(60) },
/// };
/// let batch = Batch { node: NodeId::random(), number: 1, entries: [entry].into() };
/// assert_eq!(log.append(&batch)?.answers, [Answer::Stored(Position::new(1_000_000))]);
/// log.finish()?;
/// let want = Want { topic, after: Position::ZERO, events: 10, bytes: 1_000 };
/// assert_eq!(RowLog::load(&rows, &[want])?[0].records.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct RowLog<'a, R> {
    rows: &'a mut R,
    now: u64,
    limits: Limits,
    meta: Meta,
    changed: bool,
}

impl<'a, R: Rows> RowLog<'a, R> {
    /// The log in these rows, at `now` microseconds of the store's clock. It gets this epoch if it has none.
    ///
    /// # Errors
    /// Those of the rows: what [`Rows`] could not do.
    pub fn open(
        rows: &'a mut R,
        now: u64,
        epoch: Epoch,
        limits: Limits,
    ) -> Result<Self, EngineError> {
        let (meta, changed) = match rows.get(&keys::meta())? {
            Some(row) => (Meta::read(row)?, false),
            None => (Meta::new(epoch), true),
        };
        Ok(Self { rows, now, limits, meta, changed })
    }

    /// How far the store is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.meta.mark()
    }

    /// The queue in the same rows.
    pub fn queue(&mut self) -> RowQueue<'_, R> {
        RowQueue::new(self.rows, self.now, self.meta.last, self.limits.queue_bytes)
    }

    /// Writes what is known of the whole log, if that has changed.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn finish(self) -> Result<(), EngineError> {
        if self.changed { self.rows.put(keys::meta(), self.meta.write()) } else { Ok(()) }
    }

    /// Stores a batch.
    ///
    /// # Errors
    /// Those of the rows; `Refused` for a body that is too large, and `Superseded`: then nothing was put.
    pub fn append(&mut self, batch: &Batch) -> Result<Appended, EngineError> {
        let before = self.rows.get(&keys::batch(batch.node))?.map(BatchRow::read).transpose()?;
        if let Some(before) = &before {
            if before.number == batch.number {
                let answers = before.answers.clone();
                return Ok(Appended { answers, records: Vec::new(), queued: false });
            }
            if before.number > batch.number {
                return Err(EngineError::new(
                    EngineErrorKind::Superseded,
                    "a newer batch of this node was stored already",
                ));
            }
        }
        if let Some(entry) = batch.entries.iter().find(|e| e.change.bytes() > MAX_RECORD_BYTES) {
            let bytes = entry.change.bytes();
            return Err(EngineError::refused(format!(
                "a record of {bytes} bytes is more than {MAX_RECORD_BYTES}"
            )));
        }
        self.changed = true;
        let mut appended = Appended { answers: Vec::new(), records: Vec::new(), queued: false };
        for entry in batch.entries.iter() {
            let answer = match &entry.change {
                Change::Enqueue(event) => {
                    let position = self.give();
                    self.queue().enqueue(position, event)?;
                    appended.queued = true;
                    Answer::Stored(position)
                }
                _ => self.store(entry, &mut appended.records)?,
            };
            appended.answers.push(answer);
        }
        self.remember(batch, before, appended.answers.clone())?;
        self.sweep()?;
        Ok(appended)
    }

    fn give(&mut self) -> Position {
        let next = self.meta.last.get().saturating_add(1);
        self.meta.last = Position::new(self.now.max(next));
        self.meta.last
    }

    fn store(&mut self, entry: &Entry, records: &mut Vec<Record>) -> Result<Answer, EngineError> {
        let Entry { topic: name, change, keep } = entry;
        let known = topic_row(self.rows, name)?;
        if let (Some(topic), Change::Event { once: Some(key), .. }) = (&known, change)
            && let Some(row) = self.rows.get(&keys::once(topic.number, key))?
        {
            return Ok(Answer::Repeated(Reader(row).position()?));
        }
        if known.as_ref().is_some_and(|topic| topic.head.refuses(change)) {
            return Ok(Answer::Closed);
        }
        let position = self.give();
        let (mut topic, is_new) = match known {
            Some(topic) => (topic, false),
            None => {
                self.meta.topics += 1;
                (TopicRow::new(position.get(), *keep, self.now), true)
            }
        };
        let previous = topic.head.newest;
        topic.head.apply(change, position);
        topic.keep = *keep;
        topic.changed = self.now;
        if let Change::Event { body, once } = change {
            let once = once.as_deref();
            if let Some(key) = once {
                topic.has_once = true;
                let row = Writer::default().position(position).0;
                self.rows.put(keys::once(topic.number, key), row)?;
            }
            let row = Event::write(previous, self.now, once, body);
            self.rows.put(keys::record(topic.number, position), row)?;
            if topic.events == 0 {
                topic.oldest = self.now;
            }
            topic.events += 1;
            topic.bytes += body.len() as u64;
            self.meta.bytes += body.len() as u64;
        }
        if *change == Change::Forget {
            self.drop_oldest(&mut topic, usize::MAX)?;
        }
        self.trim_much(&mut topic)?;
        self.look_again(name, &mut topic, is_new)?;
        self.rows.put(keys::topic(name), topic.write())?;
        let (topic, change) = (name.clone(), change.clone());
        records.push(Record { topic, position, previous, change });
        Ok(Answer::Stored(position))
    }

    fn remember(
        &mut self,
        batch: &Batch,
        before: Option<BatchRow>,
        answers: Vec<Answer>,
    ) -> Result<(), EngineError> {
        match before {
            Some(before) => self.rows.delete(&keys::order(before.stored))?,
            None => self.meta.nodes += 1,
        }
        self.meta.batches += 1;
        let stored = self.meta.batches;
        let row = BatchRow { number: batch.number, stored, answers };
        self.rows.put(keys::batch(batch.node), row.write())?;
        let node = Writer::default().u128(batch.node.get()).0;
        self.rows.put(keys::order(stored), node)?;
        if self.meta.nodes > self.limits.nodes {
            let silent = self.rows.range(&keys::orders(), &keys::end(keys::orders()), 1)?;
            for (key, node) in silent {
                self.rows.delete(&key)?;
                let node = crate::backplane::NodeId::new(Reader(node).u128()?);
                self.rows.delete(&keys::batch(node))?;
                self.meta.nodes -= 1;
            }
        }
        Ok(())
    }
}

impl<R: ReadRows> RowLog<'_, R> {
    /// The newest part of some topics, as they stand in these rows.
    ///
    /// # Errors
    /// Those of the rows; `Unavailable` before the log was opened for the first time.
    pub fn load(rows: &R, wants: &[Want]) -> Result<Vec<Loaded>, EngineError> {
        let meta = rows.get(&keys::meta())?.map(Meta::read).transpose()?;
        let meta = meta.ok_or_else(|| EngineError::unavailable("the store was not begun"))?;
        wants
            .iter()
            .map(|want| {
                let topic = topic_row(rows, &want.topic)?;
                Ok(Loaded {
                    topic: want.topic.clone(),
                    head: topic.as_ref().map(|topic| topic.head),
                    records: topic.map_or(Ok(Vec::new()), |topic| newest(rows, &topic, want))?,
                    forgotten: meta.forgotten,
                    epoch: meta.epoch,
                })
            })
            .collect()
    }
}

fn topic_row(rows: &impl ReadRows, topic: &Topic) -> Result<Option<TopicRow>, EngineError> {
    rows.get(&keys::topic(topic))?.map(TopicRow::read).transpose()
}

fn newest(rows: &impl ReadRows, topic: &TopicRow, want: &Want) -> Result<Vec<Record>, EngineError> {
    let from = keys::record(topic.number, Position::new(want.after.get().saturating_add(1)));
    let mut to = keys::end(keys::records(topic.number));
    let mut records = Vec::new();
    let mut bytes = 0_usize;
    'all: while records.len() < want.events {
        let limit = READ_AT_ONCE.min(want.events - records.len());
        let older: Vec<(Vec<u8>, Bytes)> = rows.range_back(&from, &to, limit)?;
        let ends = older.len() < limit;
        for (key, row) in older {
            let event = Event::read(row)?;
            bytes = bytes.saturating_add(event.body.len());
            if bytes > want.bytes && !records.is_empty() {
                break 'all;
            }
            records.push(event.record(&want.topic, Position::new(keys::last_number(&key))));
            to = key;
        }
        if ends {
            break;
        }
    }
    records.reverse();
    Ok(records)
}

impl<R> std::fmt::Debug for RowLog<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowLog").field("mark", &self.meta.mark()).finish_non_exhaustive()
    }
}
