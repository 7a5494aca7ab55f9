//! What is known of one event that was published.

use std::{
    cell::Cell,
    fmt,
    num::NonZeroU64,
    panic::Location,
    sync::atomic::{AtomicU64, Ordering},
};

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
