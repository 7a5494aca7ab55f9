//! [`Sent`] and [`Receipt`]: the outcome of a send.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{emitter::SendError, event::EventId};

/// What a send through [`Emitters`](crate::Emitters) did.
///
/// ```
/// # use sse_tower_core::{Emitters, EventId, SendError, SseEvent};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), SendError> {
/// let orders = Emitters::<u64>::new();
/// let given = orders.send(&7, "packed").await?;
/// let own = orders.send(&7, SseEvent::builder().id("6666").data("shipped")).await?;
/// assert!(given.id.as_str().starts_with("1."));
/// assert_eq!((own.id.as_str(), own.receivers), ("6666", 0));
/// # Ok(()) }
/// ```
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
/// In memory it is ready at once, so a synchronous listener may simply call `send` and drop this, or
/// return it: an event that is none is a failure of the listener then, a key that is complete is not.
/// What was not sent is logged as a warning, with the place (feature `tracing`), since most programs
/// do not look here.
///
/// # Cancel safety
/// Cancel safe. Dropping it undoes nothing.
///
/// ```
/// # use sse_tower_core::{Emitters, LastEventId, Sent};
/// fn notify(users: &Emitters<u64>) -> Sent {
///     users.send(&7, "from a function that is not async")
/// }
///
/// let users = Emitters::new();
/// let tab = users.connect(7, LastEventId::default());
/// drop(notify(&users)); // it is sent
/// # drop(tab);
/// ```
#[derive(Debug)]
pub struct Sent {
    outcome: Option<Result<Receipt, SendError>>,
}

impl Sent {
    pub(super) const fn ready(outcome: Result<Receipt, SendError>) -> Self {
        Self { outcome: Some(outcome) }
    }

    /// Why it was not sent.
    pub(crate) fn into_error(self) -> Option<SendError> {
        self.outcome?.err()
    }
}

impl Future for Sent {
    type Output = Result<Receipt, SendError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        // A poll after completion may do as it likes, but not panic.
        self.outcome.take().map_or(Poll::Pending, Poll::Ready)
    }
}
