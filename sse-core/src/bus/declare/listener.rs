//! A listener, however it was declared.

use std::{fmt, panic::Location, sync::Arc};

use super::{declaration::Declaration, event_ref::EventRef, inject::Binder};
use crate::bus::{listeners::ErasedHandler, profile::Profile};

pub(crate) type BindFn<T> = Box<dyn Fn(&mut Binder<'_>) -> Option<T> + Send + Sync>;

/// A listener, ready to be registered with [`ContextBuilder::listener`](crate::ContextBuilder::listener).
///
/// An annotated function `on_paid` has one as `on_paid::LISTENER`; [`Listener::on`],
/// [`Listener::on_async`] and their kin make one of a closure.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, WiringError};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// /// A list for several contexts.
/// fn listeners() -> Vec<Listener> {
///     vec![Listener::on(|_: &Paid| println!("paid")).id("print").into()]
/// }
///
/// let mut builder = ApplicationContext::bare();
/// for listener in listeners() {
///     builder = builder.listener(listener);
/// }
/// let context = builder.build()?;
/// # Ok::<(), WiringError>(())
/// ```
#[derive(Clone)]
pub struct Listener(pub(crate) Source);

#[derive(Clone)]
pub(crate) enum Source {
    Declared(&'static Declaration),
    ByHand(Arc<ByHand>),
}

pub(crate) struct ByHand {
    pub(super) profile: Arc<Profile>,
    pub(super) event: EventRef,
    pub(super) bind: BindFn<ErasedHandler>,
}

impl Listener {
    /// The listener that an attribute declared.
    #[doc(hidden)]
    #[must_use]
    pub const fn declared(declaration: &'static Declaration) -> Self {
        Self(Source::Declared(declaration))
    }

    pub(crate) fn profile(&self) -> Arc<Profile> {
        match &self.0 {
            Source::Declared(declaration) => Arc::new(declaration.profile),
            Source::ByHand(listener) => Arc::clone(&listener.profile),
        }
    }

    /// What it hears.
    pub(crate) fn event(&self) -> EventRef {
        match &self.0 {
            Source::Declared(declaration) => declaration.event,
            Source::ByHand(listener) => listener.event,
        }
    }

    /// The name and the place of an annotated one.
    pub(crate) fn declared_as(&self) -> Option<(&'static str, &'static Location<'static>)> {
        match &self.0 {
            Source::Declared(it) => Some((it.profile.name, it.profile.declared_at)),
            Source::ByHand(_) => None,
        }
    }

    pub(crate) fn bind(&self, binder: &mut Binder<'_>) -> Option<ErasedHandler> {
        match &self.0 {
            Source::Declared(declaration) => (declaration.bind)(binder),
            Source::ByHand(listener) => (listener.bind)(binder),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.profile().label()).finish()
    }
}
