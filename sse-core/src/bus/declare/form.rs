//! What the attributes ask of events that leave the process: a form, which is JSON by serde.

use std::{fmt, marker::PhantomData};

use super::event_ref::EventRef;
use crate::bus::event::{ApplicationEvent, EventType};

/// The form that a derived event has if it has serde: asked by which of the two traits below has the method.
pub struct Form<E>(PhantomData<fn(E)>);

impl<E> Form<E> {
    /// Of this type.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "for generated code alone")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<E> fmt::Debug for Form<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form")
    }
}

/// Without serde, an event has no form.
pub trait NoJson<E> {
    /// The type as it is.
    fn of(&self, event_type: EventType<E>) -> EventType<E>;
}

impl<E> NoJson<E> for &Form<E> {
    fn of(&self, event_type: EventType<E>) -> EventType<E> {
        event_type
    }
}

#[cfg(feature = "json")]
mod with_json {
    use serde::{Serialize, de::DeserializeOwned};

    use super::{ApplicationEvent, EventRef, EventType, Form};

    /// With serde, an event's form is JSON. Found first, for it needs one reference less.
    pub trait JsonIfSerde<E> {
        /// The type with its form.
        fn of(&self, event_type: EventType<E>) -> EventType<E>;
    }

    impl<E: ApplicationEvent + Serialize + DeserializeOwned> JsonIfSerde<E> for Form<E> {
        fn of(&self, event_type: EventType<E>) -> EventType<E> {
            event_type.json()
        }
    }

    /// What a generic event must have that is stored or sent.
    pub trait WithForm: Serialize + DeserializeOwned {}

    impl<E: Serialize + DeserializeOwned> WithForm for E {}

    /// The type with its form, which it must have.
    #[must_use]
    pub fn json<E: ApplicationEvent + Serialize + DeserializeOwned>(
        event_type: EventType<E>,
    ) -> EventType<E> {
        event_type.json()
    }

    /// An event that can be stored.
    #[must_use]
    pub const fn travels<E: ApplicationEvent + Serialize + DeserializeOwned>(
        event: EventRef,
    ) -> EventRef {
        event
    }
}
#[cfg(feature = "json")]
pub use with_json::{JsonIfSerde, WithForm, json, travels};

#[cfg(not(feature = "json"))]
mod without_json {
    use super::{EventRef, EventType};

    /// Implemented by nothing.
    #[diagnostic::on_unimplemented(
        message = "events that leave their process need the feature `json` of sse-tower",
        label = "this cannot be stored or sent without it",
        note = "add `features = [\"json\"]` to sse-tower in Cargo.toml"
    )]
    pub trait WithForm {}

    /// Nothing has it.
    pub trait JsonIfSerde<E> {}

    /// The type with its form, which it must have.
    #[must_use]
    pub fn json<E: WithForm>(event_type: EventType<E>) -> EventType<E> {
        event_type
    }

    /// An event that can be stored.
    #[must_use]
    pub const fn travels<E: WithForm>(event: EventRef) -> EventRef {
        event
    }
}
#[cfg(not(feature = "json"))]
pub use without_json::{JsonIfSerde, WithForm, json, travels};
