//! How many connections at a log take events, without asking each of them.

use crate::sync::Arc;

/// A log that counts those of its members that still take events.
pub(crate) trait Tally: Send + Sync {
    /// One more does.
    fn opened(&self);
    /// One does no more.
    fn closed(&self);
}

/// Where one connection is counted. Most are at one log, and there are many of them.
#[derive(Default)]
pub(crate) struct Tallies {
    first: Option<Arc<dyn Tally>>,
    others: Vec<Arc<dyn Tally>>,
}

impl Tallies {
    pub(crate) fn open(&mut self, tally: Arc<dyn Tally>) {
        tally.opened();
        match &self.first {
            None => self.first = Some(tally),
            Some(_) => self.others.push(tally),
        }
    }

    /// The connection takes no more events. Takes them out, because dropping a log is for later.
    pub(crate) fn close(&mut self) -> Self {
        let closed = std::mem::take(self);
        closed.first.iter().chain(&closed.others).for_each(|tally| tally.closed());
        closed
    }
}
