//! `Outgoing`: changes that wait to be stored, and those that are being stored. Pure: no clock, no tasks.
//!
//! One batch is under way at a time, and everything that comes meanwhile is the next: the slower the store, the
//! more it gets at once. A batch stays as it is until its outcome is known; what expires in it is only answered.

use std::{collections::VecDeque, fmt, sync::Arc};

use tokio::time::Instant;

use super::{
    super::{Answer, Batch, Change, Entry, NodeId},
    error::BackplaneError,
};
use crate::observe::Span;

/// How many changes wait at most, those under way among them.
pub const MAX_QUEUED_CHANGES: usize = 65_536;
/// How many bytes of bodies wait at most: 64 MiB. One change is always taken, whatever its size.
pub const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;
/// How many changes one batch has at most.
const BATCH_CHANGES: usize = 512;
/// How many bytes of bodies a batch has at most, unless its first change alone is larger: 1 MiB.
const BATCH_BYTES: usize = 1024 * 1024;
/// What a change costs besides its body.
const CHANGE_COST: usize = 128;

/// Called with the outcome of a change.
pub(crate) type Done = Box<dyn FnOnce(Result<Answer, BackplaneError>) + Send>;

struct Pending {
    entry: Entry,
    bytes: usize,
    /// `None` for a change that waits as long as it takes.
    deadline: Option<Instant>,
    done: Done,
    /// The span in which the change was made.
    from: Span,
}

struct Flying {
    batch: Batch,
    bytes: usize,
    from: Arc<[Span]>,
    /// Who is still to be told, one for each entry.
    told: Vec<(Option<Instant>, Option<Done>)>,
}

/// Changes on their way to the store, in the order of their calls.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: VecDeque<Pending>,
    flying: Option<Flying>,
    changes: usize,
    bytes: usize,
    /// The number of the newest batch.
    number: u64,
    /// How many changes were ever put here, and how many have left.
    came: u64,
    left: u64,
}

/// What expired.
#[derive(Default)]
pub(super) struct Expired {
    /// Never handed to the store.
    pub(super) not_stored: Vec<Done>,
    /// In the batch that is under way.
    pub(super) unknown: Vec<Done>,
}

impl Outgoing {
    /// Puts a change behind all others. Gives `done` back where there is no room.
    pub(super) fn push(
        &mut self,
        entry: Entry,
        deadline: Option<Instant>,
        done: Done,
        from: Span,
    ) -> Result<(), Done> {
        let bytes = cost(&entry.change);
        let fits = self.changes < MAX_QUEUED_CHANGES && self.bytes + bytes <= MAX_QUEUED_BYTES;
        if !fits && self.changes > 0 {
            return Err(done);
        }
        self.changes += 1;
        self.came += 1;
        self.bytes += bytes;
        self.waiting.push_back(Pending { entry, bytes, deadline, done, from });
        Ok(())
    }

    /// The batch that is to be stored now: the one under way, or what waits. `None` if nothing does.
    pub(super) fn next(&mut self, node: NodeId) -> Option<Batch> {
        if self.flying.is_none() {
            let mut bytes = 0;
            let fitting = self.waiting.iter().take(BATCH_CHANGES).take_while(|pending| {
                bytes += pending.bytes;
                bytes <= BATCH_BYTES
            });
            let count = fitting.count().max(1).min(self.waiting.len());
            if count == 0 {
                return None;
            }
            let (mut entries, mut told, mut bytes) =
                (Vec::with_capacity(count), Vec::with_capacity(count), 0);
            let mut from = Vec::with_capacity(count);
            for pending in self.waiting.drain(..count) {
                bytes += pending.bytes;
                from.push(pending.from);
                entries.push(pending.entry);
                told.push((pending.deadline, Some(pending.done)));
            }
            self.number += 1;
            let batch = Batch { node, number: self.number, entries: Arc::from(entries) };
            self.flying = Some(Flying { batch, bytes, from: from.into(), told });
        }
        self.flying.as_ref().map(|flying| flying.batch.clone())
    }

