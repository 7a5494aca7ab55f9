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
    /// Of each `E` an `Arc<Slot<E>>`.
    table: Box<[Option<Box<dyn Any + Send + Sync>>]>,
    /// The same without types.
    all: Vec<Arc<dyn AnySlot>>,
}

impl Slots {
    pub(crate) fn new(slots: TypeMap<Arc<dyn AnySlot>>) -> Self {
        let size = (slots.len() * 4).next_power_of_two();
        let mut table: Vec<Option<Box<dyn Any + Send + Sync>>> = Vec::new();
        table.resize_with(size, || None);
        let mut all = Vec::with_capacity(slots.len());
        for (type_id, slot) in slots {
            let mut places = probe(type_id, size);
            if let Some(place) = places.find(|&at| matches!(table.get(at), Some(None)))
                && let Some(place) = table.get_mut(place)
            {
                *place = Some(slot.clone().typed());
            }
            all.push(slot);
        }
        Self { table: table.into_boxed_slice(), all }
    }

    #[inline]
    pub(crate) fn get<E: ApplicationEvent>(&self) -> Option<&Slot<E>> {
        // The first look apart, so that it is straight code where it finds what it looks for.
        let at = first_place(TypeId::of::<E>(), self.table.len());
        match self.table.get(at)?.as_ref()?.downcast_ref::<Arc<Slot<E>>>() {
            Some(slot) => Some(slot),
            None => self.look_on(),
        }
    }

    /// After another event was found in the first place.
    #[cold]
    #[inline(never)]
    fn look_on<E: ApplicationEvent>(&self) -> Option<&Slot<E>> {
        probe(TypeId::of::<E>(), self.table.len())
            .map_while(|at| self.table.get(at)?.as_ref())
            .find_map(|any| any.downcast_ref::<Arc<Slot<E>>>())
            .map(|slot| &**slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnySlot>> {
        self.all.iter()
    }
}

/// `size` is a power of two.
#[inline]
fn first_place(type_id: TypeId, size: usize) -> usize {
    let mut hash = Identity::default();
    type_id.hash(&mut hash);
    // Any part of the hash will do; half of it is one instruction less.
    (hash.finish() as u32 & (size as u32).wrapping_sub(1)) as usize
}

fn probe(type_id: TypeId, size: usize) -> impl Iterator<Item = usize> {
    let first = first_place(type_id, size);
    (0..size).map(move |step| (first + step) & (size - 1))
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
    /// Some listener needs a clock, hence a runtime.
    pub(crate) timed: bool,
}

impl<E> Plan<E> {
    /// The listeners, if each of them is plain; else nothing.
    fn plain(&self) -> Box<[Plain<E>]> {
        let plain = self.entries.iter().map(|it| match &it.bound {
            Bound::Ref(run) if it.plain => {
                Some(Plain { run: Arc::clone(run), profile: Arc::clone(&it.profile) })
            }
            _ => None,
        });
        plain.collect::<Option<_>>().unwrap_or_default()
    }
}

/// What of a plain listener's [`Entry`] is needed to call it.
pub(crate) struct Plain<E> {
    run: Arc<Box<RefFn<E>>>,
    profile: Arc<Profile>,
}

/// Runs plain listeners up to the first that has something to say. Those after it are `left`.
#[inline]
pub(crate) fn run_plain<E>(
    left: &mut std::slice::Iter<'_, Plain<E>>,
    context: &ApplicationContext,
    meta: &EventMeta,
    event: &E,
) -> Answer {
    let Some(mut listener) = left.next() else { return Answer::RAN };
    let mut call = Call { context, meta, listener: &listener.profile };
    // It asks for another after the call, not before: most events have one.
    loop {
        let answer = (listener.run)(event, &call);
        if !answer.is_plain() {
            return answer;
        }
        let Some(next) = left.next() else { return Answer::RAN };
        listener = next;
        call.listener = &listener.profile;
    }
}

/// The place of `E` in a context.
pub(crate) struct Slot<E> {
    /// The listeners of `fixed`, if each of them is plain; else empty.
    plain: Box<[Plain<E>]>,
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
            plain: fixed.plain(),
            fixed,
            changed: AtomicBool::new(false),
            supertypes: event_type.supertypes,
            description: event_type.description,
            warned: AtomicBool::new(false),
        }
    }

    /// The listeners, if they are those that the context was built with, and all are plain.
    #[inline]
    pub(crate) fn plain(&self) -> Option<&[Plain<E>]> {
        let unchanged = !self.changed.load(Ordering::Acquire);
        (unchanged && !self.plain.is_empty()).then_some(&*self.plain)
    }

    /// The plan that the context was built with.
    pub(crate) fn fixed(&self) -> &Arc<Plan<E>> {
        &self.fixed
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
    let timed = entries.iter().any(|it| it.profile.timeout.is_some());
    Plan {
        // A future that is stopped, or that runs on its own, does not give the event back.
        shared: timed
            || entries.iter().any(|it| {
                it.profile.spawn || matches!(it.bound, Bound::Shared(_) | Bound::Future(_))
            }),
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
