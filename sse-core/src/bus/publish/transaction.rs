//! Events that wait for a commit.

use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll, ready},
};

use super::{
    departure::{Departure, pack},
    outcome::{Counts, Outcome, PublishError},
    publication::publish_held,
    run::Stage,
    scope::Origin,
};
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::{
        carrier::Parcel,
        event::{ApplicationEvent, EventDescription, EventMeta, EventUid, Journey, PublicationId},
        listener::{Failure, MaybeShared},
        state::Bus,
        tasks::InFlight,
    },
    error_chain::debug_with_causes,
    sync::lock_std as lock,
};

/// How many events one transaction may hold: 16 384.
///
/// One more is discarded, and with it the transaction: its commit rolls back and fails with
/// [`TransactionFull`].
pub const MAX_TRANSACTION_EVENTS: usize = 16_384;

/// Events that are delivered together, or not at all. Made by
/// [`crate::ApplicationContext::transaction`].
///
/// | what happens | which listeners run, event by event |
/// |---|---|
/// | `commit()` begins | phase `before-commit`; the first failure turns it into a rollback |
/// | the commit stands | those without a phase, and phase `after-commit`; then `after-completion` |
/// | a rollback | phase `after-rollback`; then `after-completion` |
///
/// What commits is the program's own: a database transaction that ends before
/// [`commit`](Self::commit) is called, or the future given to [`commit_with`](Self::commit_with).
/// Events live in memory: a process that dies between the two loses them.
///
/// Dropping it rolls back, in a task that [`settled`](crate::ApplicationContext::settled) waits for.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, Phase};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let receipt = Listener::on(|_: &Paid| println!("the money is there")).phase(Phase::AfterCommit);
/// let context = ApplicationContext::bare().listener(receipt).build()?;
///
/// let transaction = context.transaction();
/// transaction.publish_event(Paid); // nobody hears it yet
/// let outcome = transaction.commit().await?;
/// assert_eq!(outcome.ran(), 1);
/// # Ok(()) }
/// ```
#[must_use = "dropping a transaction rolls it back"]
pub struct Transaction {
    /// `None` once it was committed or rolled back.
    parts: Option<Parts>,
}

struct Parts {
    bus: Bus,
    begun_at: &'static Location<'static>,
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    waiting: Vec<Arc<dyn Waiting>>,
    overflowed: bool,
}

/// One event that waits.
trait Waiting: Send + Sync {
    fn publish(&self, bus: &Bus, stage: Stage) -> BoxFuture<Counts>;
    /// Written for the store, if somebody wants it there and it was not written before.
    fn pack(&self, bus: &Bus) -> Option<Result<Parcel, BoxError>>;
    /// It is in the store, by this id, once the program's own transaction commits.
    fn is_stored(&self, id: EventUid);
}

struct WaitingEvent<E> {
    event: Arc<E>,
    id: PublicationId,
    published_at: &'static Location<'static>,
    stored: OnceLock<EventUid>,
}

impl<E: ApplicationEvent> Waiting for WaitingEvent<E> {
    fn publish(&self, bus: &Bus, stage: Stage) -> BoxFuture<Counts> {
        let event = MaybeShared::Shared(Arc::clone(&self.event));
        let departure = self.stored.get().map_or(Departure::IfWanted, |id| Departure::Done(*id));
        if let (Stage::Commit, Departure::Done(_), Some(carrier)) =
            (stage, departure, bus.carrier())
        {
            carrier.has_committed();
        }
        let mut publication =
            publish_held(bus, event, self.id, self.published_at, stage, departure);
        Box::pin(poll_fn(move |cx| publication.poll_counts(cx)))
    }

    fn pack(&self, bus: &Bus) -> Option<Result<Parcel, BoxError>> {
        if self.stored.get().is_some() {
            return None;
        }
        bus.with_plan_cell::<E, _>(|cell| Some(pack(bus, cell, &self.event)?.1))
    }

    fn is_stored(&self, id: EventUid) {
        // The first counts.
        let _ = self.stored.set(id);
    }
}

