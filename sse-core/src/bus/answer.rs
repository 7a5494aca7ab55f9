//! What a listener returns, and what the bus makes of it.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    call::Call,
    error::{BoxError, Failure, ListenerError, ListenerPanicked},
    event::{ApplicationEvent, EventRef},
    prepared::BoxFuture,
    publication::publish,
};

/// What became of one call. Nothing more to say is the common case, and costs nothing.
#[must_use]
pub struct Answer(Option<Box<More>>);

/// The uncommon case.
#[derive(Default)]
pub(crate) struct More {
    /// Of the listener itself, and of listeners of what it returned.
    pub(crate) failures: Vec<Failure>,
    /// Events that it returned and whose asynchronous listeners have yet to run.
    pub(crate) pending: Vec<BoxFuture<Vec<Failure>>>,
    /// The listener itself failed.
    pub(crate) failed: bool,
}

impl Answer {
    pub(crate) const RAN: Self = Self(None);

    pub(crate) fn failed(failure: Failure) -> Self {
        Self(Some(Box::new(More { failures: vec![failure], pending: Vec::new(), failed: true })))
    }

    /// It ran, and there is nothing more to say.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.0.is_none()
    }

    /// The listener itself failed; those of what it returned are another matter.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub(crate) fn is_failed(&self) -> bool {
        self.0.as_ref().is_some_and(|more| more.failed)
    }

    #[inline]
    pub(crate) fn into_more(self) -> Option<Box<More>> {
        self.0
    }

    fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (None, other) => Self(other),
            (this, None) => Self(this),
            (Some(mut this), Some(other)) => {
                this.failures.extend(other.failures);
                this.pending.extend(other.pending);
                this.failed |= other.failed;
                Self(Some(this))
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Answer::RAN"),
            Some(more) => f
                .debug_struct("Answer")
                .field("failures", &more.failures)
                .field("pending", &more.pending.len())
                .finish(),
        }
    }
}

/// What a listener may return: `()`, an event, an `Option`, a `Vec` or a tuple of events, or a
/// `Result` of any of these.
///
/// Returned events are published in turn, in order, as part of the same publication: whoever awaits
/// it has awaited them too, and their listeners' failures are among its failures. An error becomes a
/// [`Failure`]: see [`ListenerError`] for how it comes by the line of its `?`.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
/// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
/// # struct Shipped; impl ApplicationEvent for Shipped {}
/// # struct Thanked; impl ApplicationEvent for Thanked {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().build()?;
/// context.on(|paid: &Paid| (Shipped, (paid.amount > 1000).then_some(Thanked))).forever();
/// context.on(|_: &Shipped| Err::<(), _>("no parcel left")).forever();
///
/// let failed = context.publish_event(Paid { amount: 10 }).await.unwrap_err();
/// assert_eq!(failed.failures().len(), 1); // of `Shipped`, which it has awaited
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "an event listener cannot return `{Self}`",
    label = "neither `()` nor an event",
    note = "return `()`, an event, `Option`, `Vec` or a tuple of events, or `Result` of these with an error that is `Into<Box<dyn Error + Send + Sync>>`"
)]
pub trait ListenerOutput: Sized {
    #[doc(hidden)]
    fn answer(self, call: &Call<'_>) -> Answer;
    #[doc(hidden)]
    fn edges(edges: &mut Vec<EventRef>);
}

impl ListenerOutput for () {
    #[inline]
    fn answer(self, _: &Call<'_>) -> Answer {
        Answer::RAN
    }
    fn edges(_: &mut Vec<EventRef>) {}
}

impl<E: ApplicationEvent> ListenerOutput for E {
    fn answer(self, call: &Call<'_>) -> Answer {
        let (failures, pending) =
            publish(call.context, self, call.listener.declared_at).into_parts();
        if failures.is_empty() && pending.is_none() {
            return Answer::RAN;
        }
        Answer(Some(Box::new(More {
            failures,
            pending: pending.into_iter().collect(),
            failed: false,
        })))
    }
    fn edges(edges: &mut Vec<EventRef>) {
        edges.push(EventRef::of::<E>());
    }
}

impl<T: ListenerOutput> ListenerOutput for Option<T> {
    fn answer(self, call: &Call<'_>) -> Answer {
        self.map_or(Answer::RAN, |output| output.answer(call))
    }
    fn edges(edges: &mut Vec<EventRef>) {
        T::edges(edges);
    }
}

impl<T: ListenerOutput> ListenerOutput for Vec<T> {
    fn answer(self, call: &Call<'_>) -> Answer {
        self.into_iter().fold(Answer::RAN, |answer, output| answer.and(output.answer(call)))
    }
    fn edges(edges: &mut Vec<EventRef>) {
        T::edges(edges);
    }
}

impl<T: ListenerOutput, Er: IntoListenerError> ListenerOutput for Result<T, Er> {
    #[inline]
    fn answer(self, call: &Call<'_>) -> Answer {
        match self {
            Ok(output) => output.answer(call),
            Err(error) => failed(call, error.into_parts()),
        }
    }
    fn edges(edges: &mut Vec<EventRef>) {
        T::edges(edges);
    }
}

#[cold]
fn failed(
    call: &Call<'_>,
    (source, failed_at): (BoxError, Option<&'static std::panic::Location<'static>>),
) -> Answer {
    Answer::failed(Failure::new(call.listener, call.meta, failed_at, source))
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: ListenerOutput),+> ListenerOutput for ($($name,)+) {
            fn answer(self, call: &Call<'_>) -> Answer {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                let answer = Answer::RAN;
                $(let answer = answer.and($name.answer(call));)+
                answer
            }
            fn edges(edges: &mut Vec<EventRef>) {
                $($name::edges(edges);)+
            }
        }
    };
}
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D F);
tuples!(A B C D F G);
tuples!(A B C D F G H);
tuples!(A B C D F G H I);

/// The error of a listener, with the line of its `?` where that is known.
#[diagnostic::on_unimplemented(
    message = "a listener cannot fail with `{Self}`",
    label = "not an error",
    note = "use `ListenerError`, or an error type that is `Into<Box<dyn Error + Send + Sync>>`"
)]
pub trait IntoListenerError {
    #[doc(hidden)]
    fn into_parts(self) -> (BoxError, Option<&'static std::panic::Location<'static>>);
}

impl IntoListenerError for ListenerError {
    fn into_parts(self) -> (BoxError, Option<&'static std::panic::Location<'static>>) {
        let (source, failed_at) = self.take();
        (source, Some(failed_at))
    }
}

impl<Er: Into<BoxError>> IntoListenerError for Er {
    fn into_parts(self) -> (BoxError, Option<&'static std::panic::Location<'static>>) {
        (self.into(), None)
    }
}

/// Polls `listener`; its panic is a value.
pub fn caught<R>(listener: Pin<&mut (dyn Future<Output = R> + Send)>) -> Caught<'_, R> {
    Caught(listener)
}

/// See [`caught`].
#[must_use]
pub struct Caught<'a, R>(Pin<&'a mut (dyn Future<Output = R> + Send + 'a)>);

impl<R> fmt::Debug for Caught<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caught")
    }
}

impl<R> Future for Caught<'_, R> {
    type Output = Result<R, ListenerPanicked>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let listener = self.0.as_mut();
        // A future that panicked is not polled again: it is dropped with this call's result.
        match catch_unwind(AssertUnwindSafe(|| listener.poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(ListenerPanicked::new(&*panic))),
        }
    }
}
