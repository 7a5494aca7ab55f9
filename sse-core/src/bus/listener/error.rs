//! How a listener fails.

use std::{any::Any, error::Error, fmt, panic::Location, sync::Arc, time::Duration};

use crate::{
    boxed::BoxError,
    bus::failure::Advice,
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

    /// Adds what went wrong, as its [`source`](Self::source).
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

/// Listeners returned more events than may wait in one publication:
/// [`MAX_RETURNED_EVENTS`](crate::MAX_RETURNED_EVENTS). Those that were too many were not published.
#[derive(Clone, thiserror::Error)]
#[error("listeners returned more than {limit} events that wait; publish them in parts")]
#[non_exhaustive]
pub struct TooManyReturned {
    /// How many may wait.
    pub limit: usize,
}

debug_with_causes!(
    ListenerPanicked,
    ListenerTimedOut,
    RepublishedTooDeep,
    TooManyReturned,
    RuntimeGone,
);
