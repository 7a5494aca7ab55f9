//! The listeners of one event type, in order; they may change while events are published.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    answer::Answer,
    call::{Call, EventMeta},
    event::{ApplicationEvent, EventDescription, Supertype},
    listener::Profile,
    observed::observed,
    order,
    prepared::{Bound, Prepared, RefFn, Wired},
};
use crate::{
    context::ApplicationContext,
    sync::{Mutex, lock},
};

/// A map by type. A `TypeId` is a hash already.
pub(crate) type TypeMap<V> = HashMap<TypeId, V, BuildHasherDefault<Identity>>;

#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, bytes: &[u8]) {
        // `TypeId` writes one `u64`; this is for the day when it does not.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    #[inline]
    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The places of the events that were known when the context was built: found by one look, most
/// of the time, because three quarters of the table are empty.
pub(crate) struct Slots {
    table: Box<[Option<KnownSlot>]>,
}

struct KnownSlot {
    slot: Arc<dyn AnySlot>,
    /// The same as `Arc<Slot<E>>`, for a cheaper way to its type.
    any: Box<dyn Any + Send + Sync>,
}

impl Slots {
    pub(crate) fn new(slots: TypeMap<Arc<dyn AnySlot>>) -> Self {
        let size = (slots.len() * 4).next_power_of_two();
        let mut table: Vec<Option<KnownSlot>> = Vec::new();
        table.resize_with(size, || None);
        for (type_id, slot) in slots {
            let mut places = probe(type_id, size);
            if let Some(place) = places.find(|&at| matches!(table.get(at), Some(None)))
                && let Some(place) = table.get_mut(place)
            {
                *place = Some(KnownSlot { any: slot.clone().typed(), slot });
            }
        }
        Self { table: table.into_boxed_slice() }
    }

    #[inline]
    pub(crate) fn get<E: ApplicationEvent>(&self) -> Option<&Slot<E>> {
        probe(TypeId::of::<E>(), self.table.len())
            .map_while(|at| self.table.get(at)?.as_ref())
            .find_map(|known| known.any.downcast_ref::<Arc<Slot<E>>>())
            .map(|slot| &**slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnySlot>> {
        self.table.iter().flatten().map(|known| &known.slot)
    }
}

#[inline]
fn probe(type_id: TypeId, size: usize) -> impl Iterator<Item = usize> {
    let mut hash = Identity::default();
    type_id.hash(&mut hash);
    // Any part of the hash will do.
    let first = hash.finish() as usize;
    (0..size).map(move |step| first.wrapping_add(step) & (size - 1))
}

/// One listener of a context.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) profile: Arc<Profile>,
    pub(crate) wired: Wired,
}

/// Listeners by what they hear, an event type or a trait object.
#[derive(Default, Clone)]
pub(crate) struct Sources {
    pub(crate) by_event: TypeMap<Vec<Registered>>,
}

impl Sources {
    pub(crate) fn add(&mut self, listener: Registered) {
        self.by_event.entry(listener.profile.event.id()).or_default().push(listener);
    }

    /// Takes one out again, to be dropped by the caller where no lock is held.
    pub(crate) fn remove(&mut self, profile: &Arc<Profile>) -> Option<Registered> {
        let listeners = self.by_event.get_mut(&profile.event.id())?;
        let at = listeners.iter().position(|it| Arc::ptr_eq(&it.profile, profile))?;
        Some(listeners.remove(at))
    }

    pub(crate) fn of(&self, type_id: TypeId) -> &[Registered] {
        self.by_event.get(&type_id).map_or(&[], Vec::as_slice)
    }
}

/// One listener in the plan of `E`.
pub(crate) struct Entry<E> {
    pub(crate) bound: Bound<E>,
    /// Neither condition nor phase: nothing to ask before calling it.
    pub(crate) plain: bool,
    pub(crate) condition: Option<super::prepared::Condition<E>>,
    pub(crate) profile: Arc<Profile>,
}

/// The listeners of `E`, in the order in which they run.
pub(crate) struct Plan<E> {
    pub(crate) entries: Box<[Entry<E>]>,
    /// The event has to be in an `Arc`.
    pub(crate) shared: bool,
    /// The listeners' functions, if each of them is plain; else empty.
    plain: Box<[Arc<RefFn<E>>]>,
    /// Some listener needs a clock, hence a runtime.
    pub(crate) timed: bool,
}

impl<E> Plan<E> {
    /// Runs plain listeners, and counts them, up to the first that has something to say.
    #[inline]
    pub(crate) fn run_plain(
        &self,
        context: &ApplicationContext,
        meta: &EventMeta,
        event: &E,
        ran: &mut u32,
    ) -> Option<Answer> {
        for (listener, entry) in self.plain.iter().zip(&self.entries) {
            let call = Call { context, meta, listener: &entry.profile };
            let answer = listener(event, &call);
            if !answer.is_plain() {
                return Some(answer);
            }
            *ran += 1;
        }
        None
    }
}

/// The place of `E` in a context.
pub(crate) struct Slot<E> {
    /// What the context was built with.
    fixed: Arc<Plan<E>>,
    /// Whether `current` is to be used instead.
    changed: AtomicBool,
    current: Mutex<Arc<Plan<E>>>,
    supertypes: Vec<Supertype<E>>,
    pub(crate) description: EventDescription,
    /// It was said once that nobody hears this event.
    pub(crate) warned: AtomicBool,
}

impl<E: ApplicationEvent> Slot<E> {
    pub(crate) fn new(sources: &Sources) -> Self {
        let event_type = E::event_type();
        let fixed = Arc::new(plan(sources, None, &event_type.supertypes));
        Self {
            current: Mutex::new(Arc::clone(&fixed)),
            fixed,
            changed: AtomicBool::new(false),
            supertypes: event_type.supertypes,
            description: event_type.description,
            warned: AtomicBool::new(false),
        }
    }

