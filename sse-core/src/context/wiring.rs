//! `WiringError`: what can be wrong with a context before it runs, all of it at once.

use std::{error::Error, fmt, panic::Location, sync::Arc};

use crate::{
    bus::event::readable_name,
    component::{ComponentRef, Components},
    error_chain::{ErrorChain, debug_with_causes},
};

/// A place in the program's text.
pub(super) type Place = &'static Location<'static>;

/// The context cannot be built. It lists everything that is wrong, not only the first.
///
/// `Debug` prints the same text as `Display`, since that is what a `main` that returns it shows.
///
/// ```
/// # use sse_tower_core::ApplicationContext;
/// let wrong = ApplicationContext::bare().component(1_u8).component(2_u8).build().unwrap_err();
/// for fault in wrong.faults() {
///     println!("{fault}");
/// }
/// # assert_eq!(wrong.faults().len(), 1);
/// ```
pub struct WiringError {
    faults: Vec<WiringFault>,
    found_at: Place,
}

impl WiringError {
    /// `Ok` if there are no faults.
    pub(crate) fn check(faults: Vec<WiringFault>, found_at: Place) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self { faults, found_at }) }
    }

    /// For `sse-tower`, whose endpoints have needs of their own. `Ok` if there are no faults.
    #[doc(hidden)]
    pub fn of(faults: Vec<WiringFault>, found_at: Place) -> Result<(), Self> {
        Self::check(faults, found_at)
    }

    /// Each thing that is wrong.
    #[must_use]
    pub fn faults(&self) -> &[WiringFault] {
        &self.faults
    }
}

