//! `OwnIds`: whether an id that the program gave says where its event stands.
//!
//! A client that comes back with such an id may go on behind its event only if no other event of this
//! log, be it dropped long ago, had the same id: it might have been that one which the client has seen,
//! and what came between would be lost in silence. What is in the log can be looked through. Of what
//! was dropped this is known: where ids have only ever risen, as numbers and time-ordered ids do, they
//! are all different, and none above the last that was dropped was among them. Otherwise nothing is
//! certain once one was dropped.

use super::record::Seq;
use crate::event::EventId;

/// What is known of the ids that the program gave.
#[derive(Debug)]
pub(super) struct OwnIds {
    /// The newest record that had one.
    pub(super) newest: Seq,
    /// Each was greater than the one before.
    pub(super) rising: bool,
    /// The last that was dropped.
    pub(super) dropped: Option<EventId>,
    /// The key was forgotten, and it had such ids before.
    inherited: bool,
}

impl OwnIds {
    pub(super) const fn new(newest: Seq, inherited: bool) -> Self {
        Self { newest, rising: true, dropped: None, inherited }
    }

    /// What it takes on the heap, in bytes.
    pub(super) fn cost(&self) -> usize {
        size_of::<Self>() + self.dropped.as_ref().map_or(0, |id| id.as_str().len())
    }

    /// Whether an event that is not here any more may have had this id.
    pub(super) fn may_have_dropped(&self, id: &EventId) -> bool {
        let dropped = self.dropped.as_ref();
        self.inherited || dropped.is_some_and(|dropped| !self.rising || !is_after(id, dropped))
    }
}

/// Whether `id` is greater than `other`. A longer one is, so that numbers have their order.
pub(super) fn is_after(id: &EventId, other: &EventId) -> bool {
    let (id, other) = (id.as_str(), other.as_str());
    (id.len(), id) > (other.len(), other)
}
