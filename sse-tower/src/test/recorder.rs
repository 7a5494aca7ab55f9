//! `Recorder`: what is published in one context.

use std::{any::Any, fmt, sync::Arc};

use parking_lot::Mutex;
use sse_tower_core::{
    __private::{Tap, tap},
    ApplicationContext, ApplicationEvent, EventMeta, PublicationId,
};

/// How many events a [`Recorder`] keeps: 16 384. Those after them are counted, and asking for
/// events then panics, since the answer would be wrong.
pub const MAX_RECORDED_EVENTS: usize = 16_384;

/// Keeps every event that is published in one context, from [`new`](Self::new) until it is dropped:
/// whoever publishes it, on whatever thread, also as a listener's answer, and also if nobody hears
/// it. An event of a transaction is published at the commit.
///
/// Other contexts of the process are not seen, so tests that run side by side do not see each
/// other.
///
/// ```
/// # use sse_tower::{ApplicationContext, ApplicationEvent, test::Recorder};
/// #[derive(ApplicationEvent)]
/// struct Paid { order: u64 }
/// #[derive(ApplicationEvent)]
/// struct Shipped { order: u64 }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().build()?;
/// context.on(|paid: &Paid| Shipped { order: paid.order }).forever();
///
/// let recorder = Recorder::new(&context);
/// context.publish_event(Paid { order: 7 }).await?;
/// context.settled().await;
/// assert_eq!(recorder.names(), ["Paid", "Shipped"]);
/// assert_eq!(recorder.of::<Shipped>()[0].order, 7);
/// # Ok(()) }
/// ```
#[must_use = "it records until it is dropped"]
pub struct Recorder {
    record: Arc<Mutex<Record>>,
    _tap: Tap,
}

#[derive(Default)]
struct Record {
    events: Vec<Recorded>,
    /// How many events were too many.
    more: usize,
}

/// One published event, without its type.
#[derive(Clone)]
pub(super) struct Recorded {
    event: Arc<dyn Any + Send + Sync>,
    name: String,
    meta: EventMeta,
}

impl Recorder {
    /// Records what is published in `context` from now on.
    pub fn new(context: &ApplicationContext) -> Self {
        let record = Arc::new(Mutex::new(Record::default()));
        let kept = record.clone();
        let tap = tap(context, move |tapped| {
            let (event, name, meta) = (tapped.event, tapped.name, tapped.meta);
            let mut record = kept.lock();
            if record.events.len() < MAX_RECORDED_EVENTS {
                record.events.push(Recorded { event, name, meta });
            } else {
                record.more += 1;
                // The last use of the event may be here, and its destructor is the program's.
                drop(record);
                drop(event);
            }
        });
        Self { record, _tap: tap }
    }

    /// The events of type `E` so far, in the order in which they were published.
    ///
    /// # Panics
    /// If more than [`MAX_RECORDED_EVENTS`] were published.
    #[must_use]
    #[track_caller]
    pub fn of<E: ApplicationEvent>(&self) -> Vec<Arc<E>> {
        self.all().into_iter().filter_map(|it| it.event.downcast().ok()).collect()
    }

    /// The names of all events so far, in the order in which they were published: those given with
    /// `#[event(name = "…")]`, else Rust's without the path.
    ///
    /// # Panics
    /// If more than [`MAX_RECORDED_EVENTS`] were published.
    #[must_use]
    #[track_caller]
    pub fn names(&self) -> Vec<String> {
        self.all().into_iter().map(|it| it.name).collect()
    }

    #[track_caller]
    fn all(&self) -> Vec<Recorded> {
        let record = self.record.lock();
        let (events, more) = (record.events.clone(), record.more);
        drop(record);
        assert!(
            more == 0,
            "{MAX_RECORDED_EVENTS} events were recorded and {more} more published; drop the recorder and make a \
             new one where the part begins that matters"
        );
        events
    }

    /// The first event of type `E` but for that publication itself.
    pub(super) fn first_but<E: ApplicationEvent>(&self, cause: PublicationId) -> Option<Arc<E>> {
        let events = self.record.lock().events.clone();
        let mut others = events.into_iter().filter(|it| it.meta.event_id != cause);
        others.find_map(|it| it.event.downcast().ok())
    }

    /// Lines for people.
    pub(super) fn report(&self) -> String {
        let record = self.record.lock();
        let (events, more) = (record.events.clone(), record.more);
        drop(record);
        let mut lines = vec!["what was published:".to_owned()];
        let named = |id| events.iter().find(|it| it.meta.event_id == id).map(|it| &it.name);
        lines.extend(events.iter().take(SHOWN).map(|it| {
            let by = it.meta.parent.and_then(named);
            let by = by.map(|name| format!(", by a listener of `{name}`")).unwrap_or_default();
            format!("  `{}` at {}{by}", it.name, it.meta.published_at)
        }));
        let more = more + events.len().saturating_sub(SHOWN);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        lines.join("\n")
    }
}

/// How many events a message shows.
const SHOWN: usize = 32;

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({})", self.report())
    }
}