    /// The plan, if it is as it was when the context was built and all its listeners are plain.
    #[inline]
    pub(crate) fn plain_plan(&self) -> Option<&Arc<Plan<E>>> {
        let unchanged = !self.changed.load(Ordering::Acquire);
        (unchanged && !self.fixed.plain.is_empty()).then_some(&self.fixed)
    }

    /// Runs `f` with the plan of this moment. No lock is held while it runs.
    #[inline]
    pub(crate) fn with_plan<R>(&self, f: impl FnOnce(&Arc<Plan<E>>) -> R) -> R {
        if self.changed.load(Ordering::Acquire) {
            let plan = Arc::clone(&lock(&self.current));
            f(&plan)
        } else {
            f(&self.fixed)
        }
    }
}

/// A slot of whatever type.
pub(crate) trait AnySlot: Any + Send + Sync {
    /// Makes a new plan after `subscribed` changed. What it returns is dropped by the caller, where
    /// no lock is held: the last use of a closure may be in it.
    fn refresh(&self, fixed: &Sources, subscribed: &Sources) -> Box<dyn Any + Send + Sync>;
    fn hears(&self, type_id: TypeId) -> bool;
    /// Itself as `Arc<Slot<E>>`.
    fn typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync>;
    /// The listeners, in the order in which they run.
    fn profiles(&self) -> Vec<Arc<Profile>>;
}

impl<E: ApplicationEvent> AnySlot for Slot<E> {
    fn refresh(&self, fixed: &Sources, subscribed: &Sources) -> Box<dyn Any + Send + Sync> {
        let new = Arc::new(plan(fixed, Some(subscribed), &self.supertypes));
        let old = std::mem::replace(&mut *lock(&self.current), new);
        self.changed.store(true, Ordering::Release);
        Box::new(old)
    }

    fn hears(&self, type_id: TypeId) -> bool {
        type_id == TypeId::of::<E>() || self.supertypes.iter().any(|it| it.type_id == type_id)
    }

    fn typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync> {
        Box::new(self)
    }

    fn profiles(&self) -> Vec<Arc<Profile>> {
        self.with_plan(|plan| plan.entries.iter().map(|it| Arc::clone(&it.profile)).collect())
    }
}

fn plan<E: ApplicationEvent>(
    fixed: &Sources,
    subscribed: Option<&Sources>,
    supertypes: &[Supertype<E>],
) -> Plan<E> {
    let mut entries = Vec::new();
    for sources in std::iter::once(fixed).chain(subscribed) {
        for listener in sources.of(TypeId::of::<E>()) {
            push(
                &mut entries,
                listener,
                listener.wired.prepared.downcast_ref::<Prepared<E>>().cloned(),
            );
        }
        for supertype in supertypes {
            for listener in sources.of(supertype.type_id) {
                push(&mut entries, listener, supertype.adapt(&*listener.wired.prepared));
            }
        }
    }
    let profiles: Vec<_> = entries.iter().map(|entry| Arc::clone(&entry.profile)).collect();
    // A cycle was refused when the listeners were registered.
    let places = order::arrange(&profiles).unwrap_or_else(|cycle| cycle.places);
    let mut slots: Vec<_> = entries.into_iter().map(Some).collect();
    let entries: Box<[Entry<E>]> = places
        .into_iter()
        .filter_map(|place| slots.get_mut(place).and_then(Option::take))
        .collect();
    let plain = entries.iter().map(|it| match &it.bound {
        Bound::Ref(listener) if it.plain => Some(Arc::clone(listener)),
        _ => None,
    });
    let plain = plain.collect::<Option<Box<[_]>>>().unwrap_or_default();
    let timed = entries.iter().any(|it| it.profile.timeout.is_some());
    Plan {
        // A future that is stopped, or that runs on its own, does not give the event back.
        shared: timed
            || entries.iter().any(|it| {
                it.profile.spawn || matches!(it.bound, Bound::Shared(_) | Bound::Future(_))
            }),
        plain,
        timed,
        entries,
    }
}

fn push<E: ApplicationEvent>(
    entries: &mut Vec<Entry<E>>,
    listener: &Registered,
    prepared: Option<Prepared<E>>,
) {
    let Some(Prepared { bound, condition }) = prepared else {
        // A listener is registered under the type that it was bound for.
        return;
    };
    entries.push(Entry {
        plain: matches!(bound, Bound::Ref(_))
            && condition.is_none()
            && listener.profile.phase.is_none(),
        bound: observed(bound, listener.profile.label()),
        condition,
        profile: Arc::clone(&listener.profile),
    });
}

impl<E> fmt::Debug for Slot<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("event", &self.description).finish_non_exhaustive()
    }
}
