//! A listener whose parameters are bound: what remains is to call it.
//!
//! The shapes of a listener are known here alone, and to those who make one (closures, and what the
//! attribute generates). Everybody else calls [`HandlerFn::call`], and where that has no answer
//! [`HandlerFn::start`].

use std::{
    any::Any,
    fmt,
    ops::Deref,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    answer::Answer,
    call::{Call, OwnedCall},
};
use crate::{
    boxed::BoxFuture,
    bus::{
        event::{ApplicationEvent, EventType, Supertype},
        listeners::ErasedHandler,
    },
};

pub(crate) type Condition<E> = Arc<dyn Fn(&E) -> bool + Send + Sync>;
pub(crate) type RefFn<E> = dyn Fn(&E, &Call<'_>) -> Answer + Send + Sync;
type SharedFn<E> = dyn Fn(Arc<E>, &Call<'_>) -> Answer + Send + Sync;
type FutureFn<E> = dyn Fn(Arc<E>, OwnedCall) -> BoxFuture<Answer> + Send + Sync;

/// An event on its way from listener to listener: by value as long as nobody needs a share in it.
pub enum MaybeShared<E> {
    /// Handed from one asynchronous listener's future to the next; no allocation.
    Owned(E),
    /// Some listener keeps it, is spawned, or may be stopped by a timeout.
    Shared(Arc<E>),
}

impl<E> MaybeShared<E> {
    /// The event in an `Arc`.
    #[inline]
    pub(crate) fn into_shared(self) -> Arc<E> {
        match self {
            Self::Owned(event) => Arc::new(event),
            Self::Shared(event) => event,
        }
    }
}

impl<E> Deref for MaybeShared<E> {
    type Target = E;
    fn deref(&self) -> &E {
        match self {
            Self::Owned(event) => event,
            Self::Shared(event) => event,
        }
    }
}

impl<E> fmt::Debug for MaybeShared<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owned(_) => "MaybeShared::Owned",
            Self::Shared(_) => "MaybeShared::Shared",
        })
    }
}

/// The function of a listener, in one of four shapes.
pub(crate) enum HandlerFn<E: ?Sized> {
    /// `fn(&E)`. In a box, since calling out of an `Arc<dyn ..>` asks for its alignment each time.
    Ref(Arc<Box<RefFn<E>>>),
    /// `fn(Arc<E>)`
    Shared(Arc<SharedFn<E>>),
    /// `async fn(Arc<E>)`
    AsyncShared(Arc<FutureFn<E>>),
    /// `async fn(&E)`: the future owns the event while it runs and gives it back.
    AsyncRef(Arc<dyn AsyncHandler<E>>),
}

impl<E: ?Sized> Clone for HandlerFn<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Ref(f) => Self::Ref(Arc::clone(f)),
            Self::Shared(f) => Self::Shared(Arc::clone(f)),
            Self::AsyncShared(f) => Self::AsyncShared(Arc::clone(f)),
            Self::AsyncRef(f) => Self::AsyncRef(Arc::clone(f)),
        }
    }
}

impl<E: ?Sized> HandlerFn<E> {
    fn by_ref(f: impl Fn(&E, &Call<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::Ref(Arc::new(Box::new(f)))
    }

    /// Whether it is started, and not called.
    pub(crate) fn is_async(&self) -> bool {
        matches!(self, Self::AsyncShared(_) | Self::AsyncRef(_))
    }

    /// Whether it takes the event in an `Arc`.
    pub(crate) fn needs_share(&self) -> bool {
        matches!(self, Self::Shared(_) | Self::AsyncShared(_))
    }

    /// The function, if it is synchronous and takes the event by reference.
    pub(crate) fn as_ref_fn(&self) -> Option<&Arc<Box<RefFn<E>>>> {
        match self {
            Self::Ref(f) => Some(f),
            _ => None,
        }
    }
}

impl<E> HandlerFn<E> {
    /// Calls a synchronous listener; `None` for one that has to be started.
    ///
    /// `None` also where it [needs a share](Self::needs_share) and there is none: a plan with such a
    /// listener has the event in an `Arc`.
    #[inline]
    pub(crate) fn call(&self, event: &MaybeShared<E>, call: &Call<'_>) -> Option<Answer> {
        match (self, event) {
            (Self::Ref(f), event) => Some(f(event, call)),
            (Self::Shared(f), MaybeShared::Shared(event)) => Some(f(Arc::clone(event), call)),
            (Self::Shared(_) | Self::AsyncShared(_) | Self::AsyncRef(_), _) => None,
        }
    }

