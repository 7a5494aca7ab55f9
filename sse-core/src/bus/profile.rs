//! Who a listener is: its name, its place, and what it was declared with. Plain data.

use std::{fmt, panic::Location, time::Duration};

use super::{event::EventKey, scheduled::Timetable};
use crate::component::ComponentRef;

/// When a listener of a transaction's events runs. See [`Transaction`](crate::Transaction).
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, Phase};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let check = Listener::on(|_: &Paid| Err::<(), _>("not enough in stock")).phase(Phase::BeforeCommit);
/// let sorry = Listener::on(|_: &Paid| println!("sorry")).phase(Phase::AfterRollback);
/// let context = ApplicationContext::bare().listener(check).listener(sorry).build()?;
///
/// let transaction = context.transaction();
/// transaction.publish_event(Paid);
/// assert!(transaction.commit().await.is_err()); // and it is rolled back
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Before the commit; its failure turns the commit into a rollback.
    BeforeCommit,
    /// After the commit.
    AfterCommit,
    /// After a rollback, asked for or by dropping the transaction.
    AfterRollback,
    /// After either.
    AfterCompletion,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::AfterRollback => "after-rollback",
            Self::AfterCompletion => "after-completion",
        })
    }
}

/// All of a listener that does not depend on types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    pub(crate) id: Option<&'static str>,
    pub(crate) declared_at: &'static Location<'static>,
    pub(crate) event: EventKey,
    pub(crate) owner: Option<ComponentRef>,
    pub(crate) order: i32,
    pub(crate) before: &'static [&'static str],
    pub(crate) after: &'static [&'static str],
    pub(crate) timeout: Option<Duration>,
    pub(crate) spawn: bool,
    pub(crate) phase: Option<Phase>,
    pub(crate) fallback: bool,
    /// When it runs, for a scheduled function.
    pub(crate) timetable: Option<Timetable>,
    pub(crate) durable: Option<DurableOptions>,
}

/// What a durable listener is declared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurableOptions {
    /// How often it is tried in all.
    pub(crate) attempts: u32,
    /// Before the second attempt; each later pause is twice as long.
    pub(crate) backoff: Duration,
    /// How many run at a time in this process.
    pub(crate) concurrency: u32,
    /// One at a time over all processes, in order.
    pub(crate) ordered: bool,
    /// A new listener begins with what the store has kept, and not with what is published from now on.
    pub(crate) earliest: bool,
    /// A dead letter pauses it on every process.
    pub(crate) stop: bool,
}

impl DurableOptions {
    pub(crate) const DEFAULT: Self = Self {
        attempts: DEFAULT_ATTEMPTS,
        backoff: DEFAULT_BACKOFF,
        concurrency: DEFAULT_CONCURRENCY,
        ordered: false,
        earliest: false,
        stop: false,
    };
}

/// How often a durable listener is tried unless it says so: 20 times, which takes about 14 hours.
pub const DEFAULT_ATTEMPTS: u32 = 20;

/// How long a durable listener waits before its second attempt unless it says so: 1 s.
pub const DEFAULT_BACKOFF: Duration = Duration::from_secs(1);

/// How many events one durable listener handles at a time in one process unless it says so: 16.
pub const DEFAULT_CONCURRENCY: u32 = 16;

/// How long one attempt of an asynchronous durable listener may take unless it says so: 30 s.
pub const DEFAULT_DURABLE_TIMEOUT: Duration = Duration::from_secs(30);

impl Profile {
    /// A listener with nothing but its name, its place and what it hears.
    pub(crate) const fn new(
        name: &'static str,
        module: &'static str,
        declared_at: &'static Location<'static>,
        event: EventKey,
    ) -> Self {
        Self {
            name,
            module,
            id: None,
            declared_at,
            event,
            owner: None,
            order: 0,
            before: &[],
            after: &[],
            timeout: None,
            spawn: false,
            phase: None,
            fallback: false,
            timetable: None,
            durable: None,
        }
    }

    /// Its id, else its path.
    pub(crate) fn label(&self) -> &'static str {
        self.id.unwrap_or(self.name)
    }

    /// Whether `target`, an id or the end of a path, means this listener.
    pub(crate) fn is_called(&self, target: &str) -> bool {
        self.id == Some(target)
            || self.name == target
            || self.name.strip_suffix(target).is_some_and(|path| path.ends_with("::"))
    }
}

#[cfg(test)]
impl Profile {
    /// A listener of which nothing is said but its name, in a module of the same name.
    #[track_caller]
    pub(crate) fn test(name: &'static str, event: EventKey) -> Self {
        Self::new(name, name, Location::caller(), event)
    }
}
