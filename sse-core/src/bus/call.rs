//! What a listener may know of the publication it is called for.

use std::{
    cell::Cell,
    fmt,
    num::NonZeroU64,
    panic::Location,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    answer::{Answer, ListenerOutput},
    error::ListenerPanicked,
    listener::Profile,
};
use crate::context::ApplicationContext;

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
}

/// One call of a listener, lent to it.
#[derive(Debug)]
pub struct Call<'a> {
    pub(crate) context: &'a ApplicationContext,
    pub(crate) meta: &'a EventMeta,
    pub(crate) listener: &'a Arc<Profile>,
}

impl Call<'_> {
    /// Turns what the listener returned into what the bus goes on with: events are published,
    /// errors become failures.
    pub fn answer<R: ListenerOutput>(&self, output: R) -> Answer {
        output.answer(self)
    }

    pub(crate) fn to_owned(&self) -> OwnedCall {
        OwnedCall {
            context: self.context.clone(),
            meta: *self.meta,
            listener: Arc::clone(self.listener),
        }
    }
}

/// One call of an asynchronous listener.
#[derive(Debug)]
pub struct OwnedCall {
    context: ApplicationContext,
    meta: EventMeta,
    listener: Arc<Profile>,
}

impl OwnedCall {
    /// The same, lent.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        Call { context: &self.context, meta: &self.meta, listener: &self.listener }
    }

    /// See [`Call::answer`]. The bound is on what the listener returns, so that a wrong type is said once.
    pub fn answer<R: ListenerOutput>(&self, output: Result<R, ListenerPanicked>) -> Answer {
        output.answer(&self.call())
    }
}
