//! `ContextBuilder`: collects what a context is made of.

use std::{future::Future, mem, panic::Location};

use super::{
    application_context::ApplicationContext,
    assembly::Assembly,
    checks, construct,
    given::{Collected, Given, Maker},
    hooks,
    wiring::{WiringError, WiringFault},
};
use crate::{
    backplane::Node,
    bus::{declare::Listener, failure::Failure, unheard::Unheard},
    schedule::Schedule,
};

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
    pub(super) components: Vec<Given>,
    pub(super) makers: Vec<Maker>,
    /// All but the components.
    pub(super) rest: Assembly,
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
        let rest = Assembly { linked, ..Assembly::default() };
        Self { components: Vec::new(), makers: Vec::new(), rest }
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
        self.rest.listeners.push(listener.into());
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
        self.rest.on_unheard.push(Box::new(hook));
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
        self.rest.on_failure.push(Box::new(hook));
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
        self.rest.backplane = Some(backplane.as_ref().clone());
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
        self.rest.trace_hook = Some(Box::new(current));
        self
    }

    /// Binds and checks everything, publishes [`ContextStarted`](crate::ContextStarted), and is done.
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
        checks::needs_async(&collected.makers, &self.rest.starts, &mut faults);
        construct::promise(&mut collected);
        let (ready, _) = self.rest.assemble(collected, faults, built_at)?;
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
            let (ready, starts) = self.rest.assemble(collected, faults, built_at)?;
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
}

impl std::fmt::Debug for ContextBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContextBuilder")
            .field("linked", &self.rest.linked)
            .field("components", &self.components.iter().map(|it| it.of).collect::<Vec<_>>())
            .field("listeners", &self.rest.listeners)
            .finish_non_exhaustive()
    }
}
