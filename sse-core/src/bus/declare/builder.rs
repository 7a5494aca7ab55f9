//! A listener as a program declares it by hand.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    declaration::Declaration,
    event_ref::EventRef,
    inject::Binder,
    listener::{BindFn, ByHand, Listener, Source},
};
use crate::bus::{
    listener::{Condition, Handler},
    profile::{DurableOptions, Phase, Profile},
    scheduled::Timetable,
};

/// A closure on its way to being a [`Listener`] of `E`.
///
/// Says by methods what the attribute says by words. Lists of names are `'static`, as the attribute's
/// are.
///
/// ```
/// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, Listener}, std::{sync::Arc, time::Duration}};
/// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
/// let audit = Listener::on(|_: &Paid| println!("audited")).id("audit");
/// let mail = Listener::on_async(|_: Arc<Paid>| async { println!("mailed") })
///     .after(&["audit"])
///     .condition(|paid| paid.amount > 0)
///     .timeout(Duration::from_secs(5));
/// let context = ApplicationContext::bare().listener(mail).listener(audit).build()?;
/// # Ok::<(), sse_tower_core::WiringError>(())
/// ```
#[must_use = "a listener hears nothing until it is registered"]
pub struct ListenerBuilder<E: ?Sized> {
    profile: Profile,
    event: EventRef,
    condition: Option<Condition<E>>,
    bind: BindFn<Handler<E>>,
}

impl<E: ?Sized> fmt::Debug for ListenerBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ListenerBuilder").field(&self.profile.label()).finish()
    }
}

