//! `PlanCell`: the plan of one event type, and how a publication gets hold of it.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::plan::{Plain, Plan};
use crate::{
    bus::{
        event::{ApplicationEvent, Codec, EventDescription, Supertype},
        listeners::ListenersByType,
        plans::AnyPlan,
        profile::Profile,
        state::Bus,
    },
    sync::{Mutex, lock},
};

/// The plan of `E` on one bus, and the next one once listeners came or went.
pub(crate) struct PlanCell<E> {
    /// The listeners of `fixed`, if each of them is plain.
    plain: Option<Plain<E>>,
    /// What the bus was made with.
    fixed: Arc<Plan<E>>,
    /// Whether `current` is to be used instead.
    changed: AtomicBool,
    current: Mutex<Arc<Plan<E>>>,
    supertypes: Vec<Supertype<E>>,
    /// How the event is written, if it may leave its process.
    pub(crate) codec: Option<Codec<E>>,
    pub(crate) description: EventDescription,
    /// Whether it was logged that nobody hears this event.
    pub(crate) warned: AtomicBool,
}

impl<E: ApplicationEvent> PlanCell<E> {
    pub(crate) fn new(listeners: &ListenersByType) -> Self {
        let event_type = E::event_type();
        let fixed = Arc::new(Plan::new(listeners, None, &event_type.supertypes));
        let codec = event_type.codec.filter(|_| event_type.description.name.is_some());
        // What may leave its process goes the long way.
        let leaves = listeners.carried && codec.is_some();
        Self {
            current: Mutex::new(Arc::clone(&fixed)),
            plain: if leaves { None } else { fixed.plain() },
            codec,
            fixed,
            changed: AtomicBool::new(false),
            supertypes: event_type.supertypes,
            description: event_type.description,
            warned: AtomicBool::new(false),
        }
    }

    /// The listeners, if they are those that the bus was made with, and all are plain.
    #[inline(always)]
    pub(crate) fn plain(&self) -> Option<&Plain<E>> {
        if self.changed.load(Ordering::Acquire) { None } else { self.plain.as_ref() }
    }

    /// The plan that the bus was made with.
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

impl<E: ApplicationEvent> AnyPlan for PlanCell<E> {
    fn refresh(
        &self,
        fixed: &ListenersByType,
        subscribed: &ListenersByType,
    ) -> Box<dyn Any + Send + Sync> {
        let new = Arc::new(Plan::new(fixed, Some(subscribed), &self.supertypes));
        let old = std::mem::replace(&mut *lock(&self.current), new);
        self.changed.store(true, Ordering::Release);
        Box::new(old)
    }

    fn hears(&self, type_id: TypeId) -> bool {
        type_id == TypeId::of::<E>() || self.supertypes.iter().any(|it| it.type_id == type_id)
    }

    fn profiles(&self) -> Vec<Arc<Profile>> {
        self.with_plan(|plan| plan.entries.iter().map(|it| Arc::clone(&it.profile)).collect())
    }
}

impl<E> fmt::Debug for PlanCell<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanCell").field("event", &self.description).finish_non_exhaustive()
    }
}

impl Bus {
    /// See [`PlanCell::plain`].
    #[inline(always)]
    pub(crate) fn plain<E: ApplicationEvent>(&self) -> Option<&Plain<E>> {
        self.known_plan::<E>()?.plain()
    }

    /// Runs `f` with what has the plan of `E`. No lock is held while it runs.
    #[inline]
    pub(crate) fn with_plan_cell<E: ApplicationEvent, R>(
        &self,
        f: impl FnOnce(&PlanCell<E>) -> R,
    ) -> R {
        match self.known_plan::<E>() {
            Some(cell) => f(cell),
            None => f(&self.late_plan_cell()),
        }
    }

    /// The cell of an event that was known when the bus was made.
    #[inline(always)]
    fn known_plan<E: ApplicationEvent>(&self) -> Option<&PlanCell<E>> {
        self.plans().get::<E, PlanCell<E>>()
    }

    /// The cell of an event that was not known when the bus was made.
    #[cold]
    fn late_plan_cell<E: ApplicationEvent>(&self) -> Arc<PlanCell<E>> {
        let make =
            |fixed: &ListenersByType| -> Arc<dyn AnyPlan> { Arc::new(PlanCell::<E>::new(fixed)) };
        let plan: Arc<dyn Any + Send + Sync> = self.late_plan(TypeId::of::<E>(), make);
        // What is filed under the id of `E` was made by the closure above, for `E`.
        plan.downcast().unwrap_or_else(|_| Arc::new(PlanCell::new(&ListenersByType::default())))
    }
}
