//! `Outcome` and `PublishError`: the result of a publication.

use std::{error::Error, fmt, panic::Location};

use crate::{
    boxed::BoxFuture,
    bus::{
        event::{EventMeta, PublicationId},
        failure::Failure,
        listener::{Answer, More, Returned},
        scope::Link,
    },
};

/// Counts of one publication while it goes on.
pub(crate) struct Counts {
    pub(crate) meta: EventMeta,
    pub(crate) event: Link,
    pub(crate) ran: u32,
    pub(crate) skipped: u32,
    pub(crate) spawned: u32,
    pub(crate) not_run: u32,
    pub(crate) failures: Vec<Failure>,
    /// Events that its listeners returned, and that are still to be published.
    pub(crate) returned: Vec<Returned>,
}

impl Counts {
    #[inline]
    pub(crate) fn new(meta: EventMeta, event: Link) -> Self {
        Self {
            meta,
            event,
            ran: 0,
            skipped: 0,
            spawned: 0,
            not_run: 0,
            failures: Vec::new(),
            returned: Vec::new(),
        }
    }

    /// Adds the result of another publication that belongs to the same transaction.
    pub(crate) fn add(&mut self, other: Self) {
        self.ran += other.ran;
        self.skipped += other.skipped;
        self.spawned += other.spawned;
        self.not_run += other.not_run;
        self.failures.extend(other.failures);
        self.returned.extend(other.returned);
    }

    /// Adds what a listener answered. What has to be waited for comes back.
    pub(crate) fn settle(&mut self, answer: Answer) -> Vec<BoxFuture<Vec<Failure>>> {
        match answer.into_more() {
            None => {
                self.ran += 1;
                Vec::new()
            }
            Some(more) => self.settle_more(*more),
        }
    }

    /// [`settle`](Self::settle), for an answer that has more to say than that the listener ran.
    pub(crate) fn settle_more(&mut self, more: More) -> Vec<BoxFuture<Vec<Failure>>> {
        self.ran += u32::from(!more.failed);
        self.failures.extend(more.failures);
        self.returned.extend(more.returned);
        more.pending
    }

    /// The part that concerns the publication that it belongs to.
    pub(crate) fn into_more(self) -> More {
        More { failures: self.failures, returned: self.returned, ..More::default() }
    }

    pub(crate) fn into_result(self) -> Result<Outcome, PublishError> {
        if self.failures.is_empty() {
            Ok(Outcome { counts: self })
        } else {
            Err(PublishError { counts: Box::new(self) })
        }
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("meta", &self.meta)
            .field("ran", &self.ran)
            .field("skipped", &self.skipped)
            .field("spawned", &self.spawned)
            .field("not_run", &self.not_run)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

macro_rules! accessors {
    () => {
        /// The publication.
        #[must_use]
        pub fn id(&self) -> PublicationId {
            self.counts.meta.event_id
        }

        /// How many listeners of the event ran to their end and did not fail.
        #[must_use]
        pub fn ran(&self) -> usize {
            self.counts.ran as usize
        }

        /// How many listeners were passed over: their condition did not hold, or they are of a phase and there is no
        /// transaction.
        #[must_use]
        pub fn skipped(&self) -> usize {
            self.counts.skipped as usize
        }

        /// How many listeners were started in tasks of their own. Nothing more is known of them here.
        #[must_use]
        pub fn spawned(&self) -> usize {
            self.counts.spawned as usize
        }

        /// How many listeners were not reached, because an earlier one failed and
        /// [`first_error`](crate::Publication::first_error) was asked for.
        #[must_use]
        pub fn not_run(&self) -> usize {
            self.counts.not_run as usize
        }

        /// Each listener that failed, in the order of failing: of this event, and of the events that
        /// its listeners returned.
        #[must_use]
        pub fn failures(&self) -> &[Failure] {
            &self.counts.failures
        }

        /// Where the event was published.
        #[must_use]
        pub fn published_at(&self) -> &'static Location<'static> {
            self.counts.meta.published_at
        }
    };
}

/// No listener failed.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let context = ApplicationContext::bare().build()?;
/// let outcome = context.publish_event(Paid).await?;
/// println!("{} listeners ran, {} had no wish to", outcome.ran(), outcome.skipped());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Outcome {
    counts: Counts,
}

impl Outcome {
    accessors!();
}

/// At least one listener failed. The others ran, unless
/// [`first_error`](crate::Publication::first_error) was asked for.
///
/// Its `source()` is the first [`Failure`], and that one's is the listener's own error. `Debug` lists
/// every failure with its cause, since that is what a `main` that returns it shows.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
/// let context = ApplicationContext::bare().build()?;
/// context.on(|_: &Paid| Err::<(), _>("out of paper")).forever();
/// if let Err(failed) = context.publish_event(Paid).await {
///     for failure in failed.failures() {
///         eprintln!("{} failed: {}", failure.listener, failure.source);
///     }
/// }
/// # Ok(()) }
/// ```
pub struct PublishError {
    counts: Box<Counts>,
}

impl PublishError {
    accessors!();

    /// The failures by value.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// # let context = ApplicationContext::bare().build()?;
    /// context.on(|_: &Paid| "ten".parse::<u64>().map(drop)).forever();
    /// let failed = context.publish_event(Paid).await.unwrap_err();
    /// for failure in failed.into_failures() {
    ///     assert!(failure.source.downcast::<std::num::ParseIntError>().is_ok());
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure> {
        self.counts.failures
    }
}

impl fmt::Debug for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        for failure in &self.counts.failures {
            write!(f, "\n  - {failure:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = (self.counts.event)().label();
        let published_at = self.counts.meta.published_at;
        match self.failures().iter().filter(|it| it.is_of_listener()).count() {
            0 => write!(f, "`{event}`, published at {published_at}, was not delivered"),
            1 => write!(f, "1 listener failed for `{event}`, published at {published_at}"),
            n => write!(f, "{n} listeners failed for `{event}`, published at {published_at}"),
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.counts.failures.first().map(|failure| failure as _)
    }
}
