//! Listeners that come and go while the bus runs.

use std::{fmt, sync::Arc};

use crate::bus::{
    listeners::Registered,
    profile::Profile,
    state::{Bus, WeakBus},
};

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
    bus: WeakBus,
    /// `None` if there is nothing to remove.
    profile: Option<Arc<Profile>>,
}

impl Subscription {
    /// Adds `listener` to `bus` until the subscription is dropped.
    pub(crate) fn new(bus: &Bus, listener: Registered) -> Self {
        let profile = Arc::clone(&listener.profile);
        bus.add(listener);
        Self { bus: bus.downgrade(), profile: Some(profile) }
    }

    /// A subscription of no listener.
    pub(crate) fn empty() -> Self {
        Self { bus: WeakBus::default(), profile: None }
    }

    /// Keeps the listener for as long as the context lives.
    pub fn forever(mut self) {
        self.profile = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let (Some(profile), Some(bus)) = (self.profile.take(), self.bus.upgrade()) {
            bus.remove(&profile);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listener = self.profile.as_ref().map(|profile| profile.label());
        f.debug_struct("Subscription").field("listener", &listener).finish()
    }
}
