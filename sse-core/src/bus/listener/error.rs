//! How a listener fails, and how a publication says so.

use std::{any::Any, error::Error, fmt, panic::Location, sync::Arc, time::Duration};

use crate::{
    boxed::BoxError,
    bus::{
        event::{EventMeta, PublicationId},
        profile::{Phase, Profile},
    },
    error_chain::{ErrorChain, debug_with_causes, panic_message},
};

/// The error of a listener that wants to say where it failed: `?` turns any error into one and keeps
/// its own place.
///
/// A listener may as well return its own error type; then the failure's place is the listener's.
/// Either way the failure's `source` is the typed error and can be downcast.
///
/// ```
/// # use sse_tower_core::ListenerError;
///
/// fn charge() -> Result<(), ListenerError> {
///     let _amount: u64 = "ten".parse()?; // this line is `failed_at`
///     Ok(())
/// }
/// assert!(charge().unwrap_err().source().is::<std::num::ParseIntError>());
/// ```
pub struct ListenerError {
    source: BoxError,
    failed_at: &'static Location<'static>,
    advice: Advice,
}

/// What a listener says of another attempt. Only a durable one has any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nothing: it is tried again by its backoff.
    #[default]
    None,
    /// It is to be tried again in this time.
    RetryAfter(Duration),
    /// It is not to be tried again.
    GiveUp,
}

/// A failure taken apart.
#[derive(Debug)]
pub struct ErrorParts {
    pub(crate) source: BoxError,
    pub(crate) failed_at: Option<&'static Location<'static>>,
    pub(crate) advice: Advice,
}

impl ListenerError {
    /// A durable listener is tried again after this time, and not by its backoff. It counts as a failure all the same.
    ///
    /// ```
    /// # use {sse_tower_core::ListenerError, std::time::Duration};
    /// fn charge(busy: bool) -> Result<(), ListenerError> {
    ///     if busy {
    ///         return Err(ListenerError::retry_after(Duration::from_secs(300)).because("provider asked for patience"));
    ///     }
    ///     Ok(())
    /// }
    /// # assert!(charge(true).is_err());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn retry_after(after: Duration) -> Self {
        let source = format!("asked to be tried again after {after:?}").into();
        Self { source, failed_at: Location::caller(), advice: Advice::RetryAfter(after) }
    }

    /// A durable listener is not tried again: the event is a dead letter at once.
    ///
    /// ```
    /// # use sse_tower_core::ListenerError;
    /// fn charge(card: &str) -> Result<(), ListenerError> {
    ///     if card.is_empty() {
    ///         return Err(ListenerError::give_up().because("no card, now or ever"));
    ///     }
    ///     Ok(())
    /// }
    /// # assert!(charge("").is_err());
    /// ```
    #[must_use]
    #[track_caller]
    pub fn give_up() -> Self {
        let source = "gave up".into();
        Self { source, failed_at: Location::caller(), advice: Advice::GiveUp }
    }

    /// The same, with what went wrong as its [`source`](Self::source).
    #[must_use]
    pub fn because(mut self, error: impl Into<BoxError>) -> Self {
        self.source = error.into();
        self
    }

    /// Where the error came up.
    #[must_use]
    pub fn failed_at(&self) -> &'static Location<'static> {
        self.failed_at
    }

    /// The error itself.
    #[must_use]
    pub fn source(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }

    pub(crate) fn take(self) -> ErrorParts {
        let Self { source, failed_at, advice } = self;
        ErrorParts { source, failed_at: Some(failed_at), advice }
    }
}

// No `impl Error`: that is what lets every error become one.
impl<E: Into<BoxError>> From<E> for ListenerError {
    #[track_caller]
    fn from(error: E) -> Self {
        Self { source: error.into(), failed_at: Location::caller(), advice: Advice::None }
    }
}

impl fmt::Debug for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", ErrorChain(&*self.source), self.failed_at)
    }
}

impl fmt::Display for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.source, self.failed_at)
    }
}

// Stand for the listener where none has failed. No path and no id of an attribute has a space.
const BUS: &str = "the bus";
const TRANSACTION: &str = "the transaction";

/// One listener that failed.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parse = Listener::on(|_: &Paid| "ten".parse::<u64>().map(drop)).id("parse");
/// let context = ApplicationContext::bare().listener(parse).build()?;
/// let failed = context.publish_event(Paid).await.unwrap_err();
/// let failure = &failed.failures()[0];
/// assert_eq!(failure.listener, "parse");
/// assert!(failure.source.is::<std::num::ParseIntError>());
/// println!("{failure}"); // with the place of the listener, and where it was published
/// # Ok(()) }
/// ```
#[non_exhaustive]
pub struct Failure {
    /// The listener's id; unless it was given one, its path. `the bus` or `the transaction` where no
    /// listener is to blame.
    pub listener: &'static str,
    /// Where the listener is written.
    pub declared_at: &'static Location<'static>,
    /// The line of the `?`, if the listener returns [`ListenerError`]; else where it is declared.
    pub failed_at: &'static Location<'static>,
    /// Where the event was published. For one that a listener returned: that listener's place.
    pub published_at: &'static Location<'static>,
    /// The publication, which is another one than the outcome's for an event that a listener returned.
    pub event_id: PublicationId,
    /// The listener's own error, which can be downcast to its type; [`ListenerPanicked`],
    /// [`ListenerTimedOut`], [`TransactionNeeded`] or [`RepublishedTooDeep`] if it is the bus that says so.
    pub source: BoxError,
    /// What a durable listener says of another attempt.
    pub(crate) advice: Advice,
}

