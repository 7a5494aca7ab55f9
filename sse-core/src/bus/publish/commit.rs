//! `Commit` and `Settlement`: how a transaction ends.

use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    open::{Open, Waiting},
    outcome::{Counts, Outcome, PublishError},
    returned::deliver_all,
    run::Stage,
};
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::{
        event::{EventDescription, EventMeta, Journey, PublicationId},
        failure::Failure,
        listener::JoinedTransaction,
        scope::Origin,
        state::Bus,
        tasks::InFlight,
    },
    error_chain::ErrorChain,
    observe::Span,
};

/// A commit under way: a future of whether the commit stands and of the outcome of its events.
///
/// Nothing has run before it is polled or dropped; dropped, it runs in a task, in the span of whoever began it.
#[must_use = "await it for the outcome; dropped, it runs in a task of its own"]
pub struct Commit(Ending);

/// A rollback under way: a future of the outcome of the listeners that are told of it.
///
/// Nothing has run before it is polled or dropped; dropped, it runs in a task, in the span of whoever began it.
#[must_use = "await it for the outcome; dropped, it runs in a task of its own"]
pub struct Settlement(Ending);

/// What [`Transaction::commit`](crate::Transaction::commit) fails with: whether the commit stands is the first thing that
/// it says.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, CommitError};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # async fn store() -> Result<(), std::io::Error> { Ok(()) }
/// # async fn pay(context: &ApplicationContext) -> u16 {
/// let transaction = context.transaction();
/// transaction.publish_event(Paid);
/// match transaction.commit_with(store()).await {
///     Ok(_) => 201,
///     Err(CommitError::RolledBack { .. }) => 409, // nothing is stored, nobody has heard of it
///     Err(CommitError::Committed { .. }) => 201,  // it is stored; the mail, say, did not go out
/// }
/// # }
/// ```
pub enum CommitError {
    /// It was rolled back: nothing was delivered.
    #[non_exhaustive]
    RolledBack {
        /// Why: a listener before the commit that failed, or the commit itself, whose error is the `source`.
        cause: Box<Failure>,
        /// What failed beside: other listeners before the commit, and listeners of the rollback.
        failures: Vec<Failure>,
        /// Where the transaction was begun.
        begun_at: &'static Location<'static>,
    },
    /// It stands, and was delivered; listeners failed after that.
    #[non_exhaustive]
    Committed {
        /// Who failed, and how many did not.
        outcome: PublishError,
    },
}

impl CommitError {
    /// Whether the commit stands.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        matches!(self, Self::Committed { .. })
    }

    /// Everything that failed, the cause of a rollback first.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        let (cause, rest) = match self {
            Self::RolledBack { cause, failures, .. } => (Some(&**cause), failures.as_slice()),
            Self::Committed { outcome } => (None, outcome.failures()),
        };
        cause.into_iter().chain(rest)
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { begun_at, .. } => {
                write!(f, "transaction begun at {begun_at} was rolled back")
            }
            Self::Committed { outcome } => {
                let (at, count) = (outcome.published_at(), outcome.failures().len());
                let s = if count == 1 { "" } else { "s" };
                write!(
                    f,
                    "transaction begun at {at} was committed, and {count} listener{s} failed after that"
                )
            }
        }
    }
}

impl fmt::Debug for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { failures, .. } => {
                fmt::Display::fmt(&ErrorChain(self), f)?;
                failures.iter().try_for_each(|failure| write!(f, "\n  - {failure:?}"))
            }
            Self::Committed { outcome } => {
                fmt::Display::fmt(self, f)?;
                outcome.failures().iter().try_for_each(|failure| write!(f, "\n  - {failure:?}"))
            }
        }
    }
}

impl Error for CommitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Of the transaction itself it says the same as this.
            Self::RolledBack { cause, .. } if cause.is_of_transaction() => Some(&*cause.source),
            Self::RolledBack { cause, .. } => Some(&**cause),
            Self::Committed { outcome } => outcome.source(),
        }
    }
}

/// The result of the end of a transaction.
struct Ended {
    counts: Counts,
    committed: bool,
}

/// The end of a transaction: commit or rollback.
struct Ending {
    bus: Option<Bus>,
    running: Option<BoxFuture<Ended>>,
}

pub(super) type Committing = BoxFuture<Result<(), BoxError>>;

impl Commit {
    pub(super) fn new(open: Option<Arc<Open>>, commit: Committing) -> Self {
        Self(Ending::new(open, |open| settle(open, Some(commit))))
    }

    /// For a handle that is part of a transaction: whoever began the whole commits it or rolls it back.
    pub(super) fn of_part(
        open: Option<Arc<Open>>,
        commit: Committing,
        at: &'static Location<'static>,
    ) -> Self {
        Self(Ending::new(open, move |open| async move {
            let (meta, mut counts) = begin(&open);
            let committed = match commit.await {
                Ok(()) => true,
                Err(error) => {
                    open.roll_back(at);
                    let hooks = open.bus.failures();
                    counts.failures.push(Failure::of_transaction(hooks, &meta, error));
                    false
                }
            };
            Ended { counts, committed }
        }))
    }
}

