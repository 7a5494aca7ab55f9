//! Feature `test-util`: seeing everything that is published in one context, heard or not.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{ApplicationContext, Inner};
use crate::bus::{ApplicationEvent, EventDescription, EventMeta, Held};

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

/// Who sees what is published in a context.
#[derive(Default)]
pub(super) struct Taps(Mutex<Vec<Arc<Hook>>>);

impl Taps {
    /// A copy, so that no lock is held while they run.
    fn hooks(&self) -> Vec<Arc<Hook>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps a hook that sees what is published. Dropping it removes the hook.
#[must_use = "dropping it removes the hook"]
pub struct Tap {
    context: Weak<Inner>,
    hook: Arc<Hook>,
}

/// Calls `hook` with each event of `context` before its listeners run: whoever published it, and
/// also if there are none. An event of a transaction is seen at the commit.
pub fn tap(context: &ApplicationContext, hook: impl Fn(Tapped) + Send + Sync + 'static) -> Tap {
    let hook: Arc<Hook> = Arc::new(hook);
    let taps = &context.0.taps;
    taps.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&hook));
    // The short way of plain listeners passes taps by; it is only for plans that never changed.
    context.change_all();
    Tap { context: Arc::downgrade(&context.0), hook }
}

/// The name of `E` for people, as in [`Tapped::name`].
#[must_use]
pub fn event_label<E: ApplicationEvent>() -> String {
    E::event_type().description.label()
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(inner) = self.context.upgrade() {
            let mut hooks = inner.taps.0.lock().unwrap_or_else(PoisonError::into_inner);
            hooks.retain(|hook| !Arc::ptr_eq(hook, &self.hook));
        }
    }
}

impl ApplicationContext {
    /// Shows an event to the taps, for which it has to be shared.
    pub(crate) fn show<E: Send + Sync + 'static>(
        &self,
        held: Held<E>,
        describe: fn() -> EventDescription,
        meta: &EventMeta,
    ) -> Held<E> {
        let hooks = self.0.taps.hooks();
        if hooks.is_empty() {
            return held;
        }
        let event = match held {
            Held::Owned(event) => Arc::new(event),
            Held::Shared(event) => event,
        };
        for hook in hooks {
            hook(Tapped { event: event.clone(), name: describe().label(), meta: *meta });
        }
        Held::Shared(event)
    }
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
