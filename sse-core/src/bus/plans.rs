//! `Plans`: the table in which the plan of an event type is found. It never changes, and knows no types of events.

use std::{
    any::{Any, TypeId},
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{listeners::ListenersByType, profile::Profile};
use crate::component::{Identity, TypeMap};

/// The plan of one event type, whatever the type.
pub(crate) trait AnyPlan: Any + Send + Sync {
    /// Makes a new plan after `subscribed` changed. What it returns is dropped by the caller, where
    /// no lock is held: the last use of a closure may be in it.
    fn refresh(
        &self,
        fixed: &ListenersByType,
        subscribed: &ListenersByType,
    ) -> Box<dyn Any + Send + Sync>;
    /// Whether a listener of this type is in the plan.
    fn hears(&self, type_id: TypeId) -> bool;
    /// The listeners, in the order in which they run.
    fn profiles(&self) -> Vec<Arc<Profile>>;
}

/// How many plans may be found by one look: where two events are at one place, one of them is looked for in a map.
///
/// A constant, so that a type's place is one too.
const PLACES: usize = 256;

type Place = Option<Box<dyn AnyPlan>>;

/// The plans of the events that were known when the bus was made.
pub(crate) struct Plans {
    places: [Place; PLACES],
    /// Those whose place was taken.
    others: TypeMap<Box<dyn AnyPlan>>,
}

impl Plans {
    pub(crate) fn new(plans: TypeMap<Box<dyn AnyPlan>>) -> Self {
        let mut this = Self { places: [const { None }; PLACES], others: TypeMap::default() };
        for (event, plan) in plans {
            match this.places.get_mut(place(event)) {
                Some(free @ None) => *free = Some(plan),
                _ => drop(this.others.insert(event, plan)),
            }
        }
        this
    }

    /// The plan of `E`, which is a `T`.
    #[inline(always)]
    pub(crate) fn get<E: 'static, T: 'static>(&self) -> Option<&T> {
        let any: &dyn Any = &**self.places.get(place(TypeId::of::<E>()))?.as_ref()?;
        match any.downcast_ref::<T>() {
            Some(plan) => Some(plan),
            None => self.other::<E, T>(),
        }
    }

    /// After another event was found in the place.
    #[cold]
    #[inline(never)]
    fn other<E: 'static, T: 'static>(&self) -> Option<&T> {
        let any: &dyn Any = &**self.others.get(&TypeId::of::<E>())?;
        any.downcast_ref::<T>()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn AnyPlan> {
        self.places.iter().flatten().chain(self.others.values()).map(|plan| &**plan)
    }
}

#[inline(always)]
fn place(event: TypeId) -> usize {
    let mut hash = Identity::default();
    event.hash(&mut hash);
    // Any part of the hash will do.
    hash.finish() as usize % PLACES
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::*;

    struct PlanOf<E>(PhantomData<fn(E)>);

    impl<E: 'static> AnyPlan for PlanOf<E> {
        fn refresh(&self, _: &ListenersByType, _: &ListenersByType) -> Box<dyn Any + Send + Sync> {
            Box::new(())
        }
        fn hears(&self, type_id: TypeId) -> bool {
            type_id == TypeId::of::<E>()
        }
        fn profiles(&self) -> Vec<Arc<Profile>> {
            Vec::new()
        }
    }

    /// Does this with each of many types.
    macro_rules! each {
        ($do:ident($plans:expr)) => {
            each!($do($plans) 0 1 2 3 4 5 6 7: 0 1 2 3 4 5 6 7 8 9 10 11 12)
        };
        ($do:ident($plans:expr) $($a:literal)+: $b:tt $($rest:tt)*) => {
            $($do::<[[u8; $a]; $b]>($plans);)+
            each!($do($plans) $($a)+: $($rest)*)
        };
        ($do:ident($plans:expr) $($a:literal)+:) => {};
    }

    fn add<E: 'static>(plans: &mut TypeMap<Box<dyn AnyPlan>>) {
        plans.insert(TypeId::of::<E>(), Box::new(PlanOf::<E>(PhantomData)));
    }

    fn found<E: 'static>(plans: &Plans) {
        let plan = plans.get::<E, PlanOf<E>>();
        assert!(plan.is_some_and(|plan| plan.hears(TypeId::of::<E>())));
    }

    #[test]
    fn every_plan_is_found_also_where_two_have_one_place() {
        let mut plans = TypeMap::default();
        each!(add(&mut plans));
        let count = plans.len();
        let plans = Plans::new(plans);
        assert!(!plans.others.is_empty(), "104 types have a place each: no test");
        each!(found(&plans));
        assert_eq!(plans.iter().count(), count);
        assert!(plans.get::<String, PlanOf<String>>().is_none());
    }
}
