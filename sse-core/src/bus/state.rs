//! `Bus`: what every part of the bus shares, without the types of events.

use std::{
    any::TypeId,
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use super::{
    carrier::Carrier,
    event::EventKey,
    failure::{FailureHook, FailureHooks},
    listeners::{ListenerNode, ListenersByType, Registered},
    plans::{AnyPlan, Plans},
    profile::Profile,
    tasks::Tasks,
    unheard::{UnheardEvents, UnheardHook},
};
use crate::{
    component::{Components, TypeMap},
    sync::plain::{Mutex, RwLock, lock},
};

/// A bus. Cheap to clone; every clone is the same bus.
///
/// Locks are taken in the order `subscribed`, `late`; a listener never runs under one, and is never
/// dropped under one.
#[derive(Clone)]
pub(crate) struct Bus(Arc<Inner>);

struct Inner {
    /// The plans of events that were known when the bus was made. Never changed, hence no lock.
    plans: Plans,
    /// The plans of events that were first seen later: at most one for each event type of the program.
    late: RwLock<TypeMap<Arc<dyn AnyPlan>>>,
    /// The listeners that the bus was made with.
    fixed: ListenersByType,
    /// Listeners added since.
    subscribed: Mutex<ListenersByType>,
    components: Components,
    tasks: Arc<Tasks>,
    unheard: UnheardEvents,
    failures: FailureHooks,
    carrier: OnceLock<Box<dyn Carrier>>,
    /// The listeners that the bus was made with, in the same order on every run.
    nodes: Vec<ListenerNode>,
    /// The events that were known when the bus was made, by Rust's name.
    events: Vec<EventKey>,
    linked: bool,
    #[cfg(feature = "test-util")]
    taps: Arc<super::tap::Taps>,
}

/// What a bus is made of.
pub(crate) struct BusParts {
    pub(crate) plans: TypeMap<Box<dyn AnyPlan>>,
    pub(crate) fixed: ListenersByType,
    pub(crate) components: Components,
    pub(crate) on_unheard: Vec<UnheardHook>,
    pub(crate) on_failure: Vec<FailureHook>,
    pub(crate) nodes: Vec<ListenerNode>,
    pub(crate) events: Vec<EventKey>,
    /// Whether everything that is linked into the program belongs to it.
    pub(crate) linked: bool,
}

impl Bus {
    /// Remembers the runtime that it is called in, for listeners that are started without one.
    pub(crate) fn new(parts: BusParts) -> Self {
        let BusParts { plans, fixed, components, on_unheard, on_failure, nodes, events, linked } =
            parts;
        Self(Arc::new(Inner {
            plans: Plans::new(plans),
            late: RwLock::default(),
            fixed,
            subscribed: Mutex::default(),
            components,
            tasks: Arc::new(Tasks::of_this_runtime()),
            unheard: UnheardEvents::new(on_unheard, linked),
            failures: FailureHooks::new(on_failure),
            carrier: OnceLock::new(),
            nodes,
            events,
            linked,
            #[cfg(feature = "test-util")]
            taps: Arc::default(),
        }))
    }

    /// The plans of the events that were known when the bus was made.
    #[inline]
    pub(crate) fn plans(&self) -> &Plans {
        &self.0.plans
    }

    /// What takes events out of this process, if anything does.
    #[inline]
    pub(crate) fn carrier(&self) -> Option<&dyn Carrier> {
        self.0.carrier.get().map(|carrier| &**carrier)
    }

    /// From now on events leave by this. Only the first counts.
    pub(crate) fn set_carrier(&self, carrier: Box<dyn Carrier>) {
        // A second one is dropped, and with it all that it began.
        drop(self.0.carrier.set(carrier));
    }

    /// The plan of an event that was not known when the bus was made. `make` makes the first one.
    pub(crate) fn late_plan(
        &self,
        event: TypeId,
        make: fn(&ListenersByType) -> Arc<dyn AnyPlan>,
    ) -> Arc<dyn AnyPlan> {
        let late = self.0.late.read();
        if let Some(plan) = late.get(&event) {
            return Arc::clone(plan);
        }
        drop(late);
        // Before the locks: it asks the program what the event is.
        let plan = make(&self.0.fixed);
        let subscribed = lock(&self.0.subscribed);
        let mut late = self.0.late.write();
        if let Some(plan) = late.get(&event) {
            return Arc::clone(plan);
        }
        drop(plan.refresh(&self.0.fixed, &subscribed));
        late.insert(event, Arc::clone(&plan));
        plan
    }

    /// Adds a listener, for publications that begin from now on.
    pub(crate) fn add(&self, listener: Registered) {
        let profile = Arc::clone(&listener.profile);
        self.change(profile.event.id(), |subscribed| {
            subscribed.add(listener);
            None
        });
    }

    /// Takes a listener out that was added; publications that have begun still reach it.
    pub(crate) fn remove(&self, profile: &Arc<Profile>) {
        self.change(profile.event.id(), |subscribed| subscribed.remove(profile));
    }

    /// Changes the subscribed listeners and the plans that they are in. What is no longer needed is
    /// dropped after the lock: closures of the program die here.
    fn change(
        &self,
        heard: TypeId,
        change: impl FnOnce(&mut ListenersByType) -> Option<Registered>,
    ) {
        let mut subscribed = lock(&self.0.subscribed);
        let removed = change(&mut subscribed);
        let mut old = Vec::new();
        self.each_plan_hearing(heard, |plan| old.push(plan.refresh(&self.0.fixed, &subscribed)));
        drop(subscribed);
        drop((old, removed));
    }

    /// Calls `f` with every plan that a listener of this type is in. The plans are locked meanwhile.
    pub(crate) fn each_plan_hearing(&self, heard: TypeId, f: impl FnMut(&dyn AnyPlan)) {
        let late = self.0.late.read();
        let plans = self.0.plans.iter().chain(late.values().map(|plan| &**plan));
        plans.filter(|plan| plan.hears(heard)).for_each(f);
    }

    /// Every listener, also those that were added since.
    pub(crate) fn profiles(&self) -> Vec<Arc<Profile>> {
        let subscribed = lock(&self.0.subscribed);
        let fixed = self.0.nodes.iter().map(|it| &it.profile);
        fixed.chain(subscribed.profiles()).cloned().collect()
    }

    pub(crate) fn components(&self) -> &Components {
        &self.0.components
    }

    pub(crate) fn tasks(&self) -> &Arc<Tasks> {
        &self.0.tasks
    }

    pub(crate) fn unheard(&self) -> &UnheardEvents {
        &self.0.unheard
    }

    /// The hooks that are told of failures.
    pub(crate) fn failures(&self) -> &FailureHooks {
        &self.0.failures
    }

    /// The listeners that the bus was made with, for the event graph.
    pub(crate) fn nodes(&self) -> &[ListenerNode] {
        &self.0.nodes
    }

    /// The events that were known when the bus was made.
    pub(crate) fn events(&self) -> &[EventKey] {
        &self.0.events
    }

    /// Whether everything that is linked into the program belongs to it.
    pub(crate) fn is_linked(&self) -> bool {
        self.0.linked
    }

    pub(crate) fn downgrade(&self) -> WeakBus {
        WeakBus(Arc::downgrade(&self.0))
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn taps(&self) -> &super::tap::Taps {
        &self.0.taps
    }

    /// Calls `hook` with each event before its listeners run.
    #[cfg(feature = "test-util")]
    pub(crate) fn tap(
        &self,
        hook: impl Fn(super::tap::Tapped) + Send + Sync + 'static,
    ) -> super::tap::Tap {
        let tap = self.0.taps.add(hook);
        // The short way of plain listeners passes taps by; it is only for plans that never changed.
        // So let every known event go by its plan of this moment, as if a listener had come and gone.
        let subscribed = lock(&self.0.subscribed);
        let plans = self.0.plans.iter();
        let old: Vec<_> = plans.map(|plan| plan.refresh(&self.0.fixed, &subscribed)).collect();
        drop(subscribed);
        drop(old);
        tap
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("events", &self.0.events).finish_non_exhaustive()
    }
}

/// A bus that may be gone: for guards that must not keep it alive.
#[derive(Clone, Default)]
pub(crate) struct WeakBus(Weak<Inner>);

impl WeakBus {
    pub(crate) fn upgrade(&self) -> Option<Bus> {
        self.0.upgrade().map(Bus)
    }
}
