//! The call that publishes: from the event to the listeners that ran in it.

use std::{panic::Location, sync::Arc};

use super::{
    departure::Departure,
    left::{Left, Part},
    outcome::Counts,
    plan::Plan,
    publication::Publication,
    run::{Run, Stage, run_plain},
};
#[cfg(feature = "test-util")]
use crate::bus::tap::Tapped;
use crate::{
    bus::{
        event::{ApplicationEvent, EventMeta, EventUid, Journey, PublicationId, describe},
        failure::Failure,
        listener::{
            Delivered, ListenerPanicked, MaybeShared, Meta, More, RepublishedTooDeep, guarded,
        },
        scope::{self, MAX_PUBLICATION_DEPTH, Scope},
        state::Bus,
    },
    observe,
};

/// Publishes outside of any transaction.
///
/// At the call itself, as far as [`publish_noted`] goes: there the compiler sees that a publication
/// whose listeners all ran has nothing to drop.
#[inline(always)]
pub(crate) fn publish<E: ApplicationEvent>(
    bus: &Bus,
    event: E,
    at: &'static Location<'static>,
) -> Publication<E> {
    observe::publishing(std::any::type_name::<E>, || publish_noted(bus, event, at, Part::Whole))
}

/// Publishes an event that a listener returned. What its own listeners return comes back, and is published after it.
pub(crate) fn publish_returned<E: ApplicationEvent>(
    bus: &Bus,
    event: E,
    at: &'static Location<'static>,
) -> Delivered {
    let publication = observe::publishing(std::any::type_name::<E>, || {
        publish_noted(bus, event, at, Part::Nested)
    });
    publication.into_delivered()
}

#[inline(always)]
fn publish_noted<E: ApplicationEvent>(
    bus: &Bus,
    event: E,
    at: &'static Location<'static>,
    part: Part,
) -> Publication<E> {
    let id = PublicationId::next();
    // One way out for all that is rare, so that the compiler follows the other to its end.
    let unfinished = 'plain: {
        let Some(plain) = bus.plain::<E>() else { break 'plain Unfinished::NotPlain };
        let scope = match Scope::enter(describe::<E>, id) {
            Ok(scope) => scope,
            Err(cycle) => break 'plain Unfinished::TooDeep(cycle),
        };
        let (mut ran, meta) = (0, Meta::Current { id, at });
        let more = match guarded(|| run_plain(plain, &mut ran, bus, meta, &event).into_more()) {
            Ok(None) => {
                drop(scope);
                return Publication::ran(id, at, ran);
            }
            Ok(Some(more)) => Ok(more),
            Err(panicked) => Err(panicked),
        };
        Unfinished::Stopped { ran, scope, more }
    };
    go_on(bus, event, id, at, part, unfinished)
}

/// Why a publication is not over with the call of its plain listeners.
enum Unfinished {
    /// Not all of its listeners are plain, and none was called.
    NotPlain,
    /// It is nested too deep, in this cycle.
    TooDeep(Arc<str>),
    /// So many ran; the next one had more to say than that, or panicked.
    Stopped { ran: u32, scope: Scope, more: Result<Box<More>, ListenerPanicked> },
}

/// Out of line, so that the plain case stays small: there is more to do here anyhow.
#[cold]
#[inline(never)]
fn go_on<E: ApplicationEvent>(
    bus: &Bus,
    event: E,
    id: PublicationId,
    at: &'static Location<'static>,
    part: Part,
    unfinished: Unfinished,
) -> Publication<E> {
    let event = MaybeShared::Owned(event);
    match unfinished {
        Unfinished::NotPlain => {
            let way = Way { part, ..Way::of(Stage::Now) };
            publish_held(bus, event, id, at, way)
        }
        Unfinished::TooDeep(cycle) => too_deep(bus, id, at, cycle),
        Unfinished::Stopped { ran, scope, more } => {
            let meta = scope::meta(id, at);
            let mut counts = Counts::new(meta, describe::<E>);
            counts.ran = ran;
            let publication = bus.with_plan_cell::<E, _>(|cell| {
                let plan = cell.fixed();
                let run = Run { bus, plan, event: &event, meta: &meta, stage: &Stage::Now };
                let suspended = run.resume(ran as usize, more, &mut counts);
                let left = Left { plan, event, stage: Stage::Now, part, suspended, storing: None };
                Publication::after(bus, counts, left)
            });
            drop(scope);
            publication
        }
    }
}

/// How an event is published.
pub(super) struct Way {
    pub(super) stage: Stage,
    pub(super) departure: Departure,
    pub(super) journey: Journey,
    pub(super) part: Part,
}

