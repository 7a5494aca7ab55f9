//! Building a context: everything is found, bound and checked here, once.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    panic::Location,
    sync::Arc,
};

use super::{
    application_context::{ApplicationContext, NotTheBus},
    checks,
    lifecycle::{ContextClosed, ContextDraining, ContextStarted},
    linked::{LinkedEvent, LinkedListener},
    wiring::{WiringError, WiringFault},
};
use crate::{
    backplane::Node,
    bus::{
        declare::{Binder, EventRef, Listener},
        failure::{Failure, FailureHook},
        listeners::{ListenerNode, ListenersByType, Registered},
        plans::AnyPlan,
        publish::publish,
        state::{Bus, BusParts},
        unheard::{Unheard, UnheardHook},
    },
    component::{Components, TypeMap},
    drain::OpenStreams,
    schedule::{self, Schedule, Times},
};

#[cfg(feature = "json")]
use crate::{
    bus::profile::DurableOptions,
    durable::{self, DurableListener, Setup, TraceHook},
};

type Place = &'static Location<'static>;

/// Collects what a context is made of. Made by [`ApplicationContext::builder`] and
/// [`ApplicationContext::bare`].
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, WiringError};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # struct Mailer;
/// let context = ApplicationContext::builder()
///     .component(Mailer)
///     .listener(Listener::on(|_: &Paid| println!("paid")))
///     .on_unheard(|unheard| println!("nobody hears {}", unheard.event))
///     .build()?;
/// # Ok::<(), WiringError>(())
/// ```
#[must_use = "a context begins to exist with `build()`"]
pub struct ContextBuilder {
    /// Whether everything that is linked in belongs to it.
    linked: bool,
    components: Vec<Given>,
    listeners: Vec<Listener>,
    on_unheard: Vec<UnheardHook>,
    on_failure: Vec<FailureHook>,
    backplane: Option<Node>,
    #[cfg(feature = "json")]
    trace_hook: Option<TraceHook>,
}

struct Given {
    type_id: TypeId,
    type_name: &'static str,
    component: Arc<dyn Any + Send + Sync>,
    given_at: Place,
}

impl ApplicationContext {
    /// A context that takes every annotated listener that is linked into the program.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, WiringError};
    /// # struct Mailer;
    /// let context = ApplicationContext::builder().component(Mailer).build()?;
    /// assert!(context.component::<Mailer>().is_some());
    /// # Ok::<(), WiringError>(())
    /// ```
    pub fn builder() -> ContextBuilder {
        ContextBuilder::new(true)
    }

    /// A context that takes nothing but what it is given: a component comes with its own annotated
    /// methods, and `.listener(..)` adds one listener.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?; // of one test
    /// let outcome = context.publish_event(Paid).await?;
    /// assert_eq!(outcome.ran(), 0);
    /// # Ok(()) }
    /// ```
    pub fn bare() -> ContextBuilder {
        ContextBuilder::new(false)
    }
}

impl ContextBuilder {
    fn new(linked: bool) -> Self {
        Self {
            linked,
            components: Vec::new(),
            listeners: Vec::new(),
            on_unheard: Vec::new(),
            on_failure: Vec::new(),
            backplane: None,
            #[cfg(feature = "json")]
            trace_hook: None,
        }
    }

