//! A listener whose parameters are bound: what remains is to call it.

use std::{any::Any, fmt, future::Future, ops::Deref, pin::Pin, sync::Arc};

use super::{
    answer::Answer,
    call::{Call, OwnedCall},
};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(crate) type Condition<E> = Arc<dyn Fn(&E) -> bool + Send + Sync>;
pub(crate) type RefFn<E> = dyn Fn(&E, &Call<'_>) -> Answer + Send + Sync;
type SharedFn<E> = dyn Fn(Arc<E>, &Call<'_>) -> Answer + Send + Sync;
type FutureFn<E> = dyn Fn(Arc<E>, OwnedCall) -> BoxFuture<Answer> + Send + Sync;

/// An event on its way from listener to listener: by value as long as nobody needs a share in it.
pub enum Held<E> {
    /// Handed from one asynchronous listener's future to the next; no allocation.
    Owned(E),
    /// Some listener keeps it, is spawned, or may be stopped by a timeout.
    Shared(Arc<E>),
}

impl<E> Deref for Held<E> {
    type Target = E;
    fn deref(&self) -> &E {
        match self {
            Self::Owned(event) => event,
            Self::Shared(event) => event,
        }
    }
}

impl<E> fmt::Debug for Held<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owned(_) => "Held::Owned",
            Self::Shared(_) => "Held::Shared",
        })
    }
}

/// The four shapes of a listener.
pub(crate) enum Bound<E: ?Sized> {
    /// `fn(&E)`. In a box, since calling out of an `Arc<dyn ..>` asks for its alignment each time.
    Ref(Arc<Box<RefFn<E>>>),
    /// `fn(Arc<E>)`
    Shared(Arc<SharedFn<E>>),
    /// `async fn(Arc<E>)`
    Future(Arc<FutureFn<E>>),
    /// `async fn(&E)`: the future owns the event while it runs and gives it back.
    Lent(Arc<dyn Lend<E>>),
}

impl<E: ?Sized> Clone for Bound<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Ref(f) => Self::Ref(Arc::clone(f)),
            Self::Shared(f) => Self::Shared(Arc::clone(f)),
            Self::Future(f) => Self::Future(Arc::clone(f)),
            Self::Lent(f) => Self::Lent(Arc::clone(f)),
        }
    }
}

impl<E: ?Sized> Bound<E> {
    pub(crate) fn by_ref(f: impl Fn(&E, &Call<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self::Ref(Arc::new(Box::new(f)))
    }

    pub(crate) fn is_async(&self) -> bool {
        matches!(self, Self::Future(_) | Self::Lent(_))
    }
}

/// `async fn(&E)`, for sized events only.
pub(crate) trait Lend<E: ?Sized>: Send + Sync {
    fn start(&self, event: Held<E>, call: OwnedCall) -> BoxFuture<(Held<E>, Answer)>
    where
        E: Sized;
}

impl<E, F> Lend<E> for F
where
    F: Fn(Held<E>, OwnedCall) -> BoxFuture<(Held<E>, Answer)> + Send + Sync,
{
    fn start(&self, event: Held<E>, call: OwnedCall) -> BoxFuture<(Held<E>, Answer)> {
        self(event, call)
    }
}

/// A bound listener of `E`, which is an event type or a trait object.
pub struct Prepared<E: ?Sized> {
    pub(crate) bound: Bound<E>,
    pub(crate) condition: Option<Condition<E>>,
}

impl<E: ?Sized> Clone for Prepared<E> {
    fn clone(&self) -> Self {
        Self { bound: self.bound.clone(), condition: self.condition.clone() }
    }
}

impl<E: ?Sized> fmt::Debug for Prepared<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("asynchronous", &self.bound.is_async())
            .field("conditional", &self.condition.is_some())
            .finish()
    }
}

impl<E: ?Sized + 'static> Prepared<E> {
    /// A synchronous listener by reference.
    pub fn by_ref(f: impl Fn(&E, &Call<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self { bound: Bound::by_ref(f), condition: None }
    }

    /// A synchronous listener that shares the event.
    pub fn shared(f: impl Fn(Arc<E>, &Call<'_>) -> Answer + Send + Sync + 'static) -> Self {
        Self { bound: Bound::Shared(Arc::new(f)), condition: None }
    }

    /// An asynchronous listener that shares the event.
    pub fn future(
        f: impl Fn(Arc<E>, OwnedCall) -> BoxFuture<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self { bound: Bound::Future(Arc::new(f)), condition: None }
    }

    /// Runs the listener only where `condition` holds.
    #[must_use]
    pub fn when(mut self, condition: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Arc::new(condition));
        self
    }

    /// Forgets the event's type, until a plan for it is made.
    #[must_use]
    pub fn erase(self) -> Wired {
        Wired { asynchronous: self.bound.is_async(), prepared: Arc::new(self) }
    }
}

impl<E: 'static> Prepared<E> {
    /// An asynchronous listener by reference.
    pub fn lent(
        f: impl Fn(Held<E>, OwnedCall) -> BoxFuture<(Held<E>, Answer)> + Send + Sync + 'static,
    ) -> Self {
        Self { bound: Bound::Lent(Arc::new(f)), condition: None }
    }
}

/// A [`Prepared`] of some event type.
#[derive(Clone)]
pub struct Wired {
    pub(crate) prepared: Arc<dyn Any + Send + Sync>,
    asynchronous: bool,
}

impl Wired {
    pub(crate) fn is_async(&self) -> bool {
        self.asynchronous
    }
}

impl fmt::Debug for Wired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wired")
    }
}
