//! Listeners that come and go while the context runs.

use std::{
    fmt,
    panic::Location,
    sync::{Arc, PoisonError, Weak},
};

use super::{ApplicationContext, Inner, WiringError, WiringFault, checks};
use crate::bus::{AnySlot, Binder, Listener, Profile, Registered, arrange};

/// Keeps a listener that was added to a running context. Dropping it removes the listener: hold it
/// for as long as the listener is to hear, or say [`.forever()`](Self::forever).
///
/// A call that has begun goes on; publications that have begun still reach it. It holds neither the
/// context nor its components alive.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, ApplicationEvent};
/// # struct Paid; impl ApplicationEvent for Paid {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let context = ApplicationContext::bare().build()?;
/// let for_now = context.on(|_: &Paid| ());
/// context.on(|_: &Paid| ()).forever();
/// drop(for_now);
/// assert_eq!(context.publish_event(Paid).await?.ran(), 1);
/// # Ok(()) }
/// ```
#[must_use = "dropping it removes the listener; `.forever()` keeps it"]
pub struct Subscription {
    context: Weak<Inner>,
    profile: Option<Arc<Profile>>,
}

impl Subscription {
    /// Keeps the listener for as long as the context lives.
    pub fn forever(mut self) {
        self.profile = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let (Some(profile), Some(inner)) = (self.profile.take(), self.context.upgrade()) {
            ApplicationContext(inner).unsubscribe(&profile);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listener = self.profile.as_ref().map(|profile| profile.label());
        f.debug_struct("Subscription").field("listener", &listener).finish()
    }
}

impl ApplicationContext {
    pub(super) fn subscribe_checked(
        &self,
        listener: &Listener,
        subscribed_at: &'static Location<'static>,
    ) -> Result<Subscription, WiringError> {
        let profile = listener.profile();
        let mut faults = Vec::new();
        let mut binder = Binder::new(&self.0.components);
        let wired = listener.bind(&mut binder);
        for component in &binder.missing {
            let (label, place) = (profile.label(), profile.declared_at);
            faults.push(WiringFault::missing(component, &self.0.components, label, place));
        }
        let others = self.profiles();
        if let Some(id) = profile.id
            && let Some(first) = others.iter().find(|it| it.id == Some(id))
        {
            faults.push(WiringFault::DuplicateListenerId {
                id,
                first: first.declared_at,
                second: profile.declared_at,
            });
        }
        for target in profile.before.iter().chain(profile.after) {
            if !others.iter().any(|it| it.is_called(target)) {
                faults.push(WiringFault::UnknownListener {
                    listener: profile.label(),
                    target,
                    declared_at: profile.declared_at,
                });
            }
        }
        for slot in self.slots_hearing(&profile) {
            let mut profiles = slot.profiles();
            profiles.push(Arc::clone(&profile));
            if let Err(cycle) = arrange(&profiles) {
                let members = cycle.members.iter().filter_map(|&i| profiles.get(i));
                let listeners = members.map(|it| (it.label(), it.declared_at)).collect();
                faults.push(WiringFault::OrderCycle { listeners });
                break;
            }
        }
        if let Some(wired) = &wired {
            checks::synchronous_options(&profile, wired, &mut faults);
        }
        WiringError::check(faults, subscribed_at)?;
        Ok(match wired {
            Some(wired) => self.subscribe_bound(Registered { profile, wired }),
            // Bound to nothing means that something was missing, and that was said above.
            None => Subscription { context: Weak::new(), profile: None },
        })
    }

    /// For listeners that take nothing but their event, which nothing can be wrong with.
    pub(super) fn subscribe_plain(&self, listener: &Listener) -> Subscription {
        let wired = listener.bind(&mut Binder::new(&self.0.components));
        match wired {
            Some(wired) => self.subscribe_bound(Registered { profile: listener.profile(), wired }),
            None => Subscription { context: Weak::new(), profile: None },
        }
    }

    fn subscribe_bound(&self, listener: Registered) -> Subscription {
        let profile = Arc::clone(&listener.profile);
        self.change(&profile, |subscribed| {
            subscribed.add(listener);
            None
        });
        Subscription { context: Arc::downgrade(&self.0), profile: Some(profile) }
    }

    fn unsubscribe(&self, profile: &Arc<Profile>) {
        self.change(profile, |subscribed| subscribed.remove(profile));
    }

    /// Changes the subscribed listeners and the plans that they are in. What is no longer needed is
    /// dropped after the lock: closures of the program die here.
    fn change(
        &self,
        profile: &Profile,
        change: impl FnOnce(&mut crate::bus::Sources) -> Option<Registered>,
    ) {
        let mut subscribed = self.0.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = change(&mut subscribed);
        let old: Vec<_> = self
            .slots_hearing(profile)
            .into_iter()
            .map(|slot| slot.refresh(&self.0.fixed, &subscribed))
            .collect();
        drop(subscribed);
        drop((old, removed));
    }

    /// Lets every known event go by its plan of this moment, as if a listener had come and gone.
    #[cfg(feature = "test-util")]
    pub(super) fn change_all(&self) {
        let subscribed = self.0.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = self.0.slots.iter();
        let old: Vec<_> = slots.map(|slot| slot.refresh(&self.0.fixed, &subscribed)).collect();
        drop(subscribed);
        drop(old);
    }

    fn slots_hearing(&self, profile: &Profile) -> Vec<Arc<dyn AnySlot>> {
        let type_id = profile.event.id();
        let late = self.0.late.read().unwrap_or_else(PoisonError::into_inner);
        let slots = self.0.slots.iter().chain(late.values());
        slots.filter(|slot| slot.hears(type_id)).cloned().collect()
    }
}
