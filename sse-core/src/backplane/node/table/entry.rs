//! `Entry`: one copy of a topic, how complete it is, and what it takes of what the store tells.

use std::sync::Arc;

use super::super::{
    super::{Change, Loaded, Mark, Position, Record, Topic},
    sink::{After, Sink},
};

/// How many bytes are kept aside for topics that are being loaded, all together: 64 MiB. Beyond it they are loaded
/// once more.
const MAX_ASIDE_BYTES: usize = 64 * 1024 * 1024;
/// What a record that is kept aside costs besides its body.
const ASIDE_COST: usize = 96;

/// The owner of a copy of a topic: several emitters of one name may share a node.
pub(crate) type Owner = usize;

/// One copy of a topic.
pub(super) type Copy = (Topic, Owner);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be followed.
    Wanted,
    /// The store was asked to.
    Following,
    /// Followed, and to be loaded, or being loaded.
    Loading,
    Live,
}

pub(super) struct Entry {
    pub(super) owner: Owner,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) state: State,
    /// It had been live, and has readers that count on the watermark.
    pub(super) again: bool,
    pub(super) users: u32,
    /// Rises whenever the last user leaves, so that one such rest is told from another.
    pub(super) rest: u32,
    /// The newest event that is in the log or was, by the store's word.
    pub(super) newest: Position,
    /// The newest change of any kind.
    pub(super) last: Position,
    pub(super) joining: Option<Box<Joining>>,
}

/// What a topic has that is not live.
#[derive(Default)]
pub(super) struct Joining {
    pub(super) aside: Vec<Record>,
    pub(super) aside_bytes: usize,
    /// Whether something is missing that should be in `aside`.
    pub(super) incomplete: bool,
    /// How far the store was when the topic was followed.
    pub(super) since: Option<Mark>,
    /// What was loaded, until the feed has come as far.
    pub(super) loaded: Option<Loaded>,
    pub(super) waiters: Vec<u64>,
}

pub(super) enum Taken {
    Passed,
    /// It is kept aside, and takes this many bytes.
    Aside(usize),
    /// It is kept aside, and something before it is missing: the topic has to be loaded again.
    Hole(usize),
}

impl Entry {
    pub(super) fn take(&mut self, record: &Record, aside_bytes: usize, after: &mut After) -> Taken {
        if record.position <= self.last {
            return Taken::Passed;
        }
        if self.state != State::Live {
            return Taken::Aside(self.put_aside(record, aside_bytes));
        }
        if record.previous > self.newest {
            self.state = State::Loading;
            self.sink.pause();
            return Taken::Hole(self.put_aside(record, aside_bytes));
        }
        self.last = record.position;
        if matches!(record.change, Change::Event { .. }) {
            self.newest = record.position;
        }
        if self.sink.apply(record.clone(), after) {
            after.wake(&self.sink);
        }
        Taken::Passed
    }

    fn put_aside(&mut self, record: &Record, aside_bytes: usize) -> usize {
        let body = match &record.change {
            Change::Event { body, .. } => body.len(),
            _ => 0,
        };
        let bytes = body + ASIDE_COST;
        let joining = self.joining.get_or_insert_default();
        if joining.incomplete || aside_bytes + bytes > MAX_ASIDE_BYTES {
            joining.incomplete = true;
            return 0;
        }
        joining.aside.push(record.clone());
        joining.aside_bytes += bytes;
        bytes
    }
}
