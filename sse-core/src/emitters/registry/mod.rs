//! All logs of one `Emitters`, in shards by the hash of their keys: what is decided for a key is decided under the
//! lock of its shard.
//!
//! `shards` is all of them, and what they have in common without a lock; `totals` is what is counted of all. Of one
//! shard `behind` is for readers that are too slow, `sweep` is age and forgetting, `to_all` an event for all keys,
//! `locked` its lock.

mod behind;
mod locked;
mod shards;
mod sweep;
#[cfg(test)]
mod tests;
mod to_all;
mod totals;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    filter::Filter,
    table::{Bucket, Table},
    topic::Topic,
};
use crate::{
    emitter::Conn,
    log::{Bounds, Change, Log, Position, ReaderId, Record, Seq, Snapshot},
    sync::{Arc, Ordering},
};

use totals::Totals;

pub use behind::MAX_STALL;
pub(super) use behind::patience;
pub(super) use locked::Locked;
pub(super) use shards::{AllLocked, Shards};

/// For how long a key without connection and history is remembered: where it ended, and whether it
/// is complete. Ten minutes, longer than any browser takes to dial again.
pub const MEMORY_AGE: Duration = Duration::from_secs(600);
/// How many such keys are remembered at most; the oldest is forgotten first. A client that comes
/// back to a forgotten key may be told of a gap where there is none.
pub const MEMORY_KEYS: usize = 65_536;

impl<K> Topic<K> {
    /// What a key takes without connections and history, beyond what it holds on the heap itself: it,
    /// its place in the table, and in the queue of those that are to be forgotten.
    const COST: usize = size_of::<Self>()
        + 2 * size_of::<usize>()
        + 2 * (size_of::<(u64, Arc<Self>)>() + 1)
        + size_of::<Idle<K>>();
}

/// What is decided for the keys of one shard in one order. Under one short lock: what happens inside
/// is a few map operations, and never the program's code.
pub(super) struct Registry<K> {
    table: Arc<Table<K>>,
    totals: Arc<Totals>,
    /// Keys with connections, by the order in which each got its first.
    connected: BTreeMap<u64, Arc<Topic<K>>>,
    places: u64,
    /// What nobody holds any more, to be dropped under no lock: keys are the program's.
    dead: Vec<Arc<Topic<K>>>,
    /// Kept records of all logs, oldest first; some may be gone already.
    kept: VecDeque<Kept<K>>,
    /// Keys without connection and history, by when they are forgotten; some may live again.
    idle: VecDeque<Idle<K>>,
    /// How many records its logs have.
    records: usize,
    /// How many keys there are in it.
    keys: usize,
    born: Instant,
    /// The last `until` that was given to an idle key.
    last_until: u64,
    /// No event of a key that is not in `table` has a later position.
    forgotten: Position,
    /// Keys that are not in `table`, and once had events.
    had_events: Filter,
    /// Keys that are not in `table`, and once had events with ids that the program gave.
    had_own_ids: Filter,
    /// Whether a backplane says how long keys stay, and not their connections and history.
    linked: bool,
    /// An event to all keys that is on its way.
    to_all: Option<ToAll>,
    /// Logs that have overtaken readers, by when it is looked who still is behind.
    behind: VecDeque<Behind<K>>,
    patience: Duration,
    /// Nothing is to be swept before this.
    quiet_until: Instant,
    /// Whether something may have to be swept earlier than before.
    pub(super) is_earlier: bool,
}

/// An event to all keys with connections, which gets to a few of them at a time.
struct ToAll {
    record: Record,
    /// The place up to which they have it.
    place: u64,
    /// The last place that is to have it: who came later did not know of it.
    last: u64,
}

struct Kept<K> {
    topic: Arc<Topic<K>>,
    seq: Seq,
    at: Instant,
    /// Its number by the clock that all shards share.
    came: Position,
}

struct Idle<K> {
    topic: Arc<Topic<K>>,
    /// In nanoseconds since `born`, and no two are the same. If the topic says another, this is out of date.
    until: u64,
}

/// A log that has overtaken readers.
pub(super) struct Behind<K> {
    pub(super) topic: Arc<Topic<K>>,
    /// Whoever has yet to read something before this was overtaken.
    pub(super) before: Seq,
    /// Whether they were asked for a sign of life.
    pub(super) asked: bool,
    until: Instant,
}

impl<K> Registry<K> {
    fn new(
        table: Arc<Table<K>>,
        totals: Arc<Totals>,
        linked: bool,
        patience: Duration,
        born: Instant,
    ) -> Self {
        Self {
            table,
            totals,
            connected: BTreeMap::new(),
            places: 0,
            dead: Vec::new(),
            kept: VecDeque::new(),
            idle: VecDeque::new(),
            records: 0,
            keys: 0,
            born,
            last_until: 0,
            forgotten: Position::ZERO,
            had_events: Filter::default(),
            had_own_ids: Filter::default(),
            linked,
            to_all: None,
            behind: VecDeque::new(),
            patience,
            quiet_until: born,
            is_earlier: false,
        }
    }