impl Transaction {
    pub(crate) fn new(bus: Bus, begun_at: &'static Location<'static>) -> Self {
        let events = Mutex::default();
        Self { parts: Some(Parts { bus, begun_at, events }) }
    }

    /// Keeps `event` until the commit. At most [`MAX_TRANSACTION_EVENTS`].
    #[track_caller]
    pub fn publish_event<E: ApplicationEvent>(&self, event: E) {
        let Some(parts) = &self.parts else { return };
        let waiting = Arc::new(WaitingEvent {
            event: Arc::new(event),
            id: PublicationId::next(),
            published_at: Location::caller(),
            stored: OnceLock::new(),
        });
        let mut events = lock(&parts.events);
        if events.waiting.len() < MAX_TRANSACTION_EVENTS {
            events.waiting.push(waiting);
            return;
        }
        events.overflowed = true;
        // The event's destructor is the program's code.
        drop(events);
        drop(waiting);
    }

    /// The bus, unless it was committed or rolled back.
    pub(crate) fn bus(&self) -> Option<&Bus> {
        self.parts.as_ref().map(|parts| &parts.bus)
    }

    /// Writes what is to be stored and was not yet, each with what says that it is.
    pub(crate) fn pack(&self) -> Vec<(Result<Parcel, BoxError>, impl FnOnce(EventUid) + use<>)> {
        let Some(parts) = &self.parts else { return Vec::new() };
        // A copy, since writing is the program's code.
        let waiting = lock(&parts.events).waiting.clone();
        let packed = waiting.into_iter().filter_map(|event| {
            let parcel = event.pack(&parts.bus)?;
            Some((parcel, move |id| event.is_stored(id)))
        });
        packed.collect()
    }

    /// Delivers the events: await it for what became of them.
    ///
    /// # Errors
    /// [`PublishError`] with each listener that failed. Only failures before the commit roll back.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing: the rest runs in a task.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # struct Shipped; impl ApplicationEvent for Shipped {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// context.on(|_: &Paid| ()).forever();
    /// context.on(|_: &Shipped| ()).forever();
    /// let transaction = context.transaction();
    /// transaction.publish_event(Paid);
    /// transaction.publish_event(Shipped);
    /// assert_eq!(transaction.commit().await?.ran(), 2);
    /// # Ok(()) }
    /// ```
    #[must_use = "await it for the outcome; dropped, it runs in a task of its own"]
    pub fn commit(self) -> Settlement {
        self.commit_with(std::future::ready(Ok::<(), BoxError>(())))
    }

    /// Runs listeners before the commit, then `commit`, and then as [`commit`](Self::commit) does.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); an error of `commit` itself rolls back, and is the `source` of one
    /// of the failures.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing, `commit` included: the rest runs in a task.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// # let context = ApplicationContext::bare().build()?;
    /// let transaction = context.transaction();
    /// transaction.publish_event(Paid);
    /// let database = async { Err::<(), _>("serialisation failure") };
    /// let failed = transaction.commit_with(database).await.unwrap_err();
    /// assert_eq!(failed.failures()[0].source.to_string(), "serialisation failure");
    /// # Ok(()) }
    /// ```
    #[must_use = "await it for the outcome; dropped, it runs in a task of its own"]
    pub fn commit_with<F, Er>(mut self, commit: F) -> Settlement
    where
        F: Future<Output = Result<(), Er>> + Send + 'static,
        Er: Into<BoxError>,
    {
        let commit = Box::pin(async move { commit.await.map_err(Into::into) });
        Settlement::new(self.parts.take(), Some(commit))
    }

    /// Discards the events, and runs the listeners that want to know: here, if it is awaited, else
    /// in a task.
    ///
    /// # Errors
    /// [`PublishError`] with each of these listeners that failed.
    ///
    /// # Cancel safety
    /// Dropping the future stops nothing: the rest runs in a task.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, Phase};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let release = Listener::on(|_: &Paid| println!("back in stock")).phase(Phase::AfterRollback);
    /// let context = ApplicationContext::bare().listener(release).build()?;
    /// let transaction = context.transaction();
    /// transaction.publish_event(Paid);
    /// assert_eq!(transaction.rollback().await?.ran(), 1);
    /// # Ok(()) }
    /// ```
    pub fn rollback(mut self) -> Settlement {
        Settlement::new(self.parts.take(), None)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            drop(Settlement::new(Some(parts), None));
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction")
    }
}

