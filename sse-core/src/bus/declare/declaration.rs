//! A listener as an attribute declares it.

use std::{panic::Location, time::Duration};

use super::{event_ref::EventRef, inject::Binder};
use crate::{
    bus::{
        listeners::ErasedHandler,
        profile::{DurableOptions, Phase, Profile},
        scheduled::Timetable,
    },
    component::ComponentRef,
};

pub(super) type Bind = fn(&mut Binder<'_>) -> Option<ErasedHandler>;

/// A listener as an attribute declares it: static data only.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    pub(crate) profile: Profile,
    pub(super) event: EventRef,
    pub(super) bind: Bind,
}

impl Declaration {
    /// A listener with nothing but its name, its place, what it hears and how it is bound.
    #[must_use]
    pub const fn new(
        name: &'static str,
        module: &'static str,
        declared_at: &'static Location<'static>,
        event: EventRef,
        bind: Bind,
    ) -> Self {
        let profile = Profile::new(name, module, declared_at, event.key);
        Self { profile, event, bind }
    }

    /// A stable name.
    #[must_use]
    pub const fn id(mut self, id: &'static str) -> Self {
        self.profile.id = Some(id);
        self
    }

    /// Lower runs earlier.
    #[must_use]
    pub const fn order(mut self, order: i32) -> Self {
        self.profile.order = order;
        self
    }

    /// Listeners that this one precedes.
    #[must_use]
    pub const fn before(mut self, targets: &'static [&'static str]) -> Self {
        self.profile.before = targets;
        self
    }

    /// Listeners that this one follows.
    #[must_use]
    pub const fn after(mut self, targets: &'static [&'static str]) -> Self {
        self.profile.after = targets;
        self
    }

    /// Stops an asynchronous listener after that many milliseconds.
    #[must_use]
    pub const fn timeout_millis(mut self, millis: u64) -> Self {
        self.profile.timeout = Some(Duration::from_millis(millis));
        self
    }

    /// Runs an asynchronous listener in a task of its own.
    #[must_use]
    pub const fn spawn(mut self) -> Self {
        self.profile.spawn = true;
        self
    }

    /// Makes it a listener of a transaction's phase.
    #[must_use]
    pub const fn phase(mut self, phase: Phase) -> Self {
        self.profile.phase = Some(phase);
        self
    }

    /// Outside of a transaction, runs a listener of a phase at once.
    #[must_use]
    pub const fn fallback(mut self) -> Self {
        self.profile.fallback = true;
        self
    }

    /// Makes it a scheduled function.
    #[must_use]
    pub const fn timetable(mut self, timetable: Timetable) -> Self {
        self.profile.timetable = Some(timetable);
        self
    }

    /// Its events survive the process.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.profile.durable = Some(DurableOptions::DEFAULT);
        self
    }

    /// How often a durable listener is tried in all.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        if let Some(durable) = &mut self.profile.durable {
            durable.attempts = attempts;
        }
        self
    }

    /// How many milliseconds pass before the second attempt.
    #[must_use]
    pub const fn backoff_millis(mut self, millis: u64) -> Self {
        if let Some(durable) = &mut self.profile.durable {
            durable.backoff = Duration::from_millis(millis);
        }
        self
    }

    /// How many events a durable listener handles at a time in one process.
    #[must_use]
    pub const fn concurrency(mut self, concurrency: u32) -> Self {
        if let Some(durable) = &mut self.profile.durable {
            durable.concurrency = concurrency;
        }
        self
    }

    /// A durable listener handles one event at a time, in order.
    #[must_use]
    pub const fn ordered(mut self) -> Self {
        if let Some(durable) = &mut self.profile.durable {
            durable.ordered = true;
        }
        self
    }

    /// A new listener begins with the events that the store has kept.
    #[must_use]
    pub const fn earliest(mut self) -> Self {
        if let Some(durable) = &mut self.profile.durable {
            durable.earliest = true;
        }
        self
    }

    /// A dead letter pauses the listener on every process.
    #[must_use]
    pub const fn stop_on_dead(mut self) -> Self {
        if let Some(durable) = &mut self.profile.durable {
            durable.stop = true;
        }
        self
    }

    /// The component whose method the listener is.
    #[must_use]
    pub const fn owner(mut self, owner: ComponentRef) -> Self {
        self.profile.owner = Some(owner);
        self
    }
}
