//! `EventKey`: what a listener hears, as plain data.

use std::{
    any::{TypeId, type_name},
    fmt,
};

use super::{
    event_type::{ApplicationEvent, describe},
    name::{EventDescription, short_name},
    reader::fault,
};

/// An event type, or a trait object that events are declared to have. Pure data: what makes a plan for
/// the type is in `declare::EventRef`.
#[derive(Clone, Copy)]
pub(crate) struct EventKey {
    type_id: fn() -> TypeId,
    type_name: fn() -> &'static str,
    event: Option<EventFns>,
}

/// What can be asked of an event type, but not of a trait object.
#[derive(Clone, Copy)]
struct EventFns {
    describe: fn() -> EventDescription,
    supertypes: fn() -> Vec<TypeId>,
    fault: fn() -> Option<String>,
}

impl EventKey {
    /// The event type `E`.
    pub(crate) const fn of<E: ApplicationEvent>() -> Self {
        Self {
            type_id: TypeId::of::<E>,
            type_name: type_name::<E>,
            event: Some(EventFns {
                describe: describe::<E>,
                fault: fault::<E>,
                supertypes: || E::event_type().supertypes.iter().map(|it| it.type_id).collect(),
            }),
        }
    }

    /// The trait object `D`.
    pub(crate) const fn supertype<D: ?Sized + 'static>() -> Self {
        Self { type_id: TypeId::of::<D>, type_name: type_name::<D>, event: None }
    }

    pub(crate) fn id(&self) -> TypeId {
        (self.type_id)()
    }

    /// Rust's name of it.
    pub(crate) fn type_name(&self) -> &'static str {
        (self.type_name)()
    }

    /// What is said of the event type; nothing of a trait object.
    pub(crate) fn description(&self) -> Option<EventDescription> {
        self.event.map(|event| (event.describe)())
    }

    /// The trait objects by which listeners hear it.
    pub(crate) fn supertypes(&self) -> Vec<TypeId> {
        self.event.map(|event| (event.supertypes)()).unwrap_or_default()
    }

    /// What is wrong with what is said of how it travels.
    pub(crate) fn fault(&self) -> Option<String> {
        self.event.and_then(|event| (event.fault)())
    }

    /// The name for people.
    pub(crate) fn label(&self) -> String {
        match self.description() {
            Some(description) => description.label(),
            None => short_name(self.type_name()),
        }
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}