    /// Gives the context a component, one of each type. In a bare context its own annotated methods
    /// come with it.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, Emitters, WiringError};
    /// let context = ApplicationContext::bare().component(Emitters::<u64>::new()).build()?;
    /// assert!(context.component::<Emitters<u64>>().is_some());
    ///
    /// let twice = ApplicationContext::bare().component(1_u8).component(2_u8).build();
    /// assert_eq!(twice.unwrap_err().faults().len(), 1);
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn component<T: Send + Sync + 'static>(self, component: T) -> Self {
        self.shared_component(Arc::new(component))
    }

    /// As [`component`](Self::component), for one that others have as well.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, Component, WiringError}, std::sync::Arc};
    /// # struct Pool;
    /// let pool = Arc::new(Pool); // the rest of the program has it too
    /// let context = ApplicationContext::bare().shared_component(Arc::clone(&pool)).build()?;
    /// let same = context.component::<Pool>().map(Component::into_arc);
    /// assert!(same.is_some_and(|same| Arc::ptr_eq(&same, &pool)));
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn shared_component<T: Send + Sync + 'static>(mut self, component: Arc<T>) -> Self {
        self.components.push(Given {
            type_id: TypeId::of::<T>(),
            type_name: type_name::<T>(),
            component,
            given_at: Location::caller(),
        });
        self
    }

    /// Registers a listener: `on_paid::LISTENER` for an annotated function `on_paid`,
    /// [`Listener::on`] and its kin for a closure.
    ///
    /// A function's listener counts once, also where the context finds it by itself.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, WiringError};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// let context = ApplicationContext::bare()
    ///     .listener(Listener::on(|_: &Paid| println!("first")).order(-1))
    ///     .listener(Listener::on(|_: &Paid| println!("second")))
    ///     .build()?;
    /// # Ok::<(), WiringError>(())
    /// ```
    pub fn listener(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Gives the context a function that runs by the clock, from `build()` until the drain. One that is annotated
    /// with `#[scheduled]` is found as listeners are.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, Schedule, WiringError}, std::time::Duration};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
    /// let hourly = Schedule::every(Duration::from_secs(60 * 60)).run(|| async { println!("an hour") });
    /// let context = ApplicationContext::bare().schedule(hourly).build()?;
    /// # Ok(()) }
    /// ```
    pub fn schedule(self, schedule: Schedule) -> Self {
        self.listener(schedule.0)
    }

    /// Calls `hook` for each event that nobody hears. Any number of hooks; it runs in the call that
    /// publishes, and must not panic.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent}, std::sync::mpsc};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (tell, told) = mpsc::channel();
    /// let context = ApplicationContext::bare()
    ///     .on_unheard(move |unheard| tell.send(unheard.event.clone()).unwrap())
    ///     .build()?;
    /// context.publish_event(Paid).await?;
    /// assert!(told.try_iter().any(|name| name == "Paid"));
    /// # Ok(()) }
    /// ```
    pub fn on_unheard(mut self, hook: impl Fn(&Unheard) + Send + Sync + 'static) -> Self {
        self.on_unheard.push(Box::new(hook));
        self
    }

    /// Calls `hook` for each [`Failure`] of the context: of listeners that are awaited, detached or declared `spawn`, of
    /// scheduled functions, of each attempt of a durable listener, of transactions that roll back, and of events that
    /// could not be delivered. One place for an alarm, or for a test that wants none.
    ///
    /// Any number of hooks, in the order in which they were given. Called once for each failure, after it is logged, on
    /// the thread where it came up, before whoever awaits the publication hears of it: it must not block. A hook's own
    /// panic is contained, and failures that come up inside a hook are logged and told to none.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, Failure, Listener}, std::sync::mpsc};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (tell, told) = mpsc::channel();
    /// let context = ApplicationContext::bare()
    ///     .listener(Listener::on(|_: &Paid| Err::<(), _>("out of paper")).id("receipt"))
    ///     .on_failure(move |failure: &Failure| drop(tell.send(failure.to_string())))
    ///     .build()?;
    /// context.publish_event(Paid).detach(); // nobody awaits it
    /// assert!(told.recv()?.starts_with("listener `receipt`"));
    /// # Ok(()) }
    /// ```
    pub fn on_failure(mut self, hook: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        self.on_failure.push(Box::new(hook));
        self
    }

    /// Ties the context to a backplane: broadcasts go to every node of it, and what durable listeners hear to its store
    /// (feature `json`). Without one, durable listeners work within the process, and what they have is forgotten with it.
    ///
    /// The context [is ready](ApplicationContext::is_ready) once the store knows its durable listeners, what is published
    /// before is stored then; and only while the backplane is not down. A drain ends when what it has queued is stored.
    /// The backplane stays open; who opened it closes it.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, backplane::{MemoryStore, Node, NodeOptions}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = MemoryStore::new();
    /// # let backplane = Node::open(store.engine(), NodeOptions::default()).await?;
    /// let context = ApplicationContext::bare().backplane(&backplane).build()?;
    /// assert!(context.is_ready());
    /// # Ok(()) }
    /// ```
    pub fn backplane(mut self, backplane: &impl AsRef<Node>) -> Self {
        self.backplane = Some(backplane.as_ref().clone());
        self
    }

    /// Says, for each event that leaves the process, in which trace it is published: W3C's `traceparent`, such as
    /// `opentelemetry`'s propagator writes it. Listeners find it with [`EventTrace::current`](crate::EventTrace::current).
    /// Without one, or where it gives none that is valid, an event is part of the trace of the event that caused it, if
    /// that has one.
    ///
    /// The hook runs in the call that publishes, and must not panic. The last one counts.
    #[cfg(feature = "json")]
    pub fn traceparent(
        mut self,
        current: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.trace_hook = Some(Box::new(current));
        self
    }

    /// Binds and checks everything, publishes [`ContextStarted`], and is done.
    ///
    /// Built inside a tokio runtime, the context remembers it: what nobody waits for runs there, unless its publisher is
    /// on a runtime with several threads. Built outside of any, it remembers the one that `sse_tower::serve` runs on.
    ///
    /// # Errors
    /// [`WiringError`] with all that is wrong: missing and duplicate components, duplicate ids and
    /// event names, unknown listeners in `before` and `after`, cycles, silent crates.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, WiringFault};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # struct Mailer;
    /// let wrong = ApplicationContext::bare()
    ///     .listener(Listener::on_component(|_: &Mailer, _: &Paid| ()))
    ///     .build()
    ///     .unwrap_err();
    /// assert!(matches!(wrong.faults(), [WiringFault::MissingComponent { .. }]));
    /// println!("{wrong}"); // which component, which listener, in which file and line
    /// ```
    #[track_caller]
    pub fn build(self) -> Result<ApplicationContext, WiringError> {
        let built_at = Location::caller();
        let mut faults = Vec::new();
        let mut components = Components::default();
        let mut given: HashMap<TypeId, Place> = HashMap::new();
        for it in self.components {
            if let Some(first) = given.insert(it.type_id, it.given_at) {
                faults.push(WiringFault::DuplicateComponent {
                    component: it.type_name,
                    first,
                    second: it.given_at,
                });
            } else {
                components.add(it.type_id, it.type_name, it.component);
            }
        }

        let backplane = self.backplane;
        let rest = NotTheBus { streams: OpenStreams::default(), backplane: backplane.clone() };
        let own = Arc::new(rest.clone());
        components.add(TypeId::of::<NotTheBus>(), type_name::<NotTheBus>(), own);

        let mut fixed = ListenersByType::default();
        let mut durable = Vec::new();
        let mut nodes = Vec::new();
        let mut events = Vec::new();
        let mut schedules = Vec::new();
        for listener in find_listeners(self.linked, self.listeners, &components) {
            let profile = listener.profile();
            let mut binder = Binder::new(&components);
            let handler = listener.bind(&mut binder);
            for component in &binder.missing {
                let (label, place) = (profile.label(), profile.declared_at);
                faults.push(WiringFault::missing(component, &components, label, place));
            }
            let publishes = binder.publishes.iter().map(|it| it.key).collect();
            let heard = listener.event();
            events.extend(binder.publishes.into_iter().chain([heard]));
            nodes.push(ListenerNode { profile: Arc::clone(&profile), publishes });
            if let Some(table) = profile.timetable {
                match Times::new(&table) {
                    Ok(times) => schedules.push((Arc::clone(&profile), table, times)),
                    Err(reason) => faults.push(WiringFault::WrongSchedule {
                        function: profile.label(),
                        reason,
                        declared_at: profile.declared_at,
                    }),
                }
            }
            if let Some(handler) = handler {
                checks::synchronous_options(&profile, &handler, &mut faults);
                checks::durable(&profile, &heard, &mut faults);
                checks::joins(&profile, binder.joins, &mut faults);
                let registered = Registered { profile, handler };
                match registered.profile.durable {
                    None => fixed.add(registered),
                    Some(options) => durable.push((registered, heard, options)),
                }
            }
        }
        // The same on every run, whatever the linker did.
        nodes.sort_by_key(|it| {
            (it.profile.module, it.profile.declared_at.line(), it.profile.declared_at.column())
        });

        let refs = find_events(self.linked, events);
        let events: Vec<_> = refs.iter().map(|it| it.key).collect();
        checks::ids(&nodes, &mut faults);
        checks::targets(&nodes, self.linked, &mut faults);
        checks::event_names(&events, &mut faults);
        checks::travelling(&events, &mut faults);
        if self.linked {
            checks::silent_crates(&mut faults);
        }
        #[cfg(feature = "json")]
        let setup = durable_setup(backplane, durable, &refs, self.trace_hook);
        #[cfg(feature = "json")]
        {
            fixed.carried = setup.is_wanted();
            checks::queue(&setup, &mut faults);
        }
        #[cfg(not(feature = "json"))]
        drop((backplane, durable));
        let mut plans: TypeMap<Arc<dyn AnyPlan>> = TypeMap::default();
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
        log(context.bus());
        #[cfg(feature = "json")]
        if setup.is_wanted() {
            durable::start(context.bus(), setup);
        }
        // Whoever wants to know hears it; whoever fails has said so in the log.
        publish(context.bus(), ContextStarted, built_at).detach();
        for (profile, table, times) in schedules {
            schedule::begin(context.bus(), context.streams(), profile, table, times);
        }
        Ok(context)
    }
}