    /// Some topics with connections that come after the number `place`, and the number of the last.
    pub(super) fn connected_after(&self, place: u64, count: usize) -> (Vec<Arc<Topic<K>>>, u64) {
        let after = self.connected.range((Bound::Excluded(place), Bound::Unbounded)).take(count);
        let mut last = place;
        let topics = after.map(|(place, topic)| {
            last = *place;
            Arc::clone(topic)
        });
        (topics.collect(), last)
    }

    /// Adds a topic that nobody knows yet, if those with its hash are still these.
    pub(super) fn add(&mut self, known: Option<&Bucket<K>>, topic: &Arc<Topic<K>>) -> bool {
        let is_new = self.table.add(known, topic);
        if is_new {
            self.keys += 1;
            // Of a key that never was here nothing is missing.
            if self.had_events.may_have(|| topic.hash) {
                topic.log().begin_at(self.forgotten);
            }
            if self.had_own_ids.may_have(|| topic.hash) {
                topic.log().inherit_own_ids();
            }
        }
        is_new
    }

    /// Removes a topic that was added in vain: nobody has used it.
    pub(super) fn discard_unused(&mut self, topic: &Arc<Topic<K>>) {
        let unused = {
            let log = topic.log();
            log.readers() == 0 && log.is_empty() && log.last_position() == Position::ZERO
        };
        if unused {
            self.remove(topic, Position::ZERO);
        }
    }

    /// Appends a record, and keeps the bounds of this log. Those on all logs are kept by [`Shards::relieve`].
    pub(super) fn append(
        &mut self,
        topic: &Arc<Topic<K>>,
        record: Record,
        bounds: &Bounds,
    ) -> Snapshot<Conn> {
        let (at, came) = (record.at, record.offset.into());
        let (seq, change, readers, kept) = {
            let mut log = topic.log();
            let seq = log.end();
            let change = log.append(record, bounds);
            self.settle(&mut log);
            self.note_behind(topic, &mut log, at);
            (seq, change, log.snapshot(), !log.is_empty())
        };
        self.count(change);
        if kept {
            if self.kept.is_empty() {
                self.begins_earlier();
            }
            self.kept.push_back(Kept { topic: Arc::clone(topic), seq, at, came });
        } else {
            self.retire_if_idle(topic, at);
        }
        self.sweep(bounds, at);
        readers
    }

    /// Appends a record that may have been sent some time ago.
    pub(super) fn append_old(
        &mut self,
        topic: &Arc<Topic<K>>,
        record: Record,
        bounds: &Bounds,
        now: Instant,
    ) {
        let (at, came) = (record.at, record.offset.into());
        let (seq, change) = {
            let mut log = topic.log();
            let (seq, change) = (log.end(), log.append(record, bounds));
            self.settle(&mut log);
            self.note_behind(topic, &mut log, now);
            (seq, change)
        };
        self.count(change);
        // By age: what is older than what is here already is swept before it.
        let place = self.kept.partition_point(|kept| kept.at <= at);
        if place == 0 {
            self.begins_earlier();
        }
        self.kept.insert(place, Kept { topic: Arc::clone(topic), seq, at, came });
        self.sweep(bounds, at);
    }

    /// Inserts a record that came before others, in its place: into a log that nobody reads.
    pub(super) fn insert(&mut self, topic: &Arc<Topic<K>>, record: Record, bounds: &Bounds) {
        let (at, came) = (record.at, record.offset.into());
        let (seq, change) = {
            let mut log = topic.log();
            let (seq, change) = (log.end(), log.insert(record, bounds));
            self.settle(&mut log);
            (seq, change)
        };
        self.count(change);
        if self.kept.is_empty() {
            self.begins_earlier();
        }
        self.kept.push_back(Kept { topic: Arc::clone(topic), seq, at, came });
    }

    /// Drops what is over the bounds of this log by now.
    pub(super) fn trim(&mut self, topic: &Arc<Topic<K>>, bounds: &Bounds, now: Instant) {
        let mut change = Change::default();
        {
            let mut log = topic.log();
            log.trim(bounds, now, &mut change);
            self.note_behind(topic, &mut log, now);
        }
        self.count(change);
    }

    /// Drops the events of a key; the key stays.
    pub(super) fn clear(&mut self, topic: &Arc<Topic<K>>) {
        let mut change = Change::default();
        topic.log().clear(&mut change);
        self.count(change);
    }

    /// Drops the events of a key, whose positions begin anew.
    pub(super) fn reset(&mut self, topic: &Arc<Topic<K>>) {
        let mut change = Change::default();
        topic.log().reset(&mut change);
        self.count(change);
    }

    /// Drops a key that nobody is connected to.
    pub(super) fn discard(&mut self, topic: &Arc<Topic<K>>) {
        self.clear(topic);
        self.remove(topic, Position::ZERO);
    }

