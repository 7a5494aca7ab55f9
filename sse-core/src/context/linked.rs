//! What attributes leave behind in the binary, found at start-up.

use std::panic::Location;

use crate::{
    bus::{
        declare::{Declaration, EventRef},
        event::ApplicationEvent,
    },
    component::{ComponentName, ComponentRef, ErasedComponent},
};

/// An annotated listener.
#[derive(Clone, Copy, Debug)]
pub struct LinkedListener(pub(crate) &'static Declaration);

impl LinkedListener {
    /// The listener of this declaration.
    #[must_use]
    pub const fn new(declaration: &'static Declaration) -> Self {
        Self(declaration)
    }
}

/// A derived event type.
#[derive(Clone, Copy, Debug)]
pub struct LinkedEvent {
    pub(crate) event: EventRef,
    pub(crate) module: &'static str,
    pub(crate) declared_at: &'static Location<'static>,
}

impl LinkedEvent {
    /// The event type `E`, written in `module`.
    #[must_use]
    pub const fn of<E: ApplicationEvent>(
        module: &'static str,
        declared_at: &'static Location<'static>,
    ) -> Self {
        Self { event: EventRef::of::<E>(), module, declared_at }
    }
}

/// A component type that is declared to be a trait object too.
#[derive(Clone, Copy, Debug)]
pub struct LinkedOffer {
    /// The component.
    pub(crate) owner: ComponentRef,
    /// The trait object.
    pub(crate) offered: ComponentRef,
    /// Makes the trait object of the component.
    pub(crate) cast: fn(&ErasedComponent) -> Option<ErasedComponent>,
    pub(crate) declared_at: &'static Location<'static>,
}

impl LinkedOffer {
    /// `owner` is `offered`, by `cast`.
    #[must_use]
    pub const fn new(
        owner: ComponentRef,
        offered: ComponentRef,
        cast: fn(&ErasedComponent) -> Option<ErasedComponent>,
        declared_at: &'static Location<'static>,
    ) -> Self {
        Self { owner, offered, cast, declared_at }
    }
}

/// A crate that the program says it takes listeners from.
#[derive(Clone, Copy, Debug)]
pub struct LinkedCrate {
    pub(crate) name: &'static str,
    pub(crate) named_at: &'static Location<'static>,
}

impl LinkedCrate {
    /// The crate `name`.
    #[must_use]
    pub const fn new(name: &'static str, named_at: &'static Location<'static>) -> Self {
        Self { name, named_at }
    }
}

/// An annotated endpoint: what the graph and the start-up report want to know of it.
#[derive(Clone, Copy, Debug)]
pub struct EndpointInfo {
    pub(crate) method: &'static str,
    pub(crate) path: Option<&'static str>,
    pub(crate) function: &'static str,
    pub(crate) module: &'static str,
    pub(crate) declared_at: &'static Location<'static>,
    pub(crate) needs: fn(&mut EndpointNeeds),
}

impl EndpointInfo {
    /// An endpoint that is a handler named `function` in `module`.
    #[must_use]
    pub const fn new(
        method: &'static str,
        path: Option<&'static str>,
        function: &'static str,
        module: &'static str,
        declared_at: &'static Location<'static>,
    ) -> Self {
        Self { method, path, function, module, declared_at, needs: |_| {} }
    }

    /// Says, by a function, what it takes from the context.
    #[must_use]
    pub const fn needs(mut self, needs: fn(&mut EndpointNeeds)) -> Self {
        self.needs = needs;
        self
    }
}

/// The components that an endpoint takes.
#[derive(Debug, Default)]
pub struct EndpointNeeds(pub(crate) Vec<ComponentRef>);

impl EndpointNeeds {
    /// It takes a `Component<T>`.
    pub fn component<T: ?Sized + Send + Sync + 'static>(&mut self) {
        self.0.push(ComponentRef::of::<T>());
    }

    /// It takes a `Component<T, N>`.
    pub fn named<T: ?Sized + Send + Sync + 'static, N: ComponentName>(&mut self) {
        self.0.push(ComponentRef::named::<T, N>());
    }
}

inventory::collect!(LinkedListener);
inventory::collect!(LinkedEvent);
inventory::collect!(LinkedOffer);
inventory::collect!(LinkedCrate);
inventory::collect!(EndpointInfo);

/// The first segment of a module path.
pub(crate) fn crate_of(module: &'static str) -> &'static str {
    module.split("::").next().unwrap_or(module)
}

/// Takes the listeners, events and endpoints of library crates that the program names nowhere else.
///
/// A crate that is listed in `Cargo.toml` but never named in the code is not linked, and what its
/// attributes declare is silently not there. This names each crate, and makes
/// [`build`](crate::ContextBuilder::build) fail for one that declares nothing.
///
/// ```standalone_crate
/// # extern crate bytes as billing;
/// # extern crate fastrand as mail_listeners;
/// # mod sse_tower { pub use sse_tower_core::*; }
/// sse_tower::listeners_from![billing, mail_listeners];
/// ```
#[macro_export]
macro_rules! listeners_from {
    ($($name:ident),+ $(,)?) => {$(
        use $name as _;
        $crate::__private::submit! {
            $crate::__private::LinkedCrate::new(
                ::core::stringify!($name),
                $crate::__private::here(),
            )
        }
    )+};
}
