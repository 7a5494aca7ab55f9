//! An event that came from the store: to all listeners of this process, or to one that is durable.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    deliver::{publish_arrived, publish_planned},
    departure::{Departure, from_elsewhere},
    plan::{Entry, Plan},
    publication::Publication,
};
use crate::{
    boxed::BoxError,
    bus::{
        carrier::Arrival,
        event::{ApplicationEvent, Durable, EventMeta, Journey, PublicationId, Reader},
        failure::Failure,
        listener::{MaybeShared, guarded},
        listeners::{ListenersByType, Registered},
        state::Bus,
    },
};

/// Which kinds of event a type reads: its name, and the versions, newest first.
#[derive(Clone, Debug)]
pub(crate) struct Kinds {
    pub(crate) name: &'static str,
    pub(crate) versions: Vec<u32>,
}

/// How events of one type come in, without the type.
#[derive(Clone, Copy)]
pub(crate) struct Arrivals {
    pub(crate) kinds: fn() -> Option<Kinds>,
    /// Delivers to every listener here. Asynchronous listeners go on in the future that is returned.
    pub(crate) deliver: fn(&Bus, &Arrival) -> Result<Run, BoxError>,
    /// Makes a durable listener; `None` if it was bound for another type, or the type does not leave its process.
    pub(crate) durable: fn(Registered, &'static Durable) -> Option<Arc<dyn RunsOne>>,
}

impl Arrivals {
    pub(crate) const fn of<E: ApplicationEvent>() -> Self {
        Self { kinds: kinds::<E>, deliver: deliver::<E>, durable: durable::<E> }
    }
}

fn kinds<E: ApplicationEvent>() -> Option<Kinds> {
    let reader = Reader::<E>::of()?;
    Some(Kinds { name: reader.name, versions: reader.versions() })
}

fn read<E: ApplicationEvent>(reader: &Reader<E>, arrival: &Arrival) -> Result<E, BoxError> {
    // How it is read is the program's code.
    guarded(|| reader.read(arrival.version, &arrival.body)).unwrap_or_else(|it| Err(it.into()))
}

fn journey(arrival: &Arrival, durable: Option<&'static Durable>) -> Journey {
    let Arrival { id, tried, elsewhere, .. } = *arrival;
    Journey { id: id.get(), tried, elsewhere, durable }
}

fn deliver<E: ApplicationEvent>(bus: &Bus, arrival: &Arrival) -> Result<Run, BoxError> {
    let reader = Reader::<E>::of().ok_or("this type of event does not travel")?;
    let event = MaybeShared::Owned(read(&reader, arrival)?);
    let journey = journey(arrival, None);
    Ok(Run::new(publish_arrived(
        bus,
        event,
        from_elsewhere(),
        Departure::Done(arrival.id),
        journey,
    )))
}

/// One durable listener, whatever it hears.
pub(crate) trait RunsOne: Send + Sync {
    /// Begins an attempt: a synchronous listener runs in the call. An event that cannot be read is a failure of it.
    fn run(&self, bus: &Bus, arrival: &Arrival) -> Run;
}

struct One<E> {
    plan: Arc<Plan<E>>,
    reader: Reader<E>,
    durable: &'static Durable,
}

fn durable<E: ApplicationEvent>(
    registered: Registered,
    durable: &'static Durable,
) -> Option<Arc<dyn RunsOne>> {
    let reader = Reader::<E>::of()?;
    let mut alone = ListenersByType::default();
    alone.add(registered);
    let plan = Plan::<E>::new(&alone, None, &[]);
    (plan.entries.len() == 1)
        .then(|| -> Arc<dyn RunsOne> { Arc::new(One { plan: Arc::new(plan), reader, durable }) })
}

impl<E: ApplicationEvent> RunsOne for One<E> {
    fn run(&self, bus: &Bus, arrival: &Arrival) -> Run {
        let journey = journey(arrival, Some(self.durable));
        match read(&self.reader, arrival) {
            Ok(event) => {
                let event = MaybeShared::Owned(event);
                Run::new(publish_planned(bus, &self.plan, event, from_elsewhere(), journey))
            }
            Err(error) => self.unreadable(bus, journey, error),
        }
    }
}

/// The stored event cannot be read as its type.
#[derive(Debug, thiserror::Error)]
#[error("event cannot be read")]
struct Unreadable(#[source] BoxError);

impl<E: ApplicationEvent> One<E> {
    fn unreadable(&self, bus: &Bus, journey: Journey, error: BoxError) -> Run {
        let (event_id, published_at) = (PublicationId::next(), from_elsewhere());
        let meta = EventMeta { event_id, published_at, depth: 0, parent: None, journey };
        let error = Unreadable(error);
        let failed = |it: &Entry<E>| Failure::new(bus.failures(), &it.profile, &meta, None, error);
        let failures = self.plan.entries.first().map(failed);
        Run(Box::pin(std::future::ready(failures.into_iter().collect())))
    }
}

/// The listeners that run for an event that came in: a future of the failures. If it is dropped, a listener stops
/// where it stands, and those after it do not run.
pub(crate) struct Run(Pin<Box<dyn Future<Output = Vec<Failure>> + Send>>);

impl Run {
    /// A run of something other than listeners, which cannot fail.
    pub(crate) fn of(running: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(async move {
            running.await;
            Vec::new()
        }))
    }

    fn new<E: ApplicationEvent>(publication: Publication<E>) -> Self {
        let mut publication = publication.ends_when_dropped();
        Self(Box::pin(async move { poll_fn(|cx| publication.poll_counts(cx)).await.failures }))
    }
}

impl Future for Run {
    type Output = Vec<Failure>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Failure>> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Run")
    }
}
