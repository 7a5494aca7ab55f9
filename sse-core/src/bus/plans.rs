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
    /// Itself in an `Arc` of its own type.
    fn typed(self: Arc<Self>) -> Box<dyn Any + Send + Sync>;
    /// The listeners, in the order in which they run.
    fn profiles(&self) -> Vec<Arc<Profile>>;
}

/// The plans of the events that were known when the bus was made: found by one look, most of the
/// time, because three quarters of the table are empty.
pub(crate) struct Plans {
    /// What [`AnyPlan::typed`] gives.
    table: Box<[Option<Box<dyn Any + Send + Sync>>]>,
    /// The same plans, without types.
    all: Vec<Arc<dyn AnyPlan>>,
}

impl Plans {
    pub(crate) fn new(plans: TypeMap<Arc<dyn AnyPlan>>) -> Self {
        let size = (plans.len() * 4).next_power_of_two();
        let mut table: Vec<Option<Box<dyn Any + Send + Sync>>> = Vec::new();
        table.resize_with(size, || None);
        let mut all = Vec::with_capacity(plans.len());
        for (type_id, plan) in plans {
            let mut places = probe(type_id, size);
            if let Some(place) = places.find(|&at| matches!(table.get(at), Some(None)))
                && let Some(place) = table.get_mut(place)
            {
                *place = Some(plan.clone().typed());
            }
            all.push(plan);
        }
        Self { table: table.into_boxed_slice(), all }
    }

    /// The plan of `event`, which is a `T`.
    #[inline]
    pub(crate) fn get<T: 'static>(&self, event: TypeId) -> Option<&T> {
        // The first look apart, so that it is straight code where it finds what it looks for.
        let at = first_place(event, self.table.len());
        match self.table.get(at)?.as_ref()?.downcast_ref::<T>() {
            Some(plan) => Some(plan),
            None => self.probe_rest(event),
        }
    }

    /// After another event was found in the first place.
    #[cold]
    #[inline(never)]
    fn probe_rest<T: 'static>(&self, event: TypeId) -> Option<&T> {
        probe(event, self.table.len())
            .map_while(|at| self.table.get(at)?.as_ref())
            .find_map(|any| any.downcast_ref::<T>())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnyPlan>> {
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