impl Way {
    pub(super) const fn of(stage: Stage) -> Self {
        Self { stage, departure: Departure::IfWanted, journey: Journey::NONE, part: Part::Whole }
    }
}

/// An event that came from elsewhere, to all listeners of this process. It was committed there.
pub(super) fn publish_arrived<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    at: &'static Location<'static>,
    departure: Departure,
    journey: Journey,
) -> Publication<E> {
    let id = PublicationId::next();
    observe::publishing(std::any::type_name::<E>, || {
        let way = Way { departure, journey, ..Way::of(Stage::Commit) };
        publish_held(bus, event, id, at, way)
    })
}

/// Publishes by the long way, which knows all there is.
pub(super) fn publish_held<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    id: PublicationId,
    at: &'static Location<'static>,
    way: Way,
) -> Publication<E> {
    let _scope = match Scope::enter(describe::<E>, id) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(bus, id, at, cycle),
    };
    let mut meta = scope::meta(id, at);
    let Way { stage, departure, journey, part } = way;
    meta.journey = journey;
    bus.with_plan_cell::<E, _>(|cell| {
        let mut storing = None;
        if stage.is_delivery() {
            // Before anybody here hears it: what listeners publish comes after it.
            let departed = departure.depart(bus, cell, &event, &meta);
            meta.journey.id = departed.id.map_or(meta.journey.id, EventUid::get);
            storing = departed.storing;
        }
        let mut counts = Counts::new(meta, describe::<E>);
        #[cfg(feature = "test-util")]
        let event = if stage.is_delivery() { show_taps(bus, event, &meta) } else { event };
        cell.with_plan(|plan| {
            let leaves = storing.is_some() || meta.journey.id != 0;
            if plan.entries.is_empty() && stage.is_delivery() && !leaves {
                bus.unheard().add(&cell.description, &cell.warned, at);
            }
            let event = if plan.shared { MaybeShared::Shared(event.into_shared()) } else { event };
            let run = Run { bus, plan, event: &event, meta: &meta, stage: &stage };
            let suspended = run.from(0, &mut counts);
            let left = Left { plan, event, stage, part, suspended, storing };
            Publication::after(bus, counts, left)
        })
    })
}

/// One attempt of one listener, which is all of `plan`.
pub(super) fn publish_planned<E: ApplicationEvent>(
    bus: &Bus,
    plan: &Arc<Plan<E>>,
    event: MaybeShared<E>,
    at: &'static Location<'static>,
    journey: Journey,
) -> Publication<E> {
    let id = PublicationId::next();
    let _scope = match Scope::enter(describe::<E>, id) {
        Ok(scope) => scope,
        Err(cycle) => return too_deep(bus, id, at, cycle),
    };
    let mut meta = scope::meta(id, at);
    meta.journey = journey;
    let mut counts = Counts::new(meta, describe::<E>);
    let event = if plan.shared { MaybeShared::Shared(event.into_shared()) } else { event };
    let run = Run { bus, plan, event: &event, meta: &meta, stage: &Stage::Now };
    let suspended = run.from(0, &mut counts);
    let part = Part::Whole;
    let left = Left { plan, event, stage: Stage::Now, part, suspended, storing: None };
    Publication::after(bus, counts, left)
}

/// Shows an event to the taps, for which it has to be shared.
#[cfg(feature = "test-util")]
fn show_taps<E: ApplicationEvent>(
    bus: &Bus,
    event: MaybeShared<E>,
    meta: &EventMeta,
) -> MaybeShared<E> {
    let hooks = bus.taps().hooks();
    if hooks.is_empty() {
        return event;
    }
    let event = event.into_shared();
    for hook in hooks {
        let name = describe::<E>().label();
        hook(Tapped { event: event.clone(), name, meta: *meta });
    }
    MaybeShared::Shared(event)
}

#[cold]
#[inline(never)]
fn too_deep<E: ApplicationEvent>(
    bus: &Bus,
    id: PublicationId,
    at: &'static Location<'static>,
    cycle: Arc<str>,
) -> Publication<E> {
    let depth = u32::try_from(MAX_PUBLICATION_DEPTH).unwrap_or(u32::MAX);
    let meta =
        EventMeta { event_id: id, published_at: at, depth, parent: None, journey: Journey::NONE };
    let mut counts = Counts::new(meta, describe::<E>);
    let error = RepublishedTooDeep { cycle };
    counts.failures.push(Failure::of_bus(bus.failures(), &meta, error));
    Publication::known(counts)
}
