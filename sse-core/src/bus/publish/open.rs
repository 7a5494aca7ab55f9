//! `Open`: a transaction that is open, with the events that wait in it.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    panic::Location,
    sync::{Arc, OnceLock},
};

use super::{
    deliver::{Way, publish_held},
    departure::{Departure, pack},
    left::Part,
    outcome::Counts,
    run::Stage,
};
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::{
        carrier::Parcel,
        event::{ApplicationEvent, EventUid, PublicationId},
        listener::MaybeShared,
        state::Bus,
    },
    error_chain::debug_with_causes,
    observe::{self, Span},
    sync::plain::{Mutex, lock},
};

/// How many events one transaction may hold: 16 384.
///
/// One more is discarded, and with it the transaction: its commit rolls back and fails with
/// [`TransactionFull`].
pub const MAX_TRANSACTION_EVENTS: usize = 16_384;

/// What the program's handle of a transaction and its listeners before the commit share.
pub(super) struct Open {
    pub(super) bus: Bus,
    pub(super) begun_at: &'static Location<'static>,
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    waiting: Vec<Arc<dyn Waiting>>,
    /// One more was published than it may hold.
    overflowed: bool,
    /// A listener wants it rolled back.
    rolled_back_at: Option<&'static Location<'static>>,
    /// No event is taken any more.
    over: bool,
}

/// One event that waits.
pub(super) trait Waiting: Send + Sync {
    /// Delivers it to its listeners of one stage. What they return comes back with the counts.
    fn publish(&self, bus: &Bus, stage: Stage) -> BoxFuture<Counts>;
    /// Encodes it for the store, if somebody wants it there and it was not encoded before.
    fn pack(&self, bus: &Bus) -> Option<Result<Parcel, BoxError>>;
    /// Notes that it is in the store, under this id, once the program's own transaction commits.
    fn is_stored(&self, id: EventUid);
}

struct WaitingEvent<E> {
    event: Arc<E>,
    id: PublicationId,
    published_at: &'static Location<'static>,
    stored: OnceLock<EventUid>,
    /// The span of the publication, in which all stages run.
    span: Span,
}

impl<E: ApplicationEvent> Waiting for WaitingEvent<E> {
    fn publish(&self, bus: &Bus, stage: Stage) -> BoxFuture<Counts> {
        let event = MaybeShared::Shared(Arc::clone(&self.event));
        let departure = self.stored.get().map_or(Departure::IfWanted, |id| Departure::Done(*id));
        if matches!(stage, Stage::Commit) {
            observe::counted(std::any::type_name::<E>);
            if let (Departure::Done(_), Some(carrier)) = (departure, bus.carrier()) {
                carrier.has_committed();
            }
        }
        let way = Way { departure, part: Part::Nested, ..Way::of(stage) };
        let publish = || publish_held(bus, event, self.id, self.published_at, way);
        let mut publication = self.span.run(publish);
        Box::pin(poll_fn(move |cx| publication.poll_counts(cx)))
    }

    fn pack(&self, bus: &Bus) -> Option<Result<Parcel, BoxError>> {
        if self.stored.get().is_some() {
            return None;
        }
        bus.with_plan_cell::<E, _>(|cell| Some(pack(bus, cell, &self.event)?.1))
    }

    fn is_stored(&self, id: EventUid) {
        // The first counts.
        let _ = self.stored.set(id);
    }
}

impl Open {
    pub(super) fn new(bus: Bus, begun_at: &'static Location<'static>) -> Self {
        Self { bus, begun_at, events: Mutex::default() }
    }

    /// Keeps `event`, unless it is too late or there are too many.
    pub(super) fn add<E: ApplicationEvent>(
        &self,
        event: E,
        published_at: &'static Location<'static>,
    ) {
        let waiting = Arc::new(WaitingEvent {
            event: Arc::new(event),
            id: PublicationId::next(),
            published_at,
            stored: OnceLock::new(),
            span: observe::publish_span(std::any::type_name::<E>),
        });
        let mut events = lock(&self.events);
        let over = events.over;
        if !over && events.waiting.len() < MAX_TRANSACTION_EVENTS {
            events.waiting.push(waiting);
            return;
        }
        events.overflowed = true;
        // The event's destructor is the program's code.
        drop(events);
        drop(waiting);
        if over {
            too_late(published_at);
        }
    }

    pub(super) fn roll_back(&self, at: &'static Location<'static>) {
        lock(&self.events).rolled_back_at.get_or_insert(at);
    }

    /// Why it cannot commit, whatever listeners say.
    pub(super) fn refusal(&self) -> Option<BoxError> {
        let events = lock(&self.events);
        if let Some(at) = events.rolled_back_at {
            return Some(format!("a listener before the commit rolled it back, at {at}").into());
        }
        events.overflowed.then(|| TransactionFull.into())
    }

    /// The event at this place, also one that was added while those before it were heard.
    pub(super) fn at(&self, place: usize) -> Option<Arc<dyn Waiting>> {
        lock(&self.events).waiting.get(place).cloned()
    }

    /// Takes nothing any more, and gives what it has.
    pub(super) fn close(&self) -> Vec<Arc<dyn Waiting>> {
        let mut events = lock(&self.events);
        events.over = true;
        std::mem::take(&mut events.waiting)
    }

    /// Those that wait at this moment.
    pub(super) fn waiting(&self) -> Vec<Arc<dyn Waiting>> {
        lock(&self.events).waiting.clone()
    }
}

#[cold]
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
fn too_late(published_at: &'static Location<'static>) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "sse_tower",
        published_at = %published_at,
        "event is not published: its transaction was over; publish it before the listener returns, or \
         through the context"
    );
}

/// More than [`MAX_TRANSACTION_EVENTS`] events were published in one transaction. It was rolled back.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TransactionFull;

impl fmt::Display for TransactionFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MAX_TRANSACTION_EVENTS} events were published in it; commit in parts")
    }
}

impl Error for TransactionFull {}

debug_with_causes!(TransactionFull);