impl Failure {
    #[cold]
    pub(crate) fn new(
        listener: &Profile,
        meta: &EventMeta,
        failed_at: Option<&'static Location<'static>>,
        source: impl Into<BoxError>,
    ) -> Self {
        let failure = Self {
            listener: listener.label(),
            declared_at: listener.declared_at,
            failed_at: failed_at.unwrap_or(listener.declared_at),
            published_at: meta.published_at,
            event_id: meta.event_id,
            source: source.into(),
            advice: Advice::None,
        };
        failure.log();
        failure
    }

    /// One that is no listener's: an event cannot be delivered.
    pub(crate) fn of_bus(meta: &EventMeta, source: impl Into<BoxError>) -> Self {
        Self::of_nobody(BUS, meta, source.into())
    }

    /// One that is no listener's: the commit failed. `meta` is the transaction's.
    pub(crate) fn of_transaction(meta: &EventMeta, source: impl Into<BoxError>) -> Self {
        Self::of_nobody(TRANSACTION, meta, source.into())
    }

    #[cold]
    fn of_nobody(who: &'static str, meta: &EventMeta, source: BoxError) -> Self {
        let failure = Self {
            listener: who,
            declared_at: meta.published_at,
            failed_at: meta.published_at,
            published_at: meta.published_at,
            event_id: meta.event_id,
            source,
            advice: Advice::None,
        };
        failure.log();
        failure
    }

    pub(crate) fn is_of_listener(&self) -> bool {
        self.listener != BUS && self.listener != TRANSACTION
    }

    fn log(&self) {
        #[cfg(feature = "tracing")]
        tracing::error!(
            target: "sse_tower",
            listener = self.listener,
            declared_at = %self.declared_at,
            failed_at = %self.failed_at,
            published_at = %self.published_at,
            publication = self.event_id.get(),
            error = %ErrorChain(&*self.source),
            "event listener failed"
        );
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, declared_at, failed_at, published_at, .. } = self;
        match *listener {
            BUS => {
                return write!(f, "event published at {published_at} did not reach all listeners");
            }
            TRANSACTION => return write!(f, "transaction begun at {published_at} was rolled back"),
            _ => {}
        }
        write!(f, "listener `{listener}` declared at {declared_at} failed")?;
        if failed_at != declared_at {
            write!(f, " at {failed_at}")?;
        }
        write!(f, ", for an event published at {published_at}")
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A listener panicked. The others ran; the panic's message is in the text.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, ListenerPanicked};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
/// let context = ApplicationContext::bare().build()?;
/// context.on(|_: &Paid| -> () { panic!("no such order") }).forever();
/// let failed = context.publish_event(Paid).await.unwrap_err();
/// let panicked = failed.failures()[0].source.downcast_ref::<ListenerPanicked>();
/// assert_eq!(panicked.map(|panicked| panicked.message.as_str()), Some("no such order"));
/// # Ok(()) }
/// ```
#[derive(Clone, thiserror::Error)]
#[error("listener panicked: {message}")]
#[non_exhaustive]
pub struct ListenerPanicked {
    /// What the panic said.
    pub message: String,
}

impl ListenerPanicked {
    #[cold]
    pub(crate) fn new(panic: &(dyn Any + Send)) -> Self {
        Self { message: panic_message(panic) }
    }
}

/// An asynchronous listener took longer than its timeout and was stopped where it stood.
#[derive(Clone, thiserror::Error)]
#[error(
    "listener was stopped at its timeout of {timeout:?}; raise `timeout`, or do the long part in a task"
)]
#[non_exhaustive]
pub struct ListenerTimedOut {
    /// The timeout that it was declared with.
    pub timeout: Duration,
}

/// A listener that belongs to a transaction heard an event that was published outside of one.
#[derive(Clone, thiserror::Error)]
#[error(
    "listener runs in phase `{phase}` of a transaction, but the event was published outside of one; \
     publish it through `context.transaction()`, or declare the listener with `fallback`"
)]
#[non_exhaustive]
pub struct TransactionNeeded {
    /// The phase that the listener was declared with.
    pub phase: Phase,
}

/// Listeners published events whose listeners published events, until
/// [`MAX_PUBLICATION_DEPTH`](crate::MAX_PUBLICATION_DEPTH) was reached. The event was not delivered.
#[derive(Clone, thiserror::Error)]
#[error(
    "events publish one another without end: {cycle}; let one of their listeners stop publishing the next"
)]
#[non_exhaustive]
pub struct RepublishedTooDeep {
    /// The events that follow one another, such as `Paid → Shipped → Paid`.
    pub cycle: Arc<str>,
}

/// The runtime that ran the listeners was shut down before they were done.
#[derive(Clone, thiserror::Error)]
#[error(
    "runtime was shut down before all listeners had run; await `context.settled()` before it is"
)]
pub(crate) struct RuntimeGone;

debug_with_causes!(
    Failure,
    ListenerPanicked,
    ListenerTimedOut,
    TransactionNeeded,
    RepublishedTooDeep,
    RuntimeGone,
);
