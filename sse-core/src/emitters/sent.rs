//! What became of a send.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{EventId, SendError};

/// What a send through [`Emitters`](crate::Emitters) did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event's id: its own, or the one it was given.
    pub id: EventId,
    /// How many connections it was handed to. Zero is no error: within the history it waits for
    /// whoever comes.
    pub receivers: usize,
}

/// The outcome of a send, to be awaited or not: the work is done by the call.
///
/// In memory it is ready at once, so a synchronous listener may simply call `send` and drop this.
///
/// # Cancel safety
/// Cancel safe. Dropping it undoes nothing.
#[derive(Debug)]
pub struct Sent {
    outcome: Option<Result<Receipt, SendError>>,
}

impl Sent {
    pub(super) const fn ready(outcome: Result<Receipt, SendError>) -> Self {
        Self { outcome: Some(outcome) }
    }
}

impl Future for Sent {
    type Output = Result<Receipt, SendError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        // A future that is polled again after it was ready may do as it likes, but not panic here.
        self.outcome.take().map_or(Poll::Pending, Poll::Ready)
    }
}
