//! [`Sent`] and [`Receipt`]: the outcome of a send.

use std::{
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::{
    emitter::SendError,
    event::{EventId, InvalidEvent},
    observe,
};

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
/// With a backplane the event is queued by the call, and this resolves when it is stored, or after
/// the deadline. In memory it is ready at once, so a synchronous listener may simply call `send` and drop this, or
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
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Known(Option<Result<Receipt, SendError>>),
    /// The store has not answered yet.
    Waits(oneshot::Receiver<Result<Receipt, SendError>>),
}

impl Sent {
    pub(super) const fn ready(outcome: Result<Receipt, SendError>) -> Self {
        Self { outcome: Outcome::Known(Some(outcome)) }
    }

    pub(super) const fn waits(outcome: oneshot::Receiver<Result<Receipt, SendError>>) -> Self {
        Self { outcome: Outcome::Waits(outcome) }
    }

    /// A send of something that is no event.
    pub(super) fn invalid(invalid: InvalidEvent, here: &'static Location<'static>) -> Self {
        let error = SendError::from(invalid);
        observe::not_sent(&error, here);
        Self::ready(Err(error))
    }

    /// The outcome if it is known now; otherwise itself.
    pub(crate) fn now(self) -> Result<Result<(), SendError>, Self> {
        match self.outcome {
            Outcome::Known(outcome) => Ok(outcome.map_or(Ok(()), |outcome| outcome.map(drop))),
            Outcome::Waits(mut outcome) => match outcome.try_recv() {
                Ok(outcome) => Ok(outcome.map(drop)),
                Err(_) => Err(Self { outcome: Outcome::Waits(outcome) }),
            },
        }
    }
}

impl Future for Sent {
    type Output = Result<Receipt, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.outcome {
            // A poll after completion may do as it likes, but not panic.
            Outcome::Known(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
            Outcome::Waits(outcome) => {
                let Poll::Ready(answer) = Pin::new(outcome).poll(cx) else { return Poll::Pending };
                self.outcome = Outcome::Known(None);
                // Whoever sends answers, also when it is dropped.
                answer.map_or(Poll::Pending, Poll::Ready)
            }
        }
    }
}