/// The end of a [`Transaction`], under way: a future of what became of its events. What `commit`, `commit_with` and
/// `rollback` give; programs await it, and need no name for it.
///
/// Nothing has run before it is polled or dropped; dropped, it runs in a task.
pub struct Settlement {
    bus: Option<Bus>,
    running: Option<BoxFuture<Counts>>,
}

impl Settlement {
    fn new(parts: Option<Parts>, commit: Option<BoxFuture<Result<(), BoxError>>>) -> Self {
        let Some(parts) = parts else { return Self { bus: None, running: None } };
        let bus = parts.bus.clone();
        // A transaction inside a listener is as deep as the listener.
        let origin = Origin::outer();
        let mut running: BoxFuture<Counts> = Box::pin(settle(parts, commit));
        let running: BoxFuture<Counts> = match origin {
            None => running,
            Some(origin) => {
                Box::pin(poll_fn(move |cx| origin.within(|| running.as_mut().poll(cx))))
            }
        };
        Self { bus: Some(bus), running: Some(running) }
    }
}

impl Future for Settlement {
    type Output = Result<Outcome, PublishError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // `poll` after completion.
        let Some(running) = &mut self.running else { return Poll::Pending };
        let counts = ready!(running.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(counts.into_result())
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        if let (Some(bus), Some(running)) = (self.bus.take(), self.running.take()) {
            let in_flight = InFlight::new(bus.tasks());
            bus.tasks().hand_over(Box::pin(async move {
                drop(running.await);
                drop(in_flight);
            }));
        }
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settlement").field("done", &self.running.is_none()).finish()
    }
}

async fn settle(parts: Parts, commit: Option<BoxFuture<Result<(), BoxError>>>) -> Counts {
    let Parts { bus, begun_at, events } = parts;
    let _in_flight = InFlight::new(bus.tasks());
    let Events { waiting, overflowed } =
        events.into_inner().unwrap_or_else(PoisonError::into_inner);
    let meta = EventMeta {
        event_id: PublicationId::next(),
        published_at: begun_at,
        depth: 0,
        parent: None,
        journey: Journey::NONE,
    };
    let mut counts = Counts::new(meta, describe);
    let committed = match commit {
        None => false,
        Some(_) if overflowed => {
            counts.failures.push(Failure::of_transaction(&meta, TransactionFull));
            false
        }
        Some(commit) => {
            each(&bus, &waiting, Stage::BeforeCommit, &mut counts).await;
            if counts.failures.is_empty() {
                match commit.await {
                    Ok(()) => true,
                    Err(error) => {
                        counts.failures.push(Failure::of_transaction(&meta, error));
                        false
                    }
                }
            } else {
                false
            }
        }
    };
    let stage = if committed { Stage::Commit } else { Stage::Rollback };
    each(&bus, &waiting, stage, &mut counts).await;
    each(&bus, &waiting, Stage::Completion, &mut counts).await;
    counts
}

async fn each(bus: &Bus, waiting: &[Arc<dyn Waiting>], stage: Stage, counts: &mut Counts) {
    for event in waiting {
        counts.add(event.publish(bus, stage).await);
        if stage == Stage::BeforeCommit && !counts.failures.is_empty() {
            return;
        }
    }
}

fn describe() -> EventDescription {
    EventDescription {
        type_name: "transaction",
        name: None,
        version: None,
        broadcast: false,
        stored: false,
        optional: true,
    }
}

/// More than [`MAX_TRANSACTION_EVENTS`] events were published in one transaction. It was rolled back.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TransactionFull;

impl fmt::Display for TransactionFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MAX_TRANSACTION_EVENTS} events were published in it; commit in parts")
    }
}

impl Error for TransactionFull {}

debug_with_causes!(TransactionFull);
