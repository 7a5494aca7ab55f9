//! `Failure`: a listener that failed; and the hooks that are told of it.

use std::{cell::Cell, error::Error, fmt, panic::Location, time::Duration};

use super::{
    event::{EventMeta, PublicationId},
    profile::Profile,
};
#[cfg(feature = "tracing")]
use crate::error_chain::ErrorChain;
use crate::{boxed::BoxError, error_chain::debug_with_causes, panics};

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

// These stand for a listener where no listener has failed. No path and no id of an attribute has a space.
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
    /// The line of the `?`, if the listener returns [`ListenerError`](crate::ListenerError); else where it is declared.
    pub failed_at: &'static Location<'static>,
    /// Where the event was published. For one that a listener returned: that listener's place.
    pub published_at: &'static Location<'static>,
    /// The publication, which is another one than the outcome's for an event that a listener returned.
    pub event_id: PublicationId,
    /// The listener's own error, which can be downcast to its type;
    /// [`ListenerPanicked`](crate::ListenerPanicked), [`ListenerTimedOut`](crate::ListenerTimedOut),
    /// [`RepublishedTooDeep`](crate::RepublishedTooDeep) or [`TooManyReturned`](crate::TooManyReturned) if it is the bus
    /// that says so.
    pub source: BoxError,
    /// What a durable listener says of another attempt.
    pub(crate) advice: Advice,
}

impl Failure {
    /// Makes a failure, logs it, and calls the hooks.
    #[cold]
    pub(crate) fn new(
        hooks: &FailureHooks,
        listener: &Profile,
        meta: &EventMeta,
        failed_at: Option<&'static Location<'static>>,
        source: impl Into<BoxError>,
    ) -> Self {
        let declared_at = listener.declared_at;
        Self {
            listener: listener.label(),
            declared_at,
            failed_at: failed_at.unwrap_or(declared_at),
            published_at: meta.published_at,
            event_id: meta.event_id,
            source: source.into(),
            advice: Advice::None,
        }
        .told(hooks)
    }

    /// A failure of no listener: an event cannot be delivered.
    pub(crate) fn of_bus(
        hooks: &FailureHooks,
        meta: &EventMeta,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::of_nobody(BUS, hooks, meta, source.into())
    }

    /// A failure of no listener: the commit failed. `meta` is the transaction's.
    pub(crate) fn of_transaction(
        hooks: &FailureHooks,
        meta: &EventMeta,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::of_nobody(TRANSACTION, hooks, meta, source.into())
    }

    #[cold]
    fn of_nobody(
        who: &'static str,
        hooks: &FailureHooks,
        meta: &EventMeta,
        source: BoxError,
    ) -> Self {
        let at = meta.published_at;
        Self {
            listener: who,
            declared_at: at,
            failed_at: at,
            published_at: at,
            event_id: meta.event_id,
            source,
            advice: Advice::None,
        }
        .told(hooks)
    }

    pub(crate) fn is_of_listener(&self) -> bool {
        self.listener != BUS && self.listener != TRANSACTION
    }

    pub(crate) fn is_of_transaction(&self) -> bool {
        self.listener == TRANSACTION
    }

    fn told(self, hooks: &FailureHooks) -> Self {
        self.log();
        hooks.tell(&self);
        self
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

debug_with_causes!(Failure);

pub(crate) type FailureHook = Box<dyn Fn(&Failure) + Send + Sync>;

/// The hooks that are called with each failure on one bus.
#[derive(Default)]
pub(crate) struct FailureHooks(Vec<FailureHook>);

thread_local! {
    /// Whether this thread is inside a hook.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

impl FailureHooks {
    pub(crate) const fn new(hooks: Vec<FailureHook>) -> Self {
        Self(hooks)
    }

    fn tell(&self, failure: &Failure) {
        // What a hook publishes may fail as well, and would call the hook again for ever.
        if self.0.is_empty() || TELLING.replace(true) {
            return;
        }
        for hook in &self.0 {
            panics::contain(|| hook(failure));
        }
        TELLING.set(false);
    }
}

impl fmt::Debug for FailureHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FailureHooks").field(&self.0.len()).finish()
    }
}
