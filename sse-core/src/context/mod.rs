//! The context: components, listeners, the publisher, and the drain.

mod builder;
mod checks;
mod drain;
mod graph;
mod inject;
mod lifecycle;
mod linked;
mod sent;
mod subscribe;
#[cfg(feature = "test-util")]
mod tap;
mod wiring;

use std::{fmt, future::Future, panic::Location, sync::Arc};

use crate::{
    bus::{
        declare::{Listener, ListenerOutput, Publisher, Subscription},
        event::{ApplicationEvent, short_name},
        publish::{Publication, Transaction, publish},
        state::Bus,
    },
    component::Component,
    drain::OpenStreams,
};

pub use builder::ContextBuilder;
pub use lifecycle::{ContextClosed, ContextDraining, ContextStarted};
pub use linked::{EndpointInfo, EndpointNeeds, LinkedCrate, LinkedEvent, LinkedListener};
#[cfg(feature = "test-util")]
pub use tap::tap;
pub use wiring::{WiringError, WiringFault};

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
    streams: OpenStreams,
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

    /// Adds a synchronous listener until the [`Subscription`] is dropped.
    ///
    /// Keep the `Subscription`, or say [`.forever()`](Subscription::forever): in a statement of its own,
    /// or bound to `_`, it is dropped there, and the listener hears nothing.
    ///
    /// Publications that have begun do not reach it. Adding one copies the list of the event's
    /// listeners; for thousands of receivers use [`Emitters`](crate::Emitters).
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, SseEmitter};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// let emitter = SseEmitter::new(); // one connection, which hears of payments while it is open
    /// let page = emitter.clone();
    /// let subscription = context.on(move |paid: &Paid| page.try_send(paid.amount.to_string()));
    /// emitter.on_completion(move |_| drop(subscription)); // kept until then
    ///
    /// assert_eq!(context.publish_event(Paid { amount: 100 }).await?.ran(), 1);
    /// drop(emitter.into_stream()); // the client has gone
    /// assert_eq!(context.publish_event(Paid { amount: 200 }).await?.ran(), 0);
    ///
    /// context.on(|paid: &Paid| println!("paid: {}", paid.amount)).forever();
    /// assert_eq!(context.publish_event(Paid { amount: 300 }).await?.ran(), 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on<E, R, F>(&self, listener: F) -> Subscription
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        F: Fn(&E) -> R + Send + Sync + 'static,
    {
        self.subscribe_plain(&Listener::on(listener).into())
    }

    /// Adds an asynchronous listener until the [`Subscription`] is dropped. As [`on`](Self::on)
    /// otherwise.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent}, std::sync::Arc};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// # async fn print(amount: u64) {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// context.on_async(|paid: Arc<Paid>| async move { print(paid.amount).await }).forever();
    /// assert_eq!(context.publish_event(Paid { amount: 100 }).await?.ran(), 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on_async<E, R, Fut, F>(&self, listener: F) -> Subscription
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        Fut: Future<Output = R> + Send + 'static,
        F: Fn(Arc<E>) -> Fut + Send + Sync + 'static,
    {
        self.subscribe_plain(&Listener::on_async(listener).into())
    }

    /// Adds a listener with options until the [`Subscription`] is dropped.
    ///
    /// # Errors
    /// [`WiringError`] if it takes a component that is missing, has an id that is taken, or names
    /// listeners in `before` or `after` that do not exist or that wait for it in turn.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, WiringError};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// # let context = ApplicationContext::bare().build()?;
    /// let large = Listener::on(|_: &Paid| println!("large")).condition(|paid| paid.amount > 1000);
    /// let subscription = context.subscribe(large)?;
    /// # drop(subscription);
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn subscribe(&self, listener: impl Into<Listener>) -> Result<Subscription, WiringError> {
        self.subscribe_checked(&listener.into(), Location::caller())
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
    pub fn component<T: Send + Sync + 'static>(&self) -> Option<Component<T>> {
        self.bus.components().get()
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
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

    /// Checks what `build()` cannot know to be a mistake, for one test of the program: that every
    /// annotated endpoint finds its components, and that each trait that a listener hears is
    /// declared by some event.
    ///
    /// # Panics
    /// With the whole list, each with file and line, if something is wrong.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, WiringError};
    /// # fn context() -> Result<ApplicationContext, WiringError> { ApplicationContext::builder().build() }
    /// # /*
    /// #[test]
    /// fn everything_finds_what_it_takes() {
    /// # */
    ///     context().unwrap().assert_wired();
    /// # /*
    /// }
    /// # */
    /// ```
    #[track_caller]
    pub fn assert_wired(&self) {
        let mut faults = checks::supertypes(self.bus.nodes(), self.bus.events());
        if self.bus.is_linked() {
            faults.extend(checks::endpoints(self.bus.components(), |_| true));
        }
        let checked = WiringError::check(faults, Location::caller());
        assert!(checked.is_ok(), "{}", checked.err().map(|it| it.to_string()).unwrap_or_default());
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
        &self.streams
    }

    /// For `sse-tower`: what the endpoints lack that it is about to route.
    #[doc(hidden)]
    #[must_use]
    pub fn faults_of_collected_endpoints(&self) -> Vec<WiringFault> {
        checks::endpoints(self.bus.components(), |it| it.path.is_some())
    }

    fn log(&self) {
        #[cfg(feature = "tracing")]
        {
            tracing::info!(
                target: "sse_tower",
                listeners = self.bus.nodes().len(),
                events = self.bus.events().len(),
                "context built"
            );
            for node in self.bus.nodes() {
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