    /// Starts an asynchronous listener; `None` for one that has to be called, and for one that needs
    /// a share where there is none.
    #[inline]
    pub(crate) fn start(&self, event: MaybeShared<E>, call: OwnedCall) -> Option<Running<E>> {
        match (self, event) {
            (Self::AsyncRef(f), event) => Some(Running::ByRef(f.start(event, call))),
            (Self::AsyncShared(f), MaybeShared::Shared(event)) => {
                Some(Running::Shared(f(event, call)))
            }
            _ => None,
        }
    }
}

/// `async fn(&E)`, for sized events only.
pub(crate) trait AsyncHandler<E: ?Sized>: Send + Sync {
    fn start(&self, event: MaybeShared<E>, call: OwnedCall) -> BoxFuture<(MaybeShared<E>, Answer)>
    where
        E: Sized;
}

impl<E, F> AsyncHandler<E> for F
where
    F: Fn(MaybeShared<E>, OwnedCall) -> BoxFuture<(MaybeShared<E>, Answer)> + Send + Sync,
{
    fn start(&self, event: MaybeShared<E>, call: OwnedCall) -> BoxFuture<(MaybeShared<E>, Answer)> {
        self(event, call)
    }
}

/// An asynchronous listener that runs.
///
/// The listener's own future, of whatever type that is: another box around it would be another
/// allocation for each call.
pub(crate) enum Running<E> {
    ByRef(BoxFuture<(MaybeShared<E>, Answer)>),
    Shared(BoxFuture<Answer>),
    /// With the instruments of `instrument.rs` around it.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    Instrumented(BoxFuture<(Option<MaybeShared<E>>, Answer)>),
}

impl<E> Running<E> {
    /// Polls the listener for its answer. One that was lent the event puts it back into `event`.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        event: &mut Option<MaybeShared<E>>,
        cx: &mut Context<'_>,
    ) -> Poll<Answer> {
        match self {
            Self::Shared(future) => future.as_mut().poll(cx),
            Self::ByRef(future) => future.as_mut().poll(cx).map(|(lent, answer)| {
                *event = Some(lent);
                answer
            }),
            #[cfg(any(feature = "metrics", feature = "tracing"))]
            Self::Instrumented(future) => future.as_mut().poll(cx).map(|(lent, answer)| {
                if lent.is_some() {
                    *event = lent;
                }
                answer
            }),
        }
    }
}

/// A bound listener of `E`, which is an event type or a trait object.
pub struct Handler<E: ?Sized> {
    pub(crate) function: HandlerFn<E>,
    pub(crate) condition: Option<Condition<E>>,
}

impl<E: ?Sized> Clone for Handler<E> {
    fn clone(&self) -> Self {
        Self { function: self.function.clone(), condition: self.condition.clone() }
    }
}

impl<E: ?Sized> fmt::Debug for Handler<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("asynchronous", &self.function.is_async())
            .field("conditional", &self.condition.is_some())
            .finish()
    }
}

impl<E: ?Sized + 'static> Handler<E> {
    fn new(function: HandlerFn<E>) -> Self {
        Self { function, condition: None }
    }

    /// A synchronous listener by reference.
    pub fn by_ref(f: impl Fn(&E, &Call<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::new(HandlerFn::by_ref(f))
    }

    /// A synchronous listener that shares the event.
    pub fn shared(f: impl Fn(Arc<E>, &Call<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::new(HandlerFn::Shared(Arc::new(f)))
    }

    /// An asynchronous listener that shares the event.
    pub fn future(
        f: impl Fn(Arc<E>, OwnedCall) -> BoxFuture<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self::new(HandlerFn::AsyncShared(Arc::new(f)))
    }

    /// Runs the listener only where `condition` holds.
    #[must_use]
    pub fn when(mut self, condition: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Arc::new(condition));
        self
    }

    /// Forgets the event's type, until a plan for it is made.
    #[must_use]
    pub fn erase(self) -> ErasedHandler {
        let asynchronous = self.function.is_async();
        ErasedHandler::new(Arc::new(self), asynchronous)
    }

    /// The listener as one of `S`, which is seen as this trait object by `by_ref` and `shared`.
    /// `None` for one that is lent its event: only a sized event can be.
    fn adapted<S: ApplicationEvent>(
        &self,
        by_ref: fn(&S) -> &E,
        shared: fn(Arc<S>) -> Arc<E>,
    ) -> Option<Handler<S>> {
        let function = match &self.function {
            HandlerFn::Ref(f) => {
                let f = Arc::clone(f);
                HandlerFn::by_ref(move |event: &S, call: &Call<'_>| f(by_ref(event), call))
            }
            HandlerFn::Shared(f) => {
                let f = Arc::clone(f);
                HandlerFn::Shared(Arc::new(move |event, call| f(shared(event), call)))
            }
            HandlerFn::AsyncShared(f) => {
                let f = Arc::clone(f);
                HandlerFn::AsyncShared(Arc::new(move |event, call| f(shared(event), call)))
            }
            HandlerFn::AsyncRef(_) => return None,
        };
        let condition = self.condition.clone().map(|condition| -> Condition<S> {
            Arc::new(move |event: &S| condition(by_ref(event)))
        });
        Some(Handler { function, condition })
    }
}

impl<E: 'static> Handler<E> {
    /// An asynchronous listener by reference.
    pub fn lent(
        f: impl Fn(MaybeShared<E>, OwnedCall) -> BoxFuture<(MaybeShared<E>, Answer)>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self::new(HandlerFn::AsyncRef(Arc::new(f)))
    }
}

/// The part of it that knows what a listener is.
impl<E: ApplicationEvent> EventType<E> {
    /// Lets listeners of the trait object `D` hear this event.
    ///
    /// Both functions do nothing but coerce: `.supertype::<dyn Auditable>(|event| event, |event| event)`.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationEvent, EventType};
    /// trait Auditable: Send + Sync { fn line(&self) -> String; }
    ///
    /// struct Paid;
    /// impl Auditable for Paid { fn line(&self) -> String { "paid".into() } }
    ///
    /// impl ApplicationEvent for Paid {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().supertype::<dyn Auditable>(|event| event, |event| event)
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn supertype<D: ?Sized + 'static>(
        mut self,
        by_ref: fn(&E) -> &D,
        shared: fn(Arc<E>) -> Arc<D>,
    ) -> Self {
        self.supertypes.push(Supertype::new::<D>(move |handler| {
            let handler: Handler<E> =
                handler.downcast_ref::<Handler<D>>()?.adapted(by_ref, shared)?;
            Some(Box::new(handler) as Box<dyn Any>)
        }));
        self
    }
}
