//! Feature `test-util`: seeing everything that is published on one bus, heard or not.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Weak},
};

use super::event::{ApplicationEvent, EventMeta};
use crate::sync::plain::{Mutex, lock};

/// One event, about to be delivered.
#[derive(Clone)]
pub struct Tapped {
    /// The event itself.
    pub event: Arc<dyn Any + Send + Sync>,
    /// Its name for people.
    pub name: String,
    /// What is known of its publication.
    pub meta: EventMeta,
}

type Hook = dyn Fn(Tapped) + Send + Sync;

/// The hooks that see what is published on one bus.
#[derive(Default)]
pub(crate) struct Taps(Mutex<Vec<Arc<Hook>>>);

impl Taps {
    /// Adds `hook` until the guard is dropped.
    pub(crate) fn add(self: &Arc<Self>, hook: impl Fn(Tapped) + Send + Sync + 'static) -> Tap {
        let hook: Arc<Hook> = Arc::new(hook);
        lock(&self.0).push(Arc::clone(&hook));
        Tap { taps: Arc::downgrade(self), hook }
    }

    /// A copy of the hooks, so that no lock is held while they run.
    pub(crate) fn hooks(&self) -> Vec<Arc<Hook>> {
        lock(&self.0).clone()
    }
}

/// Keeps a hook that sees what is published. Dropping it removes the hook.
#[must_use = "dropping it removes the hook"]
pub struct Tap {
    taps: Weak<Taps>,
    hook: Arc<Hook>,
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(taps) = self.taps.upgrade() {
            lock(&taps.0).retain(|hook| !Arc::ptr_eq(hook, &self.hook));
        }
    }
}

/// The name of `E` for people, as in [`Tapped::name`].
#[must_use]
pub fn event_label<E: ApplicationEvent>() -> String {
    E::event_type().description.label()
}

impl fmt::Debug for Tapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tapped").field("name", &self.name).field("meta", &self.meta).finish()
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}
