//! What a listener is declared to hear or to publish, as a constant.

use std::{any::TypeId, fmt};

use crate::bus::{
    event::{ApplicationEvent, EventKey},
    listeners::ListenersByType,
    plans::AnyPlan,
    publish::{Arrivals, PlanCell},
};

type MakePlan = fn(&ListenersByType) -> Box<dyn AnyPlan>;

/// What a listener hears, without its type: an event, or a trait that events are declared to have.
#[derive(Clone, Copy)]
pub struct EventRef {
    pub(crate) key: EventKey,
    /// Makes the plan of the event; a trait object has none of its own.
    plan: Option<MakePlan>,
    /// How such events come in from elsewhere; a trait object has no form.
    pub(crate) arrivals: Option<Arrivals>,
}

impl EventRef {
    /// The event type `E`.
    #[must_use]
    pub const fn of<E: ApplicationEvent>() -> Self {
        Self {
            key: EventKey::of::<E>(),
            plan: Some(|listeners| Box::new(PlanCell::<E>::new(listeners))),
            arrivals: Some(Arrivals::of::<E>()),
        }
    }

    /// The trait object `D`.
    #[must_use]
    pub const fn supertype<D: ?Sized + 'static>() -> Self {
        Self { key: EventKey::supertype::<D>(), plan: None, arrivals: None }
    }

    pub(crate) fn id(&self) -> TypeId {
        self.key.id()
    }

    /// The plan of the event, with these listeners; `None` for a trait object.
    pub(crate) fn plan(&self, listeners: &ListenersByType) -> Option<Box<dyn AnyPlan>> {
        self.plan.map(|make| make(listeners))
    }
}

impl fmt::Debug for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}
