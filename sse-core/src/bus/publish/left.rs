//! `Left`: what the call that publishes leaves to whoever awaits it.

use std::sync::Arc;

use super::{
    outcome::Counts,
    plan::Plan,
    run::{Stage, Suspended},
};
use crate::{
    boxed::BoxFuture,
    bus::{failure::Failure, listener::MaybeShared},
};

/// Who publishes the events that the listeners return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// This publication: once all of its listeners have heard its event.
    Whole,
    /// The publication or transaction that it is part of: they come back with its outcome.
    Nested,
}

/// What the call that published has left.
pub(super) struct Left<'a, E> {
    pub(super) plan: &'a Arc<Plan<E>>,
    pub(super) event: MaybeShared<E>,
    pub(super) stage: Stage,
    pub(super) part: Part,
    pub(super) suspended: Suspended,
    pub(super) storing: Option<BoxFuture<Vec<Failure>>>,
}

impl<E> Left<'_, E> {
    pub(super) fn is_nothing(&self, counts: &Counts) -> bool {
        matches!(self.suspended, Suspended::End)
            && self.storing.is_none()
            && (self.part == Part::Nested || counts.returned.is_empty())
    }
}
