//! The listeners of one bus by what they hear, without the types of events.

use std::{
    any::{Any, TypeId},
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use super::{event::EventKey, profile::Profile};
use crate::component::TypeMap;

/// A `Handler` of some event type: a listener whose parameters are bound.
#[derive(Clone)]
pub struct ErasedHandler {
    handler: Arc<dyn Any + Send + Sync>,
    asynchronous: bool,
    /// Whether it was logged that it hears events outside of the transactions that it is for.
    pub(crate) misplaced: Arc<AtomicBool>,
}

impl ErasedHandler {
    pub(crate) fn new(handler: Arc<dyn Any + Send + Sync>, asynchronous: bool) -> Self {
        Self { handler, asynchronous, misplaced: Arc::default() }
    }

    /// The `Handler`, to be downcast by who knows its type.
    pub(crate) fn get(&self) -> &(dyn Any + Send + Sync) {
        &*self.handler
    }

    pub(crate) fn is_async(&self) -> bool {
        self.asynchronous
    }
}

impl fmt::Debug for ErasedHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasedHandler")
    }
}

/// One listener of a bus.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) profile: Arc<Profile>,
    pub(crate) handler: ErasedHandler,
}

/// Listeners by what they hear, an event type or a trait object.
#[derive(Default, Clone)]
pub(crate) struct ListenersByType {
    /// There is a carrier: events may leave the process.
    pub(crate) carried: bool,
    by_type: TypeMap<Vec<Registered>>,
}

impl ListenersByType {
    pub(crate) fn add(&mut self, listener: Registered) {
        self.by_type.entry(listener.profile.event.id()).or_default().push(listener);
    }

    /// Takes one out again, to be dropped by the caller where no lock is held.
    pub(crate) fn remove(&mut self, profile: &Arc<Profile>) -> Option<Registered> {
        let listeners = self.by_type.get_mut(&profile.event.id())?;
        let at = listeners.iter().position(|it| Arc::ptr_eq(&it.profile, profile))?;
        Some(listeners.remove(at))
    }

    /// Those that hear this type, in the order in which they were added.
    pub(crate) fn of(&self, type_id: TypeId) -> &[Registered] {
        self.by_type.get(&type_id).map_or(&[], Vec::as_slice)
    }

    /// Those that hear one type, type by type.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[Registered]> {
        self.by_type.values().map(Vec::as_slice)
    }

    pub(crate) fn profiles(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.by_type.values().flatten().map(|it| &it.profile)
    }
}

/// One listener in the event graph: what it is, and what it says that it publishes.
pub(crate) struct ListenerNode {
    pub(crate) profile: Arc<Profile>,
    pub(crate) publishes: Vec<EventKey>,
}
