//! Building a context: everything is found, bound and checked here, once.

use std::{future::Future, mem, panic::Location, sync::Arc};

use super::{
    application_context::{ApplicationContext, NotTheBus},
    checks, construct,
    given::{Collected, Given, Maker},
    hooks::{self, Bound, Hook},
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
        profile::Profile,
        publish::publish,
        scheduled::Timetable,
        state::{Bus, BusParts},
        unheard::{Unheard, UnheardHook},
    },
    component::{ComponentRef, Components, ErasedComponent, TypeMap},
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
    pub(super) components: Vec<Given>,
    pub(super) makers: Vec<Maker>,
    pub(super) starts: Vec<Hook>,
    pub(super) stops: Vec<Hook>,
    listeners: Vec<Listener>,
    on_unheard: Vec<UnheardHook>,
    on_failure: Vec<FailureHook>,
    backplane: Option<Node>,
    #[cfg(feature = "json")]
    trace_hook: Option<TraceHook>,
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

    /// A *bare* context takes nothing but what it is given, where [`builder`](Self::builder) takes all that attributes left
    /// in the binary: for tests, for a second context in one process, and for programs without attributes. A component
    /// comes with its own annotated methods, and `.listener(..)` adds one listener.
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
            makers: Vec::new(),
            starts: Vec::new(),
            stops: Vec::new(),
            listeners: Vec::new(),
            on_unheard: Vec::new(),
            on_failure: Vec::new(),
            backplane: None,
            #[cfg(feature = "json")]
            trace_hook: None,
        }
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
    /// event names, unknown listeners in `before` and `after`, cycles, silent crates; and whatever needs
    /// [`build_async`](Self::build_async).
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
    pub fn build(mut self) -> Result<ApplicationContext, WiringError> {
        let built_at = Location::caller();
        let mut faults = Vec::new();
        let mut collected = self.collect(&mut faults);
        checks::needs_async(&collected.makers, &self.starts, &mut faults);
        construct::promise(&mut collected);
        let (ready, _) = self.assemble(collected, faults, built_at)?;
        Ok(ready.begin(built_at))
    }

    /// As [`build`](Self::build), for a context of which something is asynchronous: makes components
    /// ([`component_from`](Self::component_from)), and starts them ([`on_start`](Self::on_start)) before it begins.
    ///
    /// # Errors
    /// [`WiringError`] with all that is wrong, as `build`; with every component that could not be made and those that
    /// wait for each other, or with the one that could not be started.
    ///
    /// # Cancel safety
    /// What was made is dropped with it, and not stopped.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, WiringFault};
    /// # struct Pool;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let wrong = ApplicationContext::bare()
    ///     .component_from(async |_| Err::<Pool, _>("the database is down".into()))
    ///     .build_async()
    ///     .await
    ///     .unwrap_err();
    /// assert!(matches!(wrong.faults(), [WiringFault::NotMade { .. }]));
    /// # }
    /// ```
    #[track_caller]
    pub fn build_async(
        mut self,
    ) -> impl Future<Output = Result<ApplicationContext, WiringError>> + Send + 'static {
        let built_at = Location::caller();
        async move {
            let mut faults = Vec::new();
            let mut collected = self.collect(&mut faults);
            construct::construct(&mut collected, &mut faults).await;
            let (ready, starts) = self.assemble(collected, faults, built_at)?;
            if let Err(fault) = hooks::start(starts, ready.context.stops()).await {
                WiringError::check(vec![fault], built_at)?;
            }
            Ok(ready.begin(built_at))
        }
    }

    fn collect(&mut self, faults: &mut Vec<WiringFault>) -> Collected {
        let (components, makers) = (mem::take(&mut self.components), mem::take(&mut self.makers));
        Collected::new(components, makers, faults)
    }

    /// Binds and checks everything. What is to be started comes with it, in order.
    fn assemble(
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
        checks::once(&nodes, backplane.as_ref(), &mut faults);
        checks::targets(&nodes, self.linked, &mut faults);
        checks::event_names(&events, &mut faults);
        checks::travelling(&events, &mut faults);
        if self.linked {
            checks::silent_crates(&mut faults);
        }
        #[cfg(feature = "json")]
        let mut setup = durable_setup(backplane, durable, &refs, self.trace_hook);
        #[cfg(feature = "json")]
        {
            fixed.carried = setup.is_wanted();
            checks::queue(&setup, &mut faults);
            if setup.node.is_some() {
                schedules.retain(|(profile, table, _)| {
                    let Some(name) = table.once else { return true };
                    let streams = &rest.streams;
                    setup.turns.push(schedule::turn(name, streams, Arc::clone(profile), *table));
                    false
                });
            }
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
        let ready = Ready {
            context,
            schedules,
            #[cfg(feature = "json")]
            setup,
        };
        Ok((ready, starts))
    }
}

/// A context of which nothing is wrong, and which has not begun.
struct Ready {
    context: ApplicationContext,
    schedules: Vec<(Arc<Profile>, Timetable, Times)>,
    #[cfg(feature = "json")]
    setup: Setup,
}

impl Ready {
    fn begin(self, built_at: Place) -> ApplicationContext {
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
    let mut declared = std::collections::HashSet::new();
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
            .field("components", &self.components.iter().map(|it| it.of).collect::<Vec<_>>())
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}