    /// In which spans the changes of the batch under way were made.
    pub(super) fn from(&self) -> Arc<[Span]> {
        self.flying.as_ref().map(|flying| Arc::clone(&flying.from)).unwrap_or_default()
    }

    /// Ends the batch under way, whose outcome is known. Returns who is to be told, in order; `None` for those who
    /// were told that it took too long.
    pub(super) fn land(&mut self) -> Vec<Option<Done>> {
        let Some(flying) = self.flying.take() else { return Vec::new() };
        self.leave(flying.told.len(), flying.bytes);
        flying.told.into_iter().map(|(_, done)| done).collect()
    }

    /// Answers what waited too long. What is under way stays in its batch.
    pub(super) fn expire(&mut self, now: Instant) -> Expired {
        let mut expired = Expired::default();
        let is_due = |deadline: &Option<Instant>| deadline.is_some_and(|at| at <= now);
        for (deadline, done) in self.flying.iter_mut().flat_map(|flying| &mut flying.told) {
            if is_due(deadline) {
                *deadline = None;
                expired.unknown.extend(done.take());
            }
        }
        // Deadlines rise; what has none stays where it is.
        let due = self.waiting.iter().take_while(|p| p.deadline.is_none_or(|at| at <= now)).count();
        let (mut gone, mut bytes) = (0, 0);
        let mut kept = Vec::new();
        for pending in self.waiting.drain(..due) {
            if pending.deadline.is_none() {
                kept.push(pending);
                continue;
            }
            gone += 1;
            bytes += pending.bytes;
            expired.not_stored.push(pending.done);
        }
        kept.into_iter().rev().for_each(|pending| self.waiting.push_front(pending));
        self.leave(gone, bytes);
        expired
    }

    /// Everything that has not been handed to the store, to be told so.
    pub(super) fn give_up(&mut self) -> Expired {
        let mut expired = Expired::default();
        expired.unknown.extend(self.land().into_iter().flatten());
        let bytes = self.waiting.iter().map(|pending| pending.bytes).sum();
        self.leave(self.waiting.len(), bytes);
        expired.not_stored.extend(self.waiting.drain(..).map(|pending| pending.done));
        expired
    }

    fn leave(&mut self, changes: usize, bytes: usize) {
        self.changes -= changes;
        self.bytes -= bytes;
        self.left += changes as u64;
    }

    /// When something expires next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let flying = self.flying.iter().flat_map(|flying| &flying.told);
        let flying = flying.filter_map(|(deadline, _)| *deadline).min();
        let waiting = self.waiting.iter().find_map(|pending| pending.deadline);
        match (flying, waiting) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// How many changes wait or are under way.
    pub(super) const fn len(&self) -> usize {
        self.changes
    }

    /// How many changes have come, in all.
    pub(super) const fn came(&self) -> u64 {
        self.came
    }

    /// How many changes have left, in all.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }
}

