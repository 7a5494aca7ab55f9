//! Events that nobody hears: counted, told to the hooks, and logged once for each type.

use std::{
    panic::Location,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::event::EventDescription;
use crate::panics;

/// An event that nobody heard.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Unheard {
    /// The event's name, else Rust's name of its type without the path.
    pub event: String,
    /// Where it was published.
    pub published_at: &'static Location<'static>,
}

pub(crate) type UnheardHook = Box<dyn Fn(&Unheard) + Send + Sync>;

/// How many events of one bus nobody heard, and the hooks that are told.
pub(crate) struct UnheardEvents {
    count: AtomicU64,
    hooks: Vec<UnheardHook>,
    /// Whether everything that is linked into the program is on the bus: the advice in the log depends on it.
    #[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "only the log line says it"))]
    linked: bool,
}

impl UnheardEvents {
    pub(crate) fn new(hooks: Vec<UnheardHook>, linked: bool) -> Self {
        Self { count: AtomicU64::new(0), hooks, linked }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts an event that nobody hears. `warned` is its type's: it is logged once.
    #[cold]
    pub(crate) fn add(
        &self,
        event: &EventDescription,
        warned: &AtomicBool,
        published_at: &'static Location<'static>,
    ) {
        if event.optional {
            return;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let first = !warned.swap(true, Ordering::Relaxed);
        if !first && self.hooks.is_empty() {
            return;
        }
        let unheard = Unheard { event: event.label(), published_at };
        #[cfg(feature = "tracing")]
        if first {
            tracing::warn!(
                target: "sse_tower",
                event = %unheard.event,
                published_at = %published_at,
                "event has no listener; {}",
                if self.linked {
                    "if one is written, put `#[event_listener]` on it, or add it by `.listener(..)` or \
                     `context.on`; if it is in another crate, name that in `listeners_from!`"
                } else {
                    "a bare context hears what is added by `.listener(..)`"
                }
            );
        }
        for hook in &self.hooks {
            // The event was published all the same.
            panics::contain(|| hook(&unheard));
        }
    }
}
