//! How the attributes find out whether an event has a form, which is JSON by serde, so that it can leave the process.

use std::{fmt, marker::PhantomData};

use crate::bus::event::{ApplicationEvent, EventType};

/// The form that `E` has if it has serde. Which of the two traits below offers the methods decides.
pub struct Form<E>(PhantomData<fn(E)>);

impl<E> Form<E> {
    /// The question, asked of `E`.
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

/// The form of a type with serde.
#[derive(Debug)]
pub struct Json(());

/// The form of a type without.
#[derive(Debug)]
pub struct NoForm(());

/// Without serde, an event has no form.
pub trait NoJson<E> {
    /// The type as it is.
    fn of(&self, event_type: EventType<E>) -> EventType<E>;
    /// No form.
    fn form(&self) -> NoForm;
}

impl<E> NoJson<E> for &Form<E> {
    fn of(&self, event_type: EventType<E>) -> EventType<E> {
        event_type
    }
    fn form(&self) -> NoForm {
        NoForm(())
    }
}

/// The type with its form, which it must have.
#[must_use]
pub fn json<E: ApplicationEvent, F: IsForm<E>>(event_type: EventType<E>, form: F) -> EventType<E> {
    form.of(event_type)
}

/// Compiles only where `E` has a form: for an event that is stored or sent.
pub fn travels<E, F: IsForm<E>>(_: &Form<E>, _: F) {}

#[cfg(feature = "json")]
mod with_json {
    use serde::{Serialize, de::DeserializeOwned};

    use super::{ApplicationEvent, EventType, Form, Json};

    /// With serde, an event's form is JSON. The compiler finds this trait first, since it needs one reference less.
    pub trait JsonIfSerde<E> {
        /// The type with its form.
        fn of(&self, event_type: EventType<E>) -> EventType<E>;
        /// JSON.
        fn form(&self) -> Json;
    }

    impl<E: ApplicationEvent + Serialize + DeserializeOwned> JsonIfSerde<E> for Form<E> {
        fn of(&self, event_type: EventType<E>) -> EventType<E> {
            event_type.json()
        }
        fn form(&self) -> Json {
            Json(())
        }
    }

    /// What a generic event needs to be stored or sent.
    pub trait WithForm: Serialize + DeserializeOwned {}

    impl<E: Serialize + DeserializeOwned> WithForm for E {}

    /// Any form but `NoForm`. One trait for both questions, so that a missing form is one error.
    #[diagnostic::on_unimplemented(
        message = "`{E}` leaves its process, and nothing says how it is written and read",
        label = "this needs `Serialize` and `Deserialize`",
        note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to it; serde's feature `derive` has them"
    )]
    pub trait IsForm<E> {
        /// The type with this form.
        fn of(self, event_type: EventType<E>) -> EventType<E>;
    }

    impl<E: ApplicationEvent + Serialize + DeserializeOwned> IsForm<E> for Json {
        fn of(self, event_type: EventType<E>) -> EventType<E> {
            event_type.json()
        }
    }
}
#[cfg(feature = "json")]
pub use with_json::{IsForm, JsonIfSerde, WithForm};

#[cfg(not(feature = "json"))]
mod without_json {
    use super::{EventType, Json};

    /// Implemented by nothing.
    #[diagnostic::on_unimplemented(
        message = "events that leave their process need the feature `json` of sse-tower",
        label = "this cannot be stored or sent without it",
        note = "add `features = [\"json\"]` to sse-tower in Cargo.toml"
    )]
    pub trait WithForm {}

    /// Implemented by nothing: there is no JSON without the feature `json`.
    pub trait JsonIfSerde<E> {
        /// JSON.
        fn form(&self) -> Json;
    }

    /// Implemented by nothing: there is no form without the feature `json`.
    #[diagnostic::on_unimplemented(
        message = "events that leave their process need the feature `json` of sse-tower",
        label = "this cannot be stored or sent without it",
        note = "add `features = [\"json\"]` to sse-tower in Cargo.toml"
    )]
    pub trait IsForm<E> {
        /// The type with this form.
        fn of(self, event_type: EventType<E>) -> EventType<E>;
    }
}
#[cfg(not(feature = "json"))]
pub use without_json::{IsForm, JsonIfSerde, WithForm};
