//! Listeners, plans and buses for unit tests, made without the rooms above this one.

use std::{panic::Location, sync::Arc};

use super::{plan::Plan, plan_cell::PlanCell};
use crate::{
    bus::{
        event::{ApplicationEvent, EventKey, EventMeta, EventType, Journey, PublicationId},
        failure::Failure,
        listener::{Answer, Handler},
        listeners::{ListenersByType, Registered},
        plans::AnyPlan,
        profile::Profile,
        state::{Bus, BusParts},
    },
    component::{Components, TypeMap},
    sync::plain::{Mutex, lock},
};

pub(super) trait Audited: Send + Sync {
    fn amount(&self) -> u64;
}

pub(super) struct Paid(pub(super) u64);

impl Audited for Paid {
    fn amount(&self) -> u64 {
        self.0
    }
}

impl ApplicationEvent for Paid {
    fn event_type() -> EventType<Self> {
        EventType::new().supertype::<dyn Audited>(|event| event, |event| event)
    }
}

/// Who was called, in order.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<&'static str>>>);

impl Heard {
    pub(super) fn note(&self, name: &'static str) {
        lock(&self.0).push(name);
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        lock(&self.0).clone()
    }

    /// A synchronous listener that notes itself.
    pub(super) fn plain(&self, name: &'static str) -> Registered {
        let heard = self.clone();
        registered(name, Handler::by_ref(move |_: &Paid, _| ran(&heard, name)), |_| ())
    }

    /// A synchronous listener that notes itself and fails.
    pub(super) fn failing(&self, name: &'static str) -> Registered {
        let heard = self.clone();
        let handler = Handler::by_ref(move |_: &Paid, call| {
            heard.note(name);
            let meta = call.meta.get();
            Answer::failed(Failure::new(call.bus.failures(), call.listener, &meta, None, "no"))
        });
        registered(name, handler, |_| ())
    }

    /// An asynchronous listener that is lent its event, and notes itself.
    pub(super) fn lent(&self, name: &'static str) -> Registered {
        let heard = self.clone();
        let handler = Handler::lent(move |event, _| {
            let heard = heard.clone();
            Box::pin(async move { (event, ran(&heard, name)) })
        });
        registered(name, handler, |_| ())
    }
}

fn ran(heard: &Heard, name: &'static str) -> Answer {
    heard.note(name);
    Answer::RAN
}

pub(super) fn registered(
    name: &'static str,
    handler: Handler<Paid>,
    declare: impl FnOnce(&mut Profile),
) -> Registered {
    with(Registered { profile: Arc::new(profile(name)), handler: handler.erase() }, declare)
}

/// The listener, declared otherwise.
pub(super) fn with(listener: Registered, declare: impl FnOnce(&mut Profile)) -> Registered {
    let mut profile = *listener.profile;
    declare(&mut profile);
    Registered { profile: Arc::new(profile), handler: listener.handler }
}

pub(super) fn profile(name: &'static str) -> Profile {
    Profile::test(name, EventKey::of::<Paid>())
}

pub(super) fn by_type(listeners: Vec<Registered>) -> ListenersByType {
    let mut by_type = ListenersByType::default();
    listeners.into_iter().for_each(|listener| by_type.add(listener));
    by_type
}

pub(super) fn plan(listeners: Vec<Registered>) -> Arc<Plan<Paid>> {
    Arc::new(Plan::new(&by_type(listeners), None, &Paid::event_type().supertypes))
}

/// A bus that knows `Paid`.
pub(super) fn bus(listeners: Vec<Registered>) -> Bus {
    let fixed = by_type(listeners);
    let mut plans: TypeMap<Box<dyn AnyPlan>> = TypeMap::default();
    plans.insert(EventKey::of::<Paid>().id(), Box::new(PlanCell::<Paid>::new(&fixed)));
    Bus::new(BusParts {
        plans,
        fixed,
        components: Components::default(),
        on_unheard: Vec::new(),
        on_failure: Vec::new(),
        nodes: Vec::new(),
        events: Vec::new(),
        linked: false,
    })
}

pub(super) fn meta() -> EventMeta {
    let published_at = Location::caller();
    EventMeta {
        event_id: PublicationId::next(),
        published_at,
        depth: 0,
        parent: None,
        journey: Journey::NONE,
    }
}