    /// Notes that a connection has joined this log.
    pub(super) fn joined(&mut self, topic: &Arc<Topic<K>>) {
        self.totals.came();
        if topic.place() == 0 {
            self.places += 1;
            topic.put_at(self.places);
            self.connected.insert(self.places, Arc::clone(topic));
            self.totals.connected();
        }
    }

    /// Removes a connection from a log. `false` if it was put out before.
    pub(super) fn leave(
        &mut self,
        topic: &Arc<Topic<K>>,
        id: ReaderId,
        bounds: &Bounds,
        now: Instant,
    ) -> bool {
        let was_there = topic.log().leave(id);
        if was_there {
            self.one_less(topic, bounds, now);
        }
        was_there
    }

    /// Removes a connection that does not leave by itself. `false` if it has left.
    pub(super) fn put_out(
        &mut self,
        topic: &Arc<Topic<K>>,
        (id, conn): (ReaderId, &Arc<Conn>),
        bounds: &Bounds,
        now: Instant,
    ) -> bool {
        let was_there = topic.log().put_out(id, conn);
        if was_there {
            self.one_less(topic, bounds, now);
        }
        was_there
    }

    /// Notes that a connection has left a log. The key goes too if nobody needs it.
    fn one_less(&mut self, topic: &Arc<Topic<K>>, bounds: &Bounds, now: Instant) {
        self.totals.left();
        let mut change = Change::default();
        {
            let mut log = topic.log();
            if log.readers() == 0 {
                log.trim(bounds, now, &mut change);
                log.give_back();
            }
            self.settle(&mut log);
        }
        self.count(change);
        if topic.log().readers() == 0 {
            // Whoever leaves holds the topic too.
            self.connected.remove(&topic.put_at(0));
            self.totals.disconnected();
        }
        self.retire_if_idle(topic, now);
        self.sweep(bounds, now);
    }

    /// Forgets a key at once: history, completion and all. Connections stay.
    pub(super) fn forget(&mut self, topic: &Arc<Topic<K>>, now: Instant) {
        let last = {
            let mut log = topic.log();
            let mut change = Change::default();
            let last = log.last_position();
            log.clear(&mut change);
            self.settle(&mut log);
            let last = (log.readers() == 0).then_some(last);
            drop(log);
            self.count(change);
            last
        };
        match last {
            // It is to remember which events to all it lacks on purpose.
            Some(_) if topic.announced.load(Ordering::Acquire) > 0 => {
                self.retire_if_idle(topic, now);
            }
            Some(last) => self.remove(topic, last),
            None => {}
        }
    }

    /// Counts what a log takes beside its records.
    fn settle(&self, log: &mut Log<Conn>) {
        let (before, now) = log.settle();
        self.totals.settle(before, now);
    }

    fn count(&mut self, change: Change) {
        self.records = self.records + change.added_events - change.dropped_events;
        self.totals.count(change);
    }

    /// Retires or drops a key that has just lost a connection or a record, or has had neither.
    pub(super) fn retire_if_idle(&mut self, topic: &Arc<Topic<K>>, now: Instant) {
        let last = {
            let mut log = topic.log();
            if log.readers() > 0 || !log.is_empty() {
                return;
            }
            log.shrink();
            self.settle(&mut log);
            log.rest();
            log.last_position()
        };
        if self.linked {
            return;
        }
        if last == Position::ZERO && topic.announced.load(Ordering::Acquire) == 0 {
            // Nothing was ever said there.
            return self.remove(topic, last);
        }
        let age = now.saturating_duration_since(self.born).saturating_add(MEMORY_AGE);
        let until = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX >> 1);
        self.last_until = until.max(self.last_until + 1);
        topic.idles(self.last_until);
        if self.idle.is_empty() {
            self.begins_earlier();
        }
        self.totals.idle(1);
        if self.idle.len() == self.idle.capacity() {
            // Little more than there are: they are many, or few.
            self.idle.reserve_exact(self.idle.len() / 4 + 4);
        }
        self.idle.push_back(Idle { topic: Arc::clone(topic), until: self.last_until });
    }

    fn remove(&mut self, topic: &Arc<Topic<K>>, last: Position) {
        if !self.table.remove(topic) {
            return;
        }
        self.keys -= 1;
        topic.forgotten();
        {
            let mut log = topic.log();
            if log.has_own_ids() {
                self.had_own_ids.insert(topic.hash);
            }
            let (before, _) = log.settle();
            self.totals.settle(before, 0);
        }
        if last > Position::ZERO {
            self.had_events.insert(topic.hash);
            self.forgotten = self.forgotten.max(last);
        }
        self.dead.push(Arc::clone(topic));
    }

    /// Drops a topic later, under no lock, if nobody else has it: its key is the program's.
    fn release(&mut self, topic: Arc<Topic<K>>) {
        if Arc::strong_count(&topic) == 1 {
            self.dead.push(topic);
        }
    }
}