impl Settlement {
    pub(super) fn new(open: Option<Arc<Open>>) -> Self {
        Self(Ending::new(open, |open| settle(open, None)))
    }

    /// For a part: whoever began the whole rolls it back.
    pub(super) fn of_part(open: Arc<Open>) -> Self {
        let ended = Ended { counts: begin(&open).1, committed: false };
        Self(Ending::new(Some(open), |_| std::future::ready(ended)))
    }
}

impl Ending {
    fn new<F>(open: Option<Arc<Open>>, run: impl FnOnce(Arc<Open>) -> F) -> Self
    where
        F: Future<Output = Ended> + Send + 'static,
    {
        let Some(open) = open else { return Self { bus: None, running: None } };
        let bus = open.bus.clone();
        // A transaction inside a listener is as deep as the listener.
        let (origin, span) = (Origin::outer(), Span::current());
        let mut running = Box::pin(run(open));
        let running = Box::pin(poll_fn(move |cx| {
            let mut poll = || running.as_mut().poll(cx);
            span.run(|| match &origin {
                None => poll(),
                Some(origin) => origin.within(poll),
            })
        }));
        Self { bus: Some(bus), running: Some(running) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        // `poll` after completion.
        let Some(running) = &mut self.running else { return Poll::Pending };
        let ended = ready!(running.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(ended)
    }
}

impl Drop for Ending {
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

impl Future for Commit {
    type Output = Result<Outcome, CommitError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Ended { mut counts, committed } = ready!(self.0.poll(cx));
        if committed {
            return Poll::Ready(
                counts.into_result().map_err(|outcome| CommitError::Committed { outcome }),
            );
        }
        let begun_at = counts.meta.published_at;
        let mut failures = std::mem::take(&mut counts.failures).into_iter();
        Poll::Ready(match failures.next() {
            Some(cause) => {
                let (cause, failures) = (Box::new(cause), failures.collect());
                Err(CommitError::RolledBack { cause, failures, begun_at })
            }
            // Only a failure rolls back.
            None => counts.into_result().map_err(|outcome| CommitError::Committed { outcome }),
        })
    }
}

impl Future for Settlement {
    type Output = Result<Outcome, PublishError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|ended| ended.counts.into_result())
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("done", &self.0.running.is_none()).finish()
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settlement").field("done", &self.0.running.is_none()).finish()
    }
}

fn begin(open: &Open) -> (EventMeta, Counts) {
    let meta = EventMeta {
        event_id: PublicationId::next(),
        published_at: open.begun_at,
        depth: 0,
        parent: None,
        journey: Journey::NONE,
    };
    (meta, Counts::new(meta, describe))
}

async fn settle(open: Arc<Open>, commit: Option<Committing>) -> Ended {
    let _in_flight = InFlight::new(open.bus.tasks());
    let (meta, mut counts) = begin(&open);
    if commit.is_some() {
        before_commit(&open, &meta, &mut counts).await;
    }
    // What comes later has missed its listeners before the commit.
    let waiting = open.close();
    let committed = match commit {
        Some(commit) if counts.failures.is_empty() => match commit.await {
            Ok(()) => true,
            Err(error) => {
                let hooks = open.bus.failures();
                counts.failures.push(Failure::of_transaction(hooks, &meta, error));
                false
            }
        },
        _ => false,
    };
    let stage = if committed { Stage::Commit } else { Stage::Rollback };
    each(&open.bus, &meta, &waiting, &stage, &mut counts).await;
    each(&open.bus, &meta, &waiting, &Stage::Completion, &mut counts).await;
    Ended { counts, committed }
}

/// Up to the first failure, which rolls back. Events that these listeners add are heard by them as well.
async fn before_commit(open: &Arc<Open>, meta: &EventMeta, counts: &mut Counts) {
    let mut place = 0;
    loop {
        if let Some(error) = open.refusal() {
            let hooks = open.bus.failures();
            counts.failures.push(Failure::of_transaction(hooks, meta, error));
        }
        if !counts.failures.is_empty() {
            return;
        }
        let Some(event) = open.at(place) else { return };
        place += 1;
        let joined: JoinedTransaction = Arc::clone(open) as JoinedTransaction;
        counts.add(event.publish(&open.bus, Stage::BeforeCommit(joined)).await);
    }
}

/// All events, and then what their listeners returned.
async fn each(
    bus: &Bus,
    meta: &EventMeta,
    waiting: &[Arc<dyn Waiting>],
    stage: &Stage,
    counts: &mut Counts,
) {
    for event in waiting {
        counts.add(event.publish(bus, stage.clone()).await);
    }
    let returned = std::mem::take(&mut counts.returned);
    counts.failures.extend(deliver_all(bus, meta, returned).await);
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