impl fmt::Display for WiringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        let s = if count == 1 { "" } else { "s" };
        write!(f, "context is not wired, {count} fault{s} found at {}:", self.found_at)?;
        for fault in &self.faults {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for WiringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for WiringError {}

/// One thing that is wrong, where, and what to do about it.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, WiringFault};
/// let wrong = ApplicationContext::bare().component(1_u8).component(2_u8).build().unwrap_err();
/// let [WiringFault::DuplicateComponent { first, second, .. }] = wrong.faults() else { unreachable!() };
/// println!("given at {first} and again at {second}");
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WiringFault {
    /// A listener or an endpoint takes a component that nobody gave.
    #[error(
        "{declared_at}: `{taken_by}` takes `Component<{}>`, which is missing; add `{}` to the context",
        readable_name(component),
        adds(component)
    )]
    MissingComponent {
        /// Rust's name of its type.
        component: &'static str,
        /// The listener's id or path, or the endpoint's path.
        taken_by: String,
        /// Where that is written.
        declared_at: Place,
    },
    /// A scheduled function's time cannot be read.
    #[error("{declared_at}: `{function}` is scheduled at no time: {reason}")]
    WrongSchedule {
        /// Its id or path.
        function: &'static str,
        /// What is wrong, and what to write.
        reason: String,
        /// Where that is written.
        declared_at: Place,
    },
    /// A scheduled function that one process at a time is to run cannot be one.
    #[error("{declared_at}: `{function}` is scheduled with `once`, and `{name}` {problem}")]
    Once {
        /// Its id or path.
        function: &'static str,
        /// The name that it has for that.
        name: &'static str,
        /// What is wrong and what to do, as the rest of a sentence.
        problem: String,
        /// Where it is written.
        declared_at: Place,
    },
    /// A listener or an endpoint takes a component that was given as an `Arc`, which is another type.
    #[error(
        "{declared_at}: `{taken_by}` takes `Component<{0}>`, but the context has an `Arc<{0}>`; add it by `{1}`",
        readable_name(component),
        shares(component)
    )]
    ComponentInArc {
        /// Rust's name of its type.
        component: &'static str,
        /// The listener's id or path, or the endpoint's path.
        taken_by: String,
        /// Where that is written.
        declared_at: Place,
    },
    /// A listener or an endpoint takes a component of a generic type that was given with other
    /// parameters.
    #[error(
        "{declared_at}: `{taken_by}` takes `Component<{}>`, but the context has `{}`; take that one, or add the other by `.component(..)`",
        readable_name(component),
        readable_name(given)
    )]
    OtherParameters {
        /// Rust's name of the type that is taken.
        component: &'static str,
        /// Rust's name of the type that was given.
        given: &'static str,
        /// The listener's id or path, or the endpoint's path.
        taken_by: String,
        /// Where that is written.
        declared_at: Place,
    },
    /// A listener or an endpoint takes a component by a name that none of its type has, or without a name where all have
    /// one.
    #[error("{declared_at}: `{taken_by}` takes {}", other_name(component, name, names))]
    NoSuchName {
        /// Rust's name of its type.
        component: &'static str,
        /// The name by which it is taken; empty if by none.
        name: &'static str,
        /// The names of those that the context has, in alphabetical order.
        names: Vec<&'static str>,
        /// The listener's id or path, or the endpoint's path.
        taken_by: String,
        /// Where that is written.
        declared_at: Place,
    },
    /// Something of the context is asynchronous, and it is built by `build()`.
    #[error(
        "{given_at}: `{}` has a function that is awaited, `{what}`; build the context by `.build_async().await`",
        readable_name(component)
    )]
    NeedsAsync {
        /// Rust's name of the component's type.
        component: &'static str,
        /// The builder's method that it was given to.
        what: &'static str,
        /// Where it was given.
        given_at: Place,
    },
    /// The function that makes a component failed or panicked.
    #[error(
        "{given_at}: component `{}` could not be made: {}",
        readable_name(component),
        ErrorChain(&**error)
    )]
    NotMade {
        /// Rust's name of its type.
        component: &'static str,
        /// Where its function was given.
        given_at: Place,
        /// What the function said.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// Components are made of each other.
    #[error(
        "components wait for each other: {}; let one of them be made without the other, and get it later",
        list_components(components)
    )]
    ComponentCycle {
        /// Rust's names of their types, each with the place where its function was given, in the order in which they
        /// wait.
        components: Vec<(&'static str, Place)>,
    },
    /// Two components are each declared to be the same trait object.
    #[error(
        "{second}: component `{}` is offered before, at {first}; give the one that is meant by `{}`",
        readable_name(component),
        adds(component)
    )]
    OfferedTwice {
        /// The trait object.
        component: &'static str,
        /// Where the first attribute is written.
        first: Place,
        /// Where the second one is written.
        second: Place,
    },
    /// A component's `on_start` failed or panicked. What was started before it was stopped again.
    #[error(
        "{given_at}: component `{}` could not be started: {}",
        readable_name(component),
        ErrorChain(&**error)
    )]
    NotStarted {
        /// Rust's name of its type.
        component: &'static str,
        /// Where `on_start` is written.
        given_at: Place,
        /// What the function said.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// Two components of one type were given.
    #[error(
        "{second}: component `{}` was given before, at {first}; give each a name by `.component_named(..)`, or wrap one of the two in a type of its own",
        readable_name(component)
    )]
    DuplicateComponent {
        /// Rust's name of its type.
        component: &'static str,
        /// Where the first was given.
        first: Place,
        /// Where the second was given.
        second: Place,
    },
    /// Two listeners have one id.
    #[error(
        "{second}: listener id `{id}` is taken by the listener at {first}; give one of the two another id"
    )]
    DuplicateListenerId {
        /// The id.
        id: &'static str,
        /// Where its first listener is written.
        first: Place,
        /// Where the other one is written.
        second: Place,
    },
    /// `before` or `after` names a listener that does not exist.
    #[error(
        "{declared_at}: `{listener}` is to run before or after `{target}`, and there is no such listener; use its id, or the end of its path"
    )]
    UnknownListener {
        /// The listener that says so.
        listener: &'static str,
        /// What it names.
        target: &'static str,
        /// Where it is written.
        declared_at: Place,
    },
    /// `before` and `after` contradict each other.
    #[error(
        "listeners wait for each other: {}; take a `before` or `after` out of one",
        list(listeners)
    )]
    OrderCycle {
        /// The listeners, each with its place.
        listeners: Vec<(&'static str, Place)>,
    },
    /// `listeners_from!` names a crate that declares nothing.
    #[error(
        "{named_at}: crate `{name}` declares no listener, event or endpoint; remove it from `listeners_from!`, or look for a second version of it or of sse-tower in the program"
    )]
    SilentCrate {
        /// The crate.
        name: &'static str,
        /// Where it is named.
        named_at: Place,
    },
    /// Two event types have one name and one version.
    #[error(
        "event name `{name}` is used twice: {first}, and {second}; give one of them another name or version"
    )]
    DuplicateEventName {
        /// The name.
        name: &'static str,
        /// Rust's name of the first type, and its place where that is known.
        first: String,
        /// Rust's name of the second type, and its place where that is known.
        second: String,
    },
    /// A synchronous listener was given an option that only an asynchronous one can have.
    #[error(
        "{declared_at}: `{listener}` is synchronous and cannot have `{option}`; make it asynchronous, or leave the option out"
    )]
    SynchronousListener {
        /// The listener.
        listener: &'static str,
        /// The option.
        option: &'static str,
        /// Where it is written.
        declared_at: Place,
    },
    /// A listener hears a trait object that no event is declared to have.
    #[error(
        "{declared_at}: `{listener}` hears `{supertype}`, which no event has; add `#[event(as = \"{supertype}\")]` to an event"
    )]
    UnknownSupertype {
        /// The listener.
        listener: &'static str,
        /// The trait object.
        supertype: String,
        /// Where it is written.
        declared_at: Place,
    },
    /// A listener takes the transaction that is about to commit, and does not run before a commit.
    #[error(
        "{declared_at}: `{listener}` takes `Transaction`, which listeners of phase `before-commit` have, without `fallback` and `spawn`; give it that phase, or let it take `ApplicationContext` and begin one by `context.transaction()`"
    )]
    NoTransaction {
        /// The listener.
        listener: &'static str,
        /// Where it is written.
        declared_at: Place,
    },
    /// A durable listener cannot be one.
    #[error("{declared_at}: durable listener `{listener}` {problem}")]
    Durable {
        /// The listener.
        listener: &'static str,
        /// What is wrong and what to do, as the rest of a sentence.
        problem: String,
        /// Where it is written.
        declared_at: Place,
    },
    /// An event that leaves the process cannot be written, or older versions of it cannot be read.
    #[error("event `{event}` {problem}")]
    TravellingEvent {
        /// The event's name.
        event: String,
        /// What is wrong and what to do, as the rest of a sentence.
        problem: String,
    },
    /// An endpoint cannot be served.
    #[error("{declared_at}: endpoint `{endpoint}` {problem}")]
    Endpoint {
        /// The path or the function.
        endpoint: String,
        /// What is wrong and what to do, as the rest of a sentence.
        problem: String,
        /// Where it is written.
        declared_at: Place,
    },
}

