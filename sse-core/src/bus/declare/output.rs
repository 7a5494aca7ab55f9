//! What a listener may return, and what the bus makes of it.

use super::event_ref::EventRef;
use crate::{
    boxed::BoxError,
    bus::{
        event::ApplicationEvent,
        failure::{Advice, Failure},
        listener::{
            Answer, Call, ErrorParts, ListenerError, ListenerPanicked, More, OwnedCall, Returned,
        },
        publish::publish_returned,
        scope::Origin,
    },
    observe::Span,
};

impl Call<'_> {
    /// Turns what the listener returned into what the bus goes on with: events are published,
    /// errors become failures.
    pub fn answer<R: ListenerOutput>(&self, output: R) -> Answer {
        output.answer(self)
    }
}

impl OwnedCall {
    /// See [`Call::answer`]. The bound is on what the listener returns, so that a wrong type is said once.
    pub fn answer<R: ListenerOutput>(&self, output: Result<R, ListenerPanicked>) -> Answer {
        output.answer(&self.call())
    }
}

/// What a listener may return: `()`, an event, an `Option`, a `Vec` or a tuple of events, or a
/// `Result` of any of these.
///
/// Returned events are published as part of the same publication: whoever awaits it has awaited them too, and their
/// listeners' failures are among its failures. They go out *breadth first*: when every listener of the first event has
/// heard it, in the order in which they were returned, and before what their own listeners return. So nobody hears an
/// event before the one that led to it. What a listener publishes by itself, through a [`Publisher`](crate::Publisher) or
/// the context, goes out in its own call and does not wait.
///
/// An error becomes a [`Failure`]: see [`ListenerError`] for how it comes by the line of its `?`.
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
    fn published_types(events: &mut Vec<EventRef>);
}

impl ListenerOutput for () {
    #[inline]
    fn answer(self, _: &Call<'_>) -> Answer {
        Answer::RAN
    }
    fn published_types(_: &mut Vec<EventRef>) {}
}

impl<E: ApplicationEvent> ListenerOutput for E {
    fn answer(self, call: &Call<'_>) -> Answer {
        // Before a commit it is one of those that wait for it.
        let Err(event) = call.add(self) else { return Answer::RAN };
        let at = call.listener.declared_at;
        let (origin, span) = (Origin::current(), Span::current());
        let publish: Returned =
            Box::new(move |bus| span.run(|| origin.within(|| publish_returned(bus, event, at))));
        Answer::of(More { returned: vec![publish], ..More::default() })
    }
    fn published_types(events: &mut Vec<EventRef>) {
        events.push(EventRef::of::<E>());
    }
}

impl<T: ListenerOutput> ListenerOutput for Option<T> {
    fn answer(self, call: &Call<'_>) -> Answer {
        self.map_or(Answer::RAN, |output| output.answer(call))
    }
    fn published_types(events: &mut Vec<EventRef>) {
        T::published_types(events);
    }
}

impl<T: ListenerOutput> ListenerOutput for Vec<T> {
    fn answer(self, call: &Call<'_>) -> Answer {
        self.into_iter().fold(Answer::RAN, |answer, output| answer.and(output.answer(call)))
    }
    fn published_types(events: &mut Vec<EventRef>) {
        T::published_types(events);
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
    fn published_types(events: &mut Vec<EventRef>) {
        T::published_types(events);
    }
}

#[cold]
fn failed(call: &Call<'_>, error: ErrorParts) -> Answer {
    let ErrorParts { source, failed_at, advice } = error;
    let hooks = call.bus.failures();
    let mut failure = Failure::new(hooks, call.listener, &call.meta.get(), failed_at, source);
    failure.advice = advice;
    Answer::failed(failure)
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
            fn published_types(events: &mut Vec<EventRef>) {
                $($name::published_types(events);)+
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
    fn into_parts(self) -> ErrorParts;
}

impl IntoListenerError for ListenerError {
    fn into_parts(self) -> ErrorParts {
        self.take()
    }
}

impl<Er: Into<BoxError>> IntoListenerError for Er {
    fn into_parts(self) -> ErrorParts {
        ErrorParts { source: self.into(), failed_at: None, advice: Advice::None }
    }
}
