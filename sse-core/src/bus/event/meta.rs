//! What is known of one event that was published.

use std::{
    cell::Cell,
    fmt,
    num::NonZeroU64,
    panic::Location,
    sync::atomic::{AtomicU64, Ordering},
};

use super::uid::EventUid;
use crate::sync::plain::{Mutex, lock};

/// Names one publication within this process.
///
/// Numbers rise on each thread, not across threads. They are not kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationId(NonZeroU64);

thread_local! {
    /// The last number that this thread has given; a block's last, as long as it has given none.
    static LAST: Cell<u64> = const { Cell::new(BLOCK - 1) };
}

/// Each thread takes numbers in blocks, so that a publication costs no shared counter. A multiple of
/// this is given to none.
const BLOCK: u64 = 1 << 20;

impl PublicationId {
    #[inline]
    pub(crate) fn next() -> Self {
        LAST.with(|last| {
            let mut id = last.get().wrapping_add(1);
            if id.is_multiple_of(BLOCK) {
                id = first_of_block();
            }
            last.set(id);
            Self(NonZeroU64::new(id).unwrap_or(NonZeroU64::MIN))
        })
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

#[cold]
fn first_of_block() -> u64 {
    static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);
    NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed) | 1
}

impl fmt::Display for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What is known of an event beside the event itself. A listener may take it as a parameter.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent, EventMeta, Listener};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (tell, told) = std::sync::mpsc::channel();
/// let trace = Listener::on_with_meta(move |_: &Paid, meta: EventMeta| tell.send(meta.event_id));
/// let context = ApplicationContext::bare().listener(trace).build()?;
/// let outcome = context.publish_event(Paid).await?;
/// assert_eq!(told.recv(), Ok(outcome.id()));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EventMeta {
    /// The publication that this call belongs to; [`Outcome::id`](crate::Outcome::id) is the same.
    pub event_id: PublicationId,
    /// Where the program published it; for an event that a listener returned, that listener's place.
    pub published_at: &'static Location<'static>,
    /// How many publications this one is nested in: 0 unless a listener published it.
    pub depth: u32,
    /// The publication whose listener published this one.
    pub parent: Option<PublicationId>,
    pub(crate) journey: Journey,
}

/// Where an event was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventOrigin {
    /// In this process, in this life of it.
    Here,
    /// On another node, or here before a restart.
    Elsewhere,
}

/// How an event came to the listener that hears it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journey {
    /// 0 for an event that never left its process.
    pub(crate) id: u128,
    /// How often it was tried before.
    pub(crate) tried: u32,
    pub(crate) elsewhere: bool,
    /// The durable listener that it is for.
    pub(crate) durable: Option<&'static Durable>,
}

/// A durable listener, as the store knows it. Never freed, and never twice: a program has as many as it declares.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Durable {
    pub(crate) listener: &'static str,
    pub(crate) namespace: Box<str>,
}

impl Durable {
    pub(crate) fn known(listener: &'static str, namespace: &str) -> &'static Self {
        static KNOWN: Mutex<Vec<&'static Durable>> = Mutex::new(Vec::new());
        let mut known = lock(&KNOWN);
        let found = known.iter().find(|it| it.listener == listener && *it.namespace == *namespace);
        if let Some(found) = found {
            return found;
        }
        let new = Box::leak(Box::new(Self { listener, namespace: namespace.into() }));
        known.push(new);
        new
    }
}

impl Journey {
    /// The event was published in this process.
    pub(crate) const NONE: Self = Self { id: 0, tried: 0, elsewhere: false, durable: None };
}

impl EventMeta {
    /// The event's own id: the same on every attempt and on every node, so an idempotency key. (The field of this name
    /// counts publications within the process.)
    #[must_use]
    pub fn event_id(&self) -> EventUid {
        match self.journey.id {
            0 => EventUid::of_publication(self.event_id.get()),
            id => EventUid::new(id),
        }
    }

    /// Which attempt of a durable listener this is, from 1: failures and losses before it, and itself. Always 1 for others.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.journey.tried.saturating_add(1)
    }

    /// Where it was published: here, or elsewhere.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, EventMeta, EventOrigin, Listener};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let here = Listener::on_with_meta(|_: &Paid, meta: EventMeta| {
    ///     assert_eq!((meta.origin(), meta.attempt()), (EventOrigin::Here, 1));
    /// });
    /// let context = ApplicationContext::bare().listener(here).build()?;
    /// context.publish_event(Paid).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn origin(&self) -> EventOrigin {
        if self.journey.elsewhere { EventOrigin::Elsewhere } else { EventOrigin::Here }
    }
}
