//! `Sink`: how a node gives what it hears to the logs, without knowing the type of their keys.

use std::{collections::HashSet, sync::Arc};

use super::super::{Loaded, Record};

/// One log that a node fills: a key's, or that of all keys.
///
/// Everything here is called under the node's lock, in the order of positions, and may take the locks of the
/// emitters under it. What runs the program's code is put off with [`After`].
pub(crate) trait Sink: Send + Sync {
    /// Whether it is for every key of its emitters, so that it is loaded before them.
    fn is_for_all(&self) -> bool {
        false
    }

    /// What is to be loaded: everything that is kept, or, if it was loaded before, only what the log does not have.
    fn wanted(&self, again: bool) -> Wanted;

    /// Fills the log with what the store has, and what the feed brought since.
    fn load(&self, found: Found, after: &mut After);

    /// Applies one more change. Whether there is something to read.
    fn apply(&self, record: Record, after: &mut After) -> bool;

    /// Notes that the log is not complete any more, until the next [`load`](Self::load).
    fn pause(&self);

    /// Begins anew: the store lost its past, and nothing that is known of it means anything.
    fn reset(&self, after: &mut After);

    /// Notes that nothing more will come, and what is here grows old.
    fn unfollowed(&self);

    /// Wakes whoever reads. Called without a lock.
    fn wake(&self);
}

/// What of a topic is to be loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) after: super::super::Position,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// What was found of a topic.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) loaded: Loaded,
    /// What the feed brought that is newer than `loaded`, in order.
    pub(crate) aside: Vec<Record>,
    /// The log had been loaded before.
    pub(crate) again: bool,
    /// Where the store stood when it was asked to follow the topic, if it had not been before.
    pub(crate) since: Option<super::super::Position>,
}

/// A connection whose logs are not complete yet. Called under the node's lock, at most once in all.
pub(crate) trait Waiter: Send + Sync {
    /// Decides where it begins: its logs are complete.
    fn plan(&self, after: &mut After);

    /// Turns it away: its logs were not complete in time.
    fn refuse(&self, after: &mut After);
}

type Then = Box<dyn FnOnce() + Send>;

/// What is to be done once no lock is held.
#[derive(Default)]
pub(crate) struct After {
    wake: Vec<Arc<dyn Sink>>,
    then: Vec<Then>,
    /// Who was told of the store's new life, by where it is in memory.
    told: HashSet<usize>,
}

impl After {
    /// Wakes the readers of this log.
    pub(super) fn wake(&mut self, sink: &Arc<dyn Sink>) {
        if self.wake.last().is_none_or(|last| !Arc::ptr_eq(last, sink)) {
            self.wake.push(Arc::clone(sink));
        }
    }

    /// Whether this is the first time that the one at this address is told.
    pub(crate) fn tells_first(&mut self, address: usize) -> bool {
        self.told.insert(address)
    }

    /// Does this, in order, once the readers are woken.
    pub(crate) fn then(&mut self, act: impl FnOnce() + Send + 'static) {
        self.then.push(Box::new(act));
    }

    pub(super) fn run(self) {
        self.wake.iter().for_each(|sink| sink.wake());
        self.then.into_iter().for_each(|act| act());
    }
}
