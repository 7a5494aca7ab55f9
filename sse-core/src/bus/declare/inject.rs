//! What a listener may take beside its event, bound once at start-up and passed by reference.

use std::panic::Location;

use super::{event_ref::EventRef, output::ListenerOutput, publisher::Publisher};
use crate::{
    bus::{
        event::{ApplicationEvent, EventMeta},
        listener::Call,
        publish::Transaction,
    },
    component::{Component, ComponentName, ComponentRef, Components},
};

/// Finds what one listener needs, and notes what is missing and what the listener publishes.
#[derive(Debug)]
pub struct Binder<'a> {
    components: &'a Components,
    pub(crate) missing: Vec<ComponentRef>,
    pub(crate) publishes: Vec<EventRef>,
    /// It takes the transaction that is about to commit.
    pub(crate) joins: bool,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(components: &'a Components) -> Self {
        Self { components, missing: Vec::new(), publishes: Vec::new(), joins: false }
    }

    /// Binds one parameter. `None` if it is missing, which is noted.
    pub fn inject<'p, P: Inject<'p>>(&mut self) -> Option<Arg<P::Bound>> {
        P::bind(self).map(Arg)
    }

    /// Notes what the listener returns.
    pub fn returns<R: ListenerOutput>(&mut self) {
        R::published_types(&mut self.publishes);
    }

    pub(crate) fn component<T, N>(&mut self) -> Option<Component<T, N>>
    where
        T: ?Sized + Send + Sync + 'static,
        N: ComponentName,
    {
        let component = self.components.get::<T>(N::NAME);
        let wanted = ComponentRef::named::<T, N>();
        if component.is_none() && !self.components.contains(wanted.key()) {
            self.missing.push(wanted);
        }
        component.map(Component::new)
    }
}

/// One bound parameter.
#[derive(Debug)]
pub struct Arg<B>(B);

impl<B> Arg<B> {
    /// The parameter for one call.
    pub fn give<'a, P: Inject<'a, Bound = B>>(&'a self, call: &Call<'_>) -> P {
        P::give(&self.0, call)
    }
}

impl<T: Send + Sync + 'static> Arg<Component<T>> {
    /// The component itself, for a method's `&self`.
    #[must_use]
    pub fn component(&self) -> &T {
        &self.0
    }
}

/// What a listener may take after its event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected into an event listener",
    label = "cannot be injected",
    note = "to take a component, wrap it: `Component<{Self}>`; also possible are `&Component<T>`, `Publisher<E>`, `EventMeta`, `ApplicationContext` and, before a commit, `Transaction`",
    note = "the event comes first, and there is one: `&E` or `Arc<E>`"
)]
pub trait Inject<'a>: Sized {
    /// What is kept of it between calls.
    #[doc(hidden)]
    type Bound: Send + Sync + 'static;
    #[doc(hidden)]
    fn bind(binder: &mut Binder<'_>) -> Option<Self::Bound>;
    #[doc(hidden)]
    fn give(bound: &'a Self::Bound, call: &Call<'_>) -> Self;
}

impl<T: ?Sized + Send + Sync + 'static, N: ComponentName> Inject<'_> for Component<T, N> {
    type Bound = Self;
    fn bind(binder: &mut Binder<'_>) -> Option<Self> {
        binder.component()
    }
    fn give(bound: &Self, _: &Call<'_>) -> Self {
        bound.clone()
    }
}

impl<'a, T: ?Sized + Send + Sync + 'static, N: ComponentName> Inject<'a> for &'a Component<T, N> {
    type Bound = Component<T, N>;
    fn bind(binder: &mut Binder<'_>) -> Option<Component<T, N>> {
        binder.component()
    }
    #[inline]
    fn give(bound: &'a Component<T, N>, _: &Call<'_>) -> Self {
        bound
    }
}

impl<X: ApplicationEvent> Inject<'_> for Publisher<X> {
    // Not a publisher: the bus owns its listeners, so one kept by a listener would keep the bus alive
    // for ever.
    type Bound = ();
    fn bind(binder: &mut Binder<'_>) -> Option<()> {
        binder.publishes.push(EventRef::of::<X>());
        Some(())
    }
    fn give((): &(), call: &Call<'_>) -> Self {
        Publisher::new(call.bus.clone())
    }
}

/// For listeners of phase `before-commit`; `build()` refuses it to others.
impl Inject<'_> for Transaction {
    type Bound = ();
    fn bind(binder: &mut Binder<'_>) -> Option<()> {
        binder.joins = true;
        Some(())
    }
    fn give((): &(), call: &Call<'_>) -> Self {
        Self::of(call)
    }
}

impl Inject<'_> for EventMeta {
    type Bound = ();
    fn bind(_: &mut Binder<'_>) -> Option<()> {
        Some(())
    }
    #[inline]
    fn give((): &(), call: &Call<'_>) -> Self {
        call.meta.get()
    }
}

/// The place of the tokens that call it, as a constant.
#[must_use]
#[track_caller]
pub const fn here() -> &'static Location<'static> {
    Location::caller()
}
