//! Building a context: everything is found, bound and checked here, once.

use std::{collections::HashSet, sync::Arc};

use super::{
    application_context::{ApplicationContext, NotTheBus},
    checks,
    given::Collected,
    hooks::{self, Bound, Hook},
    lifecycle::{ContextClosed, ContextDraining, ContextStarted},
    linked::{LinkedEvent, LinkedListener},
    wiring::{Place, WiringError, WiringFault},
};
use crate::{
    backplane::Node,
    bus::{
        declare::{Binder, EventRef, Listener},
        failure::FailureHook,
        listeners::{ListenerNode, ListenersByType, Registered},
        plans::AnyPlan,
        profile::{DurableOptions, Profile},
        publish::publish,
        scheduled::Timetable,
        state::{Bus, BusParts},
        unheard::UnheardHook,
    },
    component::{ComponentRef, Components, ErasedComponent, TypeMap},
    drain::OpenStreams,
    schedule::{self, Times},
};

#[cfg(feature = "json")]
use crate::durable::{self, DurableListener, Setup, TraceHook};

/// What a context is made of besides its components.
#[derive(Default)]
pub(super) struct Assembly {
    /// Whether everything that is linked in belongs to it.
    pub(super) linked: bool,
    pub(super) starts: Vec<Hook>,
    pub(super) stops: Vec<Hook>,
    pub(super) listeners: Vec<Listener>,
    pub(super) on_unheard: Vec<UnheardHook>,
    pub(super) on_failure: Vec<FailureHook>,
    pub(super) backplane: Option<Node>,
    #[cfg(feature = "json")]
    pub(super) trace_hook: Option<TraceHook>,
}

impl Assembly {
    /// Binds and checks everything. What is to be started is returned with it, in order.
    pub(super) fn assemble(
        self,
        mut collected: Collected,
        mut faults: Vec<WiringFault>,
        built_at: Place,
    ) -> Result<(Ready, Vec<Bound>), WiringError> {
        let starts = hooks::bind(self.starts, "on_start", &collected, &mut faults);
        let stops = hooks::bind(self.stops, "on_stop", &collected, &mut faults);
        let backplane = self.backplane;
        let streams = OpenStreams::default();
        let rest =
            NotTheBus { streams, backplane: backplane.clone(), stops: hooks::Stops::new(stops) };
        let own = ErasedComponent::new(Arc::new(rest.clone()));
        collected.components.add(ComponentRef::of::<NotTheBus>(), own);
        let components = collected.components;

        let mut bindings = Bindings::default();
        for listener in find_listeners(self.linked, self.listeners, &components) {
            bindings.bind(&listener, &components, &mut faults);
        }
        // The same on every run, whatever the linker did.
        bindings.nodes.sort_by_key(|it| {
            (it.profile.module, it.profile.declared_at.line(), it.profile.declared_at.column())
        });

        let refs = find_events(self.linked, bindings.events);
        let events: Vec<_> = refs.iter().map(|it| it.key).collect();
        checks::ids(&bindings.nodes, &mut faults);
        checks::once(&bindings.nodes, backplane.as_ref(), &mut faults);
        checks::targets(&bindings.nodes, self.linked, &mut faults);
        checks::event_names(&events, &mut faults);
        checks::travelling(&events, &mut faults);
        if self.linked {
            checks::silent_crates(&mut faults);
        }
        #[cfg(feature = "json")]
        let mut setup = durable_setup(backplane, bindings.durable, &refs, self.trace_hook);
        #[cfg(feature = "json")]
        {
            bindings.fixed.carried = setup.is_wanted();
            checks::queue(&setup, &mut faults);
            if setup.node.is_some() {
                bindings.schedules.retain(|(profile, table, _)| {
                    let Some(name) = table.once else { return true };
                    let streams = &rest.streams;
                    setup.turns.push(schedule::turn(name, streams, Arc::clone(profile), *table));
                    false
                });
            }
        }
        #[cfg(not(feature = "json"))]
        drop((backplane, bindings.durable));
        let Bindings { fixed, nodes, schedules, .. } = bindings;
        let mut plans: TypeMap<Box<dyn AnyPlan>> = TypeMap::default();
        for event in &refs {
            if let Some(plan) = event.plan(&fixed) {
                plans.entry(event.id()).or_insert(plan);
            }
        }
        checks::cycles(&plans, &fixed, &mut faults);
        WiringError::check(faults, built_at)?;

        let Self { on_unheard, on_failure, linked, .. } = self;
        let parts =
            BusParts { plans, fixed, components, on_unheard, on_failure, nodes, events, linked };
        let context = ApplicationContext::new(Bus::new(parts), rest);
        let ready = Ready {
            context,
            schedules,
            #[cfg(feature = "json")]
            setup,
        };
        Ok((ready, starts))
    }
}

/// The listeners and schedules, each bound to its components.
#[derive(Default)]
struct Bindings {
    fixed: ListenersByType,
    durable: Vec<(Registered, EventRef, DurableOptions)>,
    nodes: Vec<ListenerNode>,
    events: Vec<EventRef>,
    schedules: Vec<(Arc<Profile>, Timetable, Times)>,
}