impl<E: ?Sized + 'static> ListenerBuilder<E> {
    pub(crate) fn new(
        declaration: Declaration,
        bind: impl Fn(&mut Binder<'_>) -> Option<Handler<E>> + Send + Sync + 'static,
    ) -> Self {
        let Declaration { profile, event, .. } = declaration;
        Self { profile, event, condition: None, bind: Box::new(bind) }
    }

    /// Makes it a scheduled function.
    pub(crate) fn timetable(mut self, timetable: Timetable) -> Self {
        self.profile.timetable = Some(timetable);
        self
    }

    /// A stable name, which no other listener of the context may have.
    pub fn id(mut self, id: &'static str) -> Self {
        self.profile.id = Some(id);
        self
    }

    /// Lower runs earlier; 0 unless said. Ties: by module path and line.
    pub fn order(mut self, order: i32) -> Self {
        self.profile.order = order;
        self
    }

    /// Listeners that this one precedes, by id or by the end of their path. Stronger than `order`.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// # let tell = |word: &'static str| { let tell = tell.clone(); move |_: &Paid| tell.send(word) };
    /// let context = ApplicationContext::bare()
    ///     .listener(Listener::on(tell("mail")).id("mail").order(-10))
    ///     .listener(Listener::on(tell("audit")).before(&["mail"]))
    ///     .build()?;
    /// context.publish_event(Paid).await?;
    /// assert_eq!(told.try_iter().collect::<Vec<_>>(), ["audit", "mail"]);
    /// # Ok(()) }
    /// ```
    pub fn before(mut self, targets: &'static [&'static str]) -> Self {
        self.profile.before = targets;
        self
    }

    /// Listeners that this one follows, by id or by the end of their path. Stronger than `order`.
    pub fn after(mut self, targets: &'static [&'static str]) -> Self {
        self.profile.after = targets;
        self
    }

    /// Runs the listener only for events that `condition` holds for; the others count as skipped.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let large = Listener::on(|_: &Paid| println!("large")).condition(|paid| paid.amount > 1000);
    /// let context = ApplicationContext::bare().listener(large).build()?;
    /// let outcome = context.publish_event(Paid { amount: 10 }).await?;
    /// assert_eq!((outcome.ran(), outcome.skipped()), (0, 1));
    /// # Ok(()) }
    /// ```
    pub fn condition(mut self, condition: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Arc::new(condition));
        self
    }

    /// Stops an asynchronous listener that takes longer: a failure, [`ListenerTimedOut`](crate::ListenerTimedOut).
    /// A synchronous listener cannot be stopped, and one with a timeout is refused. [`Duration::MAX`] is none.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, ListenerTimedOut}, std::{sync::Arc, time::Duration}};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// let stuck = Listener::on_async(|_: Arc<Paid>| std::future::pending::<()>())
    ///     .timeout(Duration::from_secs(5));
    /// let context = ApplicationContext::bare().listener(stuck).build()?;
    /// let failed = context.publish_event(Paid).await.unwrap_err();
    /// assert!(failed.failures()[0].source.is::<ListenerTimedOut>());
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.profile.timeout = Some(timeout);
        self
    }

    /// Runs an asynchronous listener in a task of its own: nobody waits for it but
    /// [`settled`](crate::ApplicationContext::settled), and its failure is only logged. A synchronous
    /// one is refused.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, Listener}, std::sync::Arc};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mail = Listener::on_async(|_: Arc<Paid>| async { println!("mailed, some time") }).spawn();
    /// let context = ApplicationContext::bare().listener(mail).build()?;
    /// let outcome = context.publish_event(Paid).await?;
    /// assert_eq!((outcome.ran(), outcome.spawned()), (0, 1));
    /// context.settled().await;
    /// # Ok(()) }
    /// ```
    pub fn spawn(mut self) -> Self {
        self.profile.spawn = true;
        self
    }

    /// Makes it a listener of a transaction's phase.
    pub fn phase(mut self, phase: Phase) -> Self {
        self.profile.phase = Some(phase);
        self
    }

    /// Outside of a transaction, runs a listener of a phase at once instead of failing.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, Phase};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let receipt = Listener::on(|_: &Paid| println!("receipt")).phase(Phase::AfterCommit).fallback();
    /// let context = ApplicationContext::bare().listener(receipt).build()?;
    /// assert_eq!(context.publish_event(Paid).await?.ran(), 1);
    /// # Ok(()) }
    /// ```
    pub fn fallback(mut self) -> Self {
        self.profile.fallback = true;
        self
    }

    /// Its events survive the process: stored before [`publish_event`](crate::ApplicationContext::publish_event) resolves,
    /// handled by one process of those that have this listener, and handled again after a failure, a panic, a timeout or
    /// the death of that process, until [`attempts`](Self::attempts) are used up: then it is a
    /// [dead letter](crate::ApplicationContext::dead_letters). At least once, so a listener finds out by
    /// [`EventMeta::event_id`](crate::EventMeta::event_id) what it has done already.
    ///
    /// It needs an [`id`](Self::id), by which the store knows it from one release to the next, and an event with a name
    /// and a form ([`EventType::json`](crate::EventType::json)). An asynchronous one is stopped after
    /// [`DEFAULT_DURABLE_TIMEOUT`](crate::DEFAULT_DURABLE_TIMEOUT) unless [`timeout`](Self::timeout) says otherwise.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, EventType, Listener}, std::time::Duration};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Paid { order: u64 }
    ///
    /// impl ApplicationEvent for Paid {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().name("order.paid").json()
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (tell, told) = std::sync::mpsc::channel();
    /// let mail = Listener::on_with_meta(move |paid: &Paid, meta: sse_tower_core::EventMeta| {
    ///     if meta.attempt() < 3 {
    ///         return Err("the mail server is away");
    ///     }
    ///     Ok(drop(tell.send(paid.order)))
    /// });
    /// let context = ApplicationContext::bare()
    ///     .listener(mail.durable().id("mail").backoff(Duration::from_secs(60)))
    ///     .build()?;
    /// context.publish_event(Paid { order: 7 }).await?; // stored
    /// tokio::time::sleep(Duration::from_secs(600)).await;
    /// assert_eq!(told.try_recv(), Ok(7));
    /// # Ok(()) }
    /// ```
    pub fn durable(mut self) -> Self {
        self.profile.durable.get_or_insert(DurableOptions::DEFAULT);
        self
    }

    fn durably(mut self, change: impl FnOnce(&mut DurableOptions)) -> Self {
        change(self.profile.durable.get_or_insert(DurableOptions::DEFAULT));
        self
    }

    /// How often a durable listener is tried in all, at least once; [`DEFAULT_ATTEMPTS`](crate::DEFAULT_ATTEMPTS) unless said.
    pub fn attempts(self, attempts: u32) -> Self {
        self.durably(|it| it.attempts = attempts.max(1))
    }

    /// How long a durable listener waits before its second attempt; each later pause is twice as long, two hours at
    /// most, and a quarter more or less by chance. [`DEFAULT_BACKOFF`](crate::DEFAULT_BACKOFF) unless said.
    pub fn backoff(self, backoff: Duration) -> Self {
        self.durably(|it| it.backoff = backoff)
    }

    /// How many events a durable listener handles at a time in one process, 1 to 256;
    /// [`DEFAULT_CONCURRENCY`](crate::DEFAULT_CONCURRENCY) unless said.
    pub fn concurrency(self, concurrency: u32) -> Self {
        self.durably(|it| it.concurrency = concurrency.clamp(1, 256))
    }

    /// A durable listener that handles one event at a time over all processes, in the order in which they were stored. One
    /// that fails holds up those after it until it succeeds, or is a dead letter.
    pub fn ordered(self) -> Self {
        self.durably(|it| it.ordered = true)
    }

    /// A durable listener that no process had before begins with what the store still has, and not with what is
    /// published from now on.
    pub fn from_earliest(self) -> Self {
        self.durably(|it| it.earliest = true)
    }

    /// An [`ordered`](Self::ordered) listener that must not go past an event it could not handle: with a dead letter of its
    /// own it is [paused](crate::Listeners::pause) on every process, before the letter is stored, until a person
    /// [resumes](crate::Listeners::resume) it. One that is tried again before comes first.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, EventType, Listener, ListenerError, ListenerState};
    /// # #[derive(serde::Serialize, serde::Deserialize)] struct Booked { entry: u64 }
    /// # impl ApplicationEvent for Booked {
    /// #     fn event_type() -> EventType<Self> { EventType::new().name("ledger.booked").json() }
    /// # }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ledger = Listener::on(|_: &Booked| Err::<(), _>(ListenerError::give_up()));
    /// let context = ApplicationContext::bare()
    ///     .listener(ledger.durable().id("ledger").ordered().stop_on_dead())
    ///     .build()?;
    /// context.publish_event(Booked { entry: 1 }).await?;
    /// context.publish_event(Booked { entry: 2 }).await?;
    /// tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    /// let ledger = &context.listeners().await?[0];
    /// assert_eq!((ledger.state, ledger.dead, ledger.backlog + ledger.waiting), (ListenerState::Paused, 1, 1));
    /// # Ok(()) }
    /// ```
    pub fn stop_on_dead(self) -> Self {
        self.durably(|it| it.stop = true)
    }
}

impl<E: ?Sized + 'static> From<ListenerBuilder<E>> for Listener {
    fn from(builder: ListenerBuilder<E>) -> Self {
        let ListenerBuilder { profile, event, condition, bind } = builder;
        Self(Source::ByHand(Arc::new(ByHand {
            profile: Arc::new(profile),
            event,
            bind: Box::new(move |binder| {
                let mut handler = bind(binder)?;
                if condition.is_some() {
                    handler.condition.clone_from(&condition);
                }
                Some(handler.erase())
            }),
        })))
    }
}
