//! What can be wrong with a context before it runs, all of it at once.

use std::{error::Error, fmt, panic::Location};

use crate::{
    bus::event::readable_name,
    component::{ComponentRef, Components},
    error_chain::debug_with_causes,
};

type Place = &'static Location<'static>;

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
    /// `Ok` if there is nothing to say.
    pub(crate) fn check(faults: Vec<WiringFault>, found_at: Place) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self { faults, found_at }) }
    }

    /// For `sse-tower`, whose endpoints have needs of their own. `Ok` if there is nothing to say.
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
        "{declared_at}: `{taken_by}` takes `Component<{}>`, which is missing; add `.component(..)` to the context",
        readable_name(component)
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
    /// A listener or an endpoint takes a component that was given as an `Arc`, which is another type.
    #[error(
        "{declared_at}: `{taken_by}` takes `Component<{0}>`, but the context has an `Arc<{0}>`; add it by `.shared_component(..)`",
        readable_name(component)
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
    /// Two components of one type were given.
    #[error(
        "{second}: component `{}` was given before, at {first}; wrap one of the two in a type of its own",
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
    /// `before` or `after` names a listener that there is none of.
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
        let (name, taken_by) = ((component.type_name)(), taken_by.into());
        if components.contains((component.arc_id)()) {
            return Self::ComponentInArc { component: name, taken_by, declared_at };
        }
        match components.namesake(name) {
            Some(given) => Self::OtherParameters { component: name, given, taken_by, declared_at },
            None => Self::MissingComponent { component: name, taken_by, declared_at },
        }
    }
}

fn list(listeners: &[(&'static str, Place)]) -> String {
    let each: Vec<_> =
        listeners.iter().map(|(name, place)| format!("`{name}` at {place}")).collect();
    each.join(", ")
}