/// What of the context leaves the process.
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
    Setup { node, listeners, broadcasts, trace_hook }
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
                declared_at = %node.profile.declared_at,
                "event listener"
            );
        }
    }
}

/// The listeners given by hand, then those that are found.
fn find_listeners(linked: bool, given: Vec<Listener>, components: &Components) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut declared = std::collections::HashSet::new();
    let found = inventory::iter::<LinkedListener>.into_iter().filter(|it| {
        linked || it.0.profile.owner.is_some_and(|owner| components.contains((owner.type_id)()))
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

/// Those that listeners hear or publish, and those that are found: each once, in a stable order.
fn find_events(linked: bool, mut events: Vec<EventRef>) -> Vec<EventRef> {
    events.push(EventRef::of::<ContextStarted>());
    events.push(EventRef::of::<ContextDraining>());
    events.push(EventRef::of::<ContextClosed>());
    if linked {
        events.extend(inventory::iter::<LinkedEvent>.into_iter().map(|it| it.event));
    }
    events.sort_by_key(|it| it.key.type_name());
    let mut seen = std::collections::HashSet::new();
    events.retain(|it| seen.insert(it.id()));
    events
}

impl std::fmt::Debug for ContextBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContextBuilder")
            .field("linked", &self.linked)
            .field("components", &self.components.iter().map(|it| it.type_name).collect::<Vec<_>>())
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}
