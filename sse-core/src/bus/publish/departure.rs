//! An event that leaves its process while its listeners here run.

use std::panic::Location;

use super::plan_cell::PlanCell;
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::{
        carrier::{Carrier, Parcel},
        event::{ApplicationEvent, EventMeta, EventUid},
        failure::Failure,
        listener::guarded,
        state::Bus,
    },
};

/// Whether an event is still to leave.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Departure {
    /// If somebody wants it.
    IfWanted,
    /// It has left, or came from the store: this is its id.
    Done(EventUid),
}

/// What is known of an event once it has left.
pub(crate) struct Departed {
    pub(crate) id: Option<EventUid>,
    /// Resolves once it is stored, with a failure if it could not be.
    pub(crate) storing: Option<BoxFuture<Vec<Failure>>>,
}

impl Departure {
    /// Hands the event to the carrier, if it is to leave.
    pub(crate) fn depart<E: ApplicationEvent>(
        self,
        bus: &Bus,
        cell: &PlanCell<E>,
        event: &E,
        meta: &EventMeta,
    ) -> Departed {
        let id = match self {
            Self::Done(id) => return Departed { id: Some(id), storing: None },
            Self::IfWanted => None,
        };
        match pack(bus, cell, event) {
            Some((carrier, packed)) => Departed::with(bus, meta, carrier, packed),
            None => Departed { id, storing: None },
        }
    }
}

impl Departed {
    fn with(
        bus: &Bus,
        meta: &EventMeta,
        carrier: &dyn Carrier,
        packed: Result<Parcel, BoxError>,
    ) -> Self {
        let (bus, meta) = (bus.clone(), *meta);
        match packed {
            Ok(parcel) => {
                let id = Some(parcel.id);
                let stored = carrier.carry(parcel);
                let storing = Box::pin(async move {
                    let failed = stored.await.err();
                    let failure = |error| Failure::of_bus(bus.failures(), &meta, error);
                    failed.map(failure).into_iter().collect()
                });
                Self { id, storing: Some(storing) }
            }
            Err(error) => {
                let failure = Failure::of_bus(bus.failures(), &meta, error);
                let storing = Box::pin(std::future::ready(vec![failure]));
                Self { id: None, storing: Some(storing) }
            }
        }
    }
}

type Packed<'a> = (&'a dyn Carrier, Result<Parcel, BoxError>);

/// Writes an event, if somebody wants it.
pub(super) fn pack<'a, E: ApplicationEvent>(
    bus: &'a Bus,
    cell: &PlanCell<E>,
    event: &E,
) -> Option<Packed<'a>> {
    let codec = cell.codec.as_ref()?;
    let description = &cell.description;
    let name = description.name?;
    let carrier = bus.carrier()?;
    if !carrier.wants(description) {
        return None;
    }
    // How it is written is the program's code.
    let body = match guarded(|| (codec.encode)(event)) {
        Ok(body) => body,
        Err(panicked) => Err(panicked.into()),
    };
    let parcel = body.map(|body| Parcel {
        name,
        version: description.wire_version(),
        id: EventUid::now(),
        broadcast: description.broadcast,
        stored: description.stored,
        body: body.into(),
    });
    Some((carrier, parcel))
}

/// Where an event that came from elsewhere was published, as far as this process can tell.
#[track_caller]
pub(crate) const fn from_elsewhere() -> &'static Location<'static> {
    Location::caller()
}