fn cost(change: &Change) -> usize {
    let body = match change {
        Change::Event { body, .. } => body.len(),
        Change::Enqueue(event) => event.head.len() + event.body.len(),
        _ => 0,
    };
    body + CHANGE_COST
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("changes", &self.changes)
            .field("bytes", &self.bytes)
            .field("flying", &self.flying.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use bytes::Bytes;

    use super::{
        super::super::{Keep, Topic},
        *,
    };

    fn entry(bytes: usize) -> Entry {
        Entry {
            topic: Topic::new("t").unwrap(),
            change: Change::Event { body: Bytes::from(vec![0; bytes]), once: None },
            keep: Keep { events: 1, bytes: 1, age: Duration::ZERO },
        }
    }

    fn nobody() -> Done {
        Box::new(|_| ())
    }

    fn filled(sizes: &[usize], now: Instant) -> Outgoing {
        let mut outgoing = Outgoing::default();
        for (n, size) in sizes.iter().enumerate() {
            let deadline = now + Duration::from_secs(n as u64);
            assert!(outgoing.push(entry(*size), Some(deadline), nobody(), Span::current()).is_ok());
        }
        outgoing
    }

    #[test]
    fn what_comes_while_a_batch_is_under_way_is_the_next() {
        let mut outgoing = filled(&[1, 1], Instant::now());
        let first = outgoing.next(NodeId::new(1)).unwrap();
        assert_eq!((first.number, first.entries.len()), (1, 2));
        outgoing.push(entry(1), None, nobody(), Span::current()).ok().unwrap();
        let again = outgoing.next(NodeId::new(1)).unwrap();
        assert!(Arc::ptr_eq(&first.entries, &again.entries), "frozen until its outcome is known");
        assert_eq!(outgoing.land().len(), 2);
        let second = outgoing.next(NodeId::new(1)).unwrap();
        assert_eq!((second.number, second.entries.len()), (2, 1));
        outgoing.land();
        assert!(outgoing.next(NodeId::new(1)).is_none());
        assert_eq!((outgoing.came(), outgoing.left(), outgoing.bytes), (3, 3, 0));
    }

    #[test]
    fn batches_are_bounded_by_bytes_and_by_count() {
        let mut outgoing = filled(&[BATCH_BYTES / 2; 3], Instant::now());
        assert_eq!(outgoing.next(NodeId::new(1)).unwrap().entries.len(), 1);
        let mut outgoing = filled(&[2 * BATCH_BYTES, 1], Instant::now());
        assert_eq!(outgoing.next(NodeId::new(1)).unwrap().entries.len(), 1, "one always goes");
        let mut outgoing = filled(&[0; BATCH_CHANGES + 1], Instant::now());
        assert_eq!(outgoing.next(NodeId::new(1)).unwrap().entries.len(), BATCH_CHANGES);
    }

    #[test]
    fn a_full_queue_gives_back_what_it_does_not_take() {
        let mut outgoing = Outgoing::default();
        for _ in 0..MAX_QUEUED_CHANGES {
            assert!(outgoing.push(entry(0), None, nobody(), Span::current()).is_ok());
        }
        assert!(outgoing.push(entry(0), None, nobody(), Span::current()).is_err());
        let mut outgoing = filled(&[MAX_QUEUED_BYTES * 2], Instant::now());
        assert!(outgoing.push(entry(0), None, nobody(), Span::current()).is_err());
        // What is under way counts.
        outgoing.next(NodeId::new(1));
        assert!(outgoing.push(entry(0), None, nobody(), Span::current()).is_err());
        outgoing.land();
        assert!(outgoing.push(entry(0), None, nobody(), Span::current()).is_ok());
    }

    #[test]
    fn what_waits_too_long_is_not_stored_and_what_is_under_way_is_only_answered() {
        let now = Instant::now();
        let (told, heard) = mpsc::channel();
        let mut outgoing = Outgoing::default();
        let push = |outgoing: &mut Outgoing, name: &'static str, deadline| {
            let told = told.clone();
            let done = Box::new(move |_| told.send(name).unwrap());
            outgoing.push(entry(1), deadline, done, Span::current()).ok().unwrap();
        };
        let at = |secs| Some(now + Duration::from_secs(secs));
        push(&mut outgoing, "flying", at(5));
        let batch = outgoing.next(NodeId::new(1)).unwrap();
        push(&mut outgoing, "waiting", at(6));
        push(&mut outgoing, "complete", None);
        push(&mut outgoing, "later", at(9));
        assert_eq!(outgoing.next_deadline(), at(5));
        let expired = outgoing.expire(now + Duration::from_secs(6));
        assert_eq!((expired.unknown.len(), expired.not_stored.len()), (1, 1));
        expired.unknown.into_iter().for_each(|done| done(Ok(Answer::Closed)));
        expired.not_stored.into_iter().for_each(|done| done(Ok(Answer::Closed)));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["flying", "waiting"]);
        // The batch is the same as before, and nobody is told twice.
        let again = outgoing.next(NodeId::new(1)).unwrap();
        assert!(Arc::ptr_eq(&batch.entries, &again.entries));
        assert!(matches!(outgoing.land()[..], [None]));
        assert_eq!(outgoing.next(NodeId::new(1)).unwrap().entries.len(), 2);
        outgoing.land().into_iter().flatten().for_each(|done| done(Ok(Answer::Closed)));
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["complete", "later"]);
    }
}
