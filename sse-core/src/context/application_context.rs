//! `ApplicationContext`: the handle of a context, by which a program publishes, finds components, and waits.

use std::{fmt, panic::Location};

use super::hooks::Stops;
use crate::{
    backplane::Node,
    bus::{
        declare::Publisher,
        event::{ApplicationEvent, short_name},
        publish::{Publication, Transaction, publish},
        state::Bus,
    },
    component::Component,
    drain::OpenStreams,
};

/// The components, the listeners and the bus of a program.
///
/// Cheap to clone; every clone is the same context. [`builder`](Self::builder) takes every annotated
/// listener that is linked into the program; [`bare`](Self::bare) takes nothing but what it is given,
/// which is what tests and a second context in one process want.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Emitters, Listener};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Paid { order: u64 }
/// impl ApplicationEvent for Paid {}
///
/// let tell = Listener::on_component(|pages: &Emitters<u64>, paid: &Paid| {
///     drop(pages.send(&paid.order, "paid"));
/// });
/// let context = ApplicationContext::builder()
///     .component(Emitters::<u64>::new())
///     .listener(tell)
///     .build()?;
/// let outcome = context.publish_event(Paid { order: 7 }).await?;
/// assert_eq!(outcome.ran(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ApplicationContext {
    bus: Bus,
    rest: NotTheBus,
}

/// The part of a context that is not its bus, as a component of its own type: so the bus need not know what a context
/// is, and a listener that takes a context keeps none alive.
#[derive(Clone, Debug)]
pub struct NotTheBus {
    pub(super) streams: OpenStreams,
    pub(super) backplane: Option<Node>,
    pub(super) stops: Stops,
}

impl ApplicationContext {
    pub(super) fn new(bus: Bus, rest: NotTheBus) -> Self {
        Self { bus, rest }
    }

    /// What is to be called when the context has ended.
    pub(super) const fn stops(&self) -> &Stops {
        &self.rest.stops
    }

    pub(super) const fn backplane(&self) -> Option<&Node> {
        self.rest.backplane.as_ref()
    }

    /// Publishes `event` to its listeners.
    ///
    /// Synchronous listeners run before this returns, in order, up to the first that is asynchronous
    /// or fails; awaiting the [`Publication`] runs the rest and says who failed, dropping it without
    /// awaiting lets the rest run in a task of its own, whose failures are only logged. It never blocks
    /// and never panics for a listener.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// context.on(|_: &Paid| Err::<(), _>("the printer is out of paper")).forever();
    /// context.on(|_: &Paid| println!("runs all the same")).forever();
    ///
    /// let failed = context.publish_event(Paid).await.unwrap_err();
    /// assert_eq!((failed.ran(), failed.failures().len()), (1, 1));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    #[inline(always)]
    pub fn publish_event<E: ApplicationEvent>(&self, event: E) -> Publication<E> {
        publish(&self.bus, event, Location::caller())
    }

    /// A handle that publishes one type of event.
    #[must_use]
    pub fn publisher<E: ApplicationEvent>(&self) -> Publisher<E> {
        Publisher::new(self.bus.clone())
    }

    /// Begins a transaction: its events wait for the commit.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// let transaction = context.transaction();
    /// transaction.publish_event(Paid);
    /// // database.commit().await?;
    /// transaction.commit().await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.bus.clone(), Location::caller())
    }

    /// The component of type `T`, if the context has one.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, Emitters, WiringError};
    /// let context = ApplicationContext::bare().component(Emitters::<u64>::new()).build()?;
    /// assert!(context.component::<Emitters<u64>>().is_some());
    /// assert!(context.component::<Emitters<String>>().is_none());
    /// # Ok::<(), WiringError>(())
    /// ```
    #[must_use]
    pub fn component<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Component<T>> {
        self.component_named("")
    }

    /// The component of type `T` that was given under this name, if the context has it.
    ///
    /// Handlers and listeners take it as a parameter, see [`ComponentName`](crate::ComponentName).
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, WiringError};
    /// # struct Pool { server: &'static str }
    /// let context = ApplicationContext::bare()
    ///     .component_named("eu", Pool { server: "db.eu" })
    ///     .component_named("us", Pool { server: "db.us" })
    ///     .build()?;
    /// let region = "us"; // of a request, say
    /// let pool = context.component_named::<Pool>(region);
    /// assert_eq!(pool.map(|pool| pool.server), Some("db.us"));
    /// # Ok::<(), WiringError>(())
    /// ```
    #[must_use]
    pub fn component_named<T: ?Sized + Send + Sync + 'static>(
        &self,
        name: &str,
    ) -> Option<Component<T>> {
        self.bus.components().get(name).map(Component::new)
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// For `sse-tower`, whose server is where a context lives that was built outside of any runtime.
    #[doc(hidden)]
    pub fn know_this_runtime(&self) {
        self.bus.tasks().know_this_runtime();
    }

    /// Waits until everything is over that was started and that nobody waits for: listeners
    /// declared `spawn`, publications that were detached or whose caller has gone, publications that
    /// are being awaited elsewhere, and all that these have published.
    ///
    /// Listeners of a publication that was awaited have run already, and need no waiting for. What a
    /// listener gives to `tokio::spawn` by itself is not known here: declare the listener `spawn` instead.
    ///
    /// Ready at once if there is nothing. A listener that awaits it waits for itself, for ever. A
    /// [`Publication`] that was neither awaited nor dropped has not begun its rest and does not count.
    ///
    /// # Cancel safety
    /// Cancel safe.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, Listener}, std::{sync::Arc, time::Duration}};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mail = Listener::on_async(|_: Arc<Paid>| tokio::time::sleep(Duration::from_secs(3)));
    /// let context = ApplicationContext::bare().listener(mail.spawn()).build()?;
    /// context.publish_event(Paid).await?; // does not wait for the mail
    /// assert_eq!(context.in_flight(), 1);
    /// context.settled().await; // does
    /// assert_eq!(context.in_flight(), 0);
    /// # Ok(()) }
    /// ```
    pub async fn settled(&self) {
        self.bus.tasks().settled().await;
    }

    /// How many publications and spawned listeners [`settled`](Self::settled) would wait for.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.bus.tasks().running()
    }

    /// How many events were published so far that nobody heard.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// let before = context.unheard();
    /// context.publish_event(Paid).await?;
    /// assert_eq!(context.unheard() - before, 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn unheard(&self) -> u64 {
        self.bus.unheard().count()
    }

    /// The streams that are open now. Layers register what they carry.
    ///
    /// ```
    /// # use sse_tower_core::ApplicationContext;
    /// let context = ApplicationContext::bare().build()?;
    /// assert_eq!(context.streams().len(), 0);
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[must_use]
    pub fn streams(&self) -> &OpenStreams {
        &self.rest.streams
    }
}

impl fmt::Debug for ApplicationContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<_> =
            self.bus.events().iter().map(|it| short_name(it.type_name())).collect();
        f.debug_struct("ApplicationContext")
            .field("components", self.bus.components())
            .field("listeners", &self.bus.nodes().len())
            .field("events", &events)
            .finish_non_exhaustive()
    }
}