impl Bindings {
    fn bind(
        &mut self,
        listener: &Listener,
        components: &Components,
        faults: &mut Vec<WiringFault>,
    ) {
        let profile = listener.profile();
        let mut binder = Binder::new(components);
        let handler = listener.bind(&mut binder);
        for component in &binder.missing {
            let (label, place) = (profile.label(), profile.declared_at);
            faults.push(WiringFault::missing(component, components, label, place));
        }
        let publishes = binder.publishes.iter().map(|it| it.key).collect();
        let heard = listener.event();
        self.events.extend(binder.publishes.into_iter().chain([heard]));
        self.nodes.push(ListenerNode { profile: Arc::clone(&profile), publishes });
        if let Some(table) = profile.timetable {
            match Times::new(&table) {
                Ok(times) => self.schedules.push((Arc::clone(&profile), table, times)),
                Err(reason) => faults.push(WiringFault::WrongSchedule {
                    function: profile.label(),
                    reason,
                    declared_at: profile.declared_at,
                }),
            }
        }
        if let Some(handler) = handler {
            checks::synchronous_options(&profile, &handler, faults);
            checks::durable(&profile, &heard, faults);
            checks::joins(&profile, binder.joins, faults);
            let registered = Registered { profile, handler };
            match registered.profile.durable {
                None => self.fixed.add(registered),
                Some(options) => self.durable.push((registered, heard, options)),
            }
        }
    }
}

/// A context that was found to be right, and has not begun.
pub(super) struct Ready {
    pub(super) context: ApplicationContext,
    schedules: Vec<(Arc<Profile>, Timetable, Times)>,
    #[cfg(feature = "json")]
    setup: Setup,
}

impl Ready {
    pub(super) fn begin(self, built_at: Place) -> ApplicationContext {
        let context = self.context;
        log(context.bus());
        #[cfg(feature = "json")]
        if self.setup.is_wanted() {
            durable::start(context.bus(), self.setup);
        }
        // Whoever wants to know hears it; whoever fails has said so in the log.
        publish(context.bus(), ContextStarted, built_at).detach();
        for (profile, table, times) in self.schedules {
            schedule::begin(context.bus(), context.streams(), profile, table, times);
        }
        context
    }
}

/// What the context needs for events that leave the process.
#[cfg(feature = "json")]
fn durable_setup(
    node: Option<Node>,
    listeners: Vec<(Registered, EventRef, DurableOptions)>,
    events: &[EventRef],
    trace_hook: Option<TraceHook>,
) -> Setup {
    let listeners = listeners.into_iter().filter_map(|(registered, heard, options)| {
        let id = registered.profile.id?;
        Some(DurableListener { registered, arrivals: heard.arrivals?, options, id })
    });
    let broadcasts = events.iter().filter_map(|event| {
        let arrivals = event.arrivals?;
        event.key.description().filter(|it| it.broadcast)?;
        Some(((arrivals.kinds)()?, arrivals))
    });
    let (listeners, broadcasts) = (listeners.collect(), broadcasts.collect());
    Setup { node, listeners, broadcasts, trace_hook, turns: Vec::new() }
}

#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
fn log(bus: &Bus) {
    #[cfg(feature = "tracing")]
    {
        tracing::info!(
            target: "sse_tower",
            listeners = bus.nodes().len(),
            events = bus.events().len(),
            "context built"
        );
        for node in bus.nodes() {
            tracing::debug!(
                target: "sse_tower",
                listener = node.profile.label(),
                event = %node.profile.event.label(),
                order = node.profile.order,
                durable = node.profile.durable.is_some(),
                broadcast = node.profile.event.description().is_some_and(|it| it.broadcast),
                schedule = node.profile.timetable.map(tracing::field::display),
                declared_at = %node.profile.declared_at,
                "event listener"
            );
        }
    }
}

/// The listeners given by hand, then those that are found.
fn find_listeners(linked: bool, given: Vec<Listener>, components: &Components) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut declared = HashSet::new();
    let found = inventory::iter::<LinkedListener>.into_iter().filter(|it| {
        linked || it.0.profile.owner.is_some_and(|owner| components.contains(owner.key()))
    });
    for listener in given.into_iter().chain(found.map(|it| Listener::declared(it.0))) {
        // Not by address: a constant may have several.
        if let Some((name, place)) = listener.declared_as()
            && !declared.insert((name, place.file(), place.line(), place.column()))
        {
            continue;
        }
        listeners.push(listener);
    }
    listeners
}

/// The events that listeners hear or publish, and those that are found: each once, in a stable order.
fn find_events(linked: bool, mut events: Vec<EventRef>) -> Vec<EventRef> {
    events.push(EventRef::of::<ContextStarted>());
    events.push(EventRef::of::<ContextDraining>());
    events.push(EventRef::of::<ContextClosed>());
    if linked {
        events.extend(inventory::iter::<LinkedEvent>.into_iter().map(|it| it.event));
    }
    events.sort_by_key(|it| it.key.type_name());
    let mut seen = HashSet::new();
    events.retain(|it| seen.insert(it.id()));
    events
}