debug_with_causes!(WiringFault);

impl WiringFault {
    pub(super) fn missing(
        component: &ComponentRef,
        components: &Components,
        taken_by: impl Into<String>,
        declared_at: Place,
    ) -> Self {
        let of = *component;
        let (component, taken_by) = ((of.type_name)(), taken_by.into());
        let unnamed = ComponentRef { type_id: of.arc_id, name: "", ..of };
        if components.contains(unnamed.key()) {
            return Self::ComponentInArc { component, taken_by, declared_at };
        }
        let names = components.names((of.type_id)());
        if !names.is_empty() || !of.name.is_empty() {
            return Self::NoSuchName { component, name: of.name, names, taken_by, declared_at };
        }
        match components.namesake(component) {
            Some(given) => Self::OtherParameters { component, given, taken_by, declared_at },
            None => Self::MissingComponent { component, taken_by, declared_at },
        }
    }
}

fn list(each: &[(&'static str, Place)]) -> String {
    let each: Vec<_> = each.iter().map(|(name, place)| format!("`{name}` at {place}")).collect();
    each.join(", ")
}

fn list_components(each: &[(&'static str, Place)]) -> String {
    let each: Vec<_> =
        each.iter().map(|(name, place)| format!("`{}` at {place}", readable_name(name))).collect();
    each.join(", ")
}

/// The call that gives a component of this type to a context, as text.
pub(crate) fn adds(component: &str) -> String {
    match component.starts_with("dyn ") {
        true => format!(".component_as::<{}>(..)", readable_name(component)),
        false => ".component(..)".to_owned(),
    }
}

/// The call that gives a component that is in an `Arc` already, as text.
pub(crate) fn shares(component: &str) -> String {
    match component.starts_with("dyn ") {
        true => adds(component),
        false => ".shared_component(..)".to_owned(),
    }
}

/// Says that a component is taken by a name that does not exist, as the end of a sentence.
pub(crate) fn other_name(component: &str, name: &str, names: &[&str]) -> String {
    let component = readable_name(component);
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let there = if names.is_empty() {
        "and none of that type has a name".to_owned()
    } else {
        format!("and there is {}", names.join(", "))
    };
    match name {
        "" => format!(
            "`Component<{component}>` without a name, {there}; take one by its name, `Component<{component}, Name>`, or add one without by `.component(..)`"
        ),
        name => format!(
            "the `{component}` named `{name}`, {there}; add it by `.component_named(\"{name}\", ..)`"
        ),
    }
}
