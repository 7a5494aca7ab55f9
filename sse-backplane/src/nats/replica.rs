//! `Replica`: the ledger, and how far in the stream it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sse_tower_core::backplane::{
    Epoch,
    replicated::{Applied, Command, ReplicatedStore},
};

use super::wire::{self, Part, Request};

/// For how long the rest of a command that was split is waited for, in nanoseconds: 60 s. Then its node is gone.
const PARTS_AGE: i128 = 60_000_000_000;
/// How many commands may be there incompletely.
const MAX_PARTIAL: usize = 1_024;

/// A node's copy of a namespace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Replica {
    pub(super) ledger: ReplicatedStore,
    /// When the stream that it follows was created, in nanoseconds since 1970: another time is another stream.
    pub(super) created: i128,
    /// The sequence number of the last message that was applied.
    pub(super) applied: u64,
    /// When the server stored that message: the same number with another time is another message.
    pub(super) at: i128,
    /// How many bytes the messages had that were applied, all of them.
    pub(super) bytes: u64,
    partial: BTreeMap<Request, Partial>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Partial {
    /// When its first part came.
    at: i128,
    bytes: Vec<u8>,
    next: u16,
}

/// A command that was applied.
pub(super) struct Done {
    pub(super) request: Request,
    pub(super) applied: Applied,
}

impl Replica {
    pub(super) fn new(created: i128) -> Self {
        // The same for all nodes that begin with an empty stream, and another one for another stream.
        let epoch = (created / 1_000) as u64 & ((1 << 48) - 1);
        Self {
            ledger: ReplicatedStore::new(Epoch::new(epoch.max(1))),
            created,
            applied: 0,
            at: 0,
            bytes: 0,
            partial: BTreeMap::new(),
        }
    }

    /// Applies the next message. What is none of ours, and a part that does not fit, changes nothing but the place.
    pub(super) fn apply(&mut self, message: &Bytes, sequence: u64, at: i128) -> Option<Done> {
        self.applied = sequence;
        self.at = at;
        self.bytes = self.bytes.saturating_add(message.len() as u64);
        let part = wire::read(message)?;
        let request = part.request;
        let whole = if part.of == 1 { part.bytes } else { self.join(part, at)? };
        let command: Command = postcard::from_bytes(&whole).ok()?;
        let now = u64::try_from(at / 1_000).unwrap_or_default();
        Some(Done { request, applied: self.ledger.apply(&command, now) })
    }

    /// Adds a part; gives the whole with the last one.
    fn join(&mut self, part: Part, at: i128) -> Option<Bytes> {
        self.partial.retain(|_, partial| at - partial.at < PARTS_AGE);
        if part.index == 0 {
            if self.partial.len() >= MAX_PARTIAL {
                return None;
            }
            let begun = Partial { at, bytes: part.bytes.to_vec(), next: 1 };
            self.partial.insert(part.request, begun);
            return None;
        }
        let partial = self.partial.get_mut(&part.request)?;
        if partial.next != part.index {
            self.partial.remove(&part.request);
            return None;
        }
        partial.bytes.extend_from_slice(&part.bytes);
        partial.next += 1;
        if partial.next < part.of {
            return None;
        }
        self.partial.remove(&part.request).map(|partial| partial.bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use sse_tower_core::backplane::{
        Answer, Batch, Change, Entry, Keep, NodeId, Position, Topic, Want,
    };

    use super::*;

    const SECOND: i128 = 1_000_000_000;

    fn batch(number: u64, size: usize) -> Command {
        let entry = Entry {
            topic: Topic::new("topic").unwrap(),
            change: Change::Event { body: vec![b'x'; size].into(), once: None },
            keep: Keep { events: 10, bytes: 1 << 20, age: Duration::from_secs(60) },
        };
        Command::Append(Batch { node: NodeId::new(1), number, entries: Arc::new([entry]) })
    }

    fn messages(number: u64, command: &Command) -> Vec<Bytes> {
        let bytes = postcard::to_stdvec(command).unwrap();
        wire::split(Request { origin: 1, number }, &bytes, usize::MAX).unwrap()
    }

    fn answers(done: Done) -> Vec<Answer> {
        match done.applied {
            Applied::Appended { answers, .. } => answers.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn replicas_that_read_the_same_are_the_same_also_from_a_copy() {
        let mut a = Replica::new(5_000);
        let mut b: Option<Replica> = None;
        for number in 1..=20 {
            let at = SECOND * i128::from(number);
            let message = &messages(number, &batch(number, 10))[0];
            if number == 10 {
                let copy = postcard::to_stdvec(&a).unwrap();
                b = Some(postcard::from_bytes(&copy).unwrap());
            }
            let done = answers(a.apply(message, number, at).unwrap());
            assert_eq!(done, [Answer::Stored(Position::new(number * 1_000_000))]);
            if let Some(b) = &mut b {
                assert_eq!(answers(b.apply(message, number, at).unwrap()), done);
            }
        }
        let want = Want {
            topic: Topic::new("topic").unwrap(),
            after: Position::ZERO,
            events: 100,
            bytes: 1 << 20,
        };
        let (a, b) = (a.ledger.load(&want), b.unwrap().ledger.load(&want));
        assert_eq!(a.records.len(), 10);
        assert_eq!((a.records, a.head), (b.records, b.head));
    }

    #[test]
    fn a_command_in_parts_is_applied_with_its_last_and_only_if_all_came() {
        let command = batch(1, wire::PART_BYTES.min(200_000));
        let bytes = postcard::to_stdvec(&command).unwrap();
        let parts: Vec<Bytes> = bytes
            .chunks(bytes.len().div_ceil(3))
            .zip(0_u16..)
            .map(|(chunk, index)| {
                let request = Request { origin: 1, number: 1 };
                let whole = wire::split(request, chunk, usize::MAX).unwrap();
                let mut part = whole[0].to_vec();
                part[18] = index as u8;
                part[20] = 3;
                part.into()
            })
            .collect();
        let mut replica = Replica::new(1);
        assert!(replica.apply(&parts[0], 1, SECOND).is_none());
        assert!(replica.apply(&parts[2], 2, SECOND).is_none(), "one is missing");
        assert!(replica.apply(&parts[0], 3, SECOND).is_none());
        assert!(replica.apply(&parts[1], 4, SECOND).is_none());
        assert!(replica.apply(&parts[2], 5, SECOND).is_some());
        assert!(replica.apply(&parts[0], 6, SECOND).is_none());
        assert!(replica.apply(&parts[1], 7, 62 * SECOND).is_none(), "too late");
        assert!(replica.apply(&parts[2], 8, 62 * SECOND).is_none());
        assert!(replica.partial.is_empty());
        assert_eq!(replica.applied, 8);
    }
}
