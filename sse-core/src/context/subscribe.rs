//! What can be wrong with a listener that is added to a running context.

use std::{panic::Location, sync::Arc};

use super::{
    ApplicationContext, checks,
    wiring::{WiringError, WiringFault},
};
use crate::bus::{
    declare::{Binder, Listener, Subscription},
    listener::arrange,
    listeners::{ErasedHandler, Registered},
    profile::Profile,
};

impl ApplicationContext {
    pub(super) fn subscribe_checked(
        &self,
        listener: &Listener,
        subscribed_at: &'static Location<'static>,
    ) -> Result<Subscription, WiringError> {
        let profile = listener.profile();
        let mut faults = Vec::new();
        let mut binder = Binder::new(self.bus().components());
        let handler = listener.bind(&mut binder);
        for component in &binder.missing {
            let (label, place) = (profile.label(), profile.declared_at);
            faults.push(WiringFault::missing(component, self.bus().components(), label, place));
        }
        let others = self.bus().profiles();
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
        for plan in self.bus().plans_hearing(profile.event.id()) {
            let mut profiles = plan.profiles();
            profiles.push(Arc::clone(&profile));
            if let Err(cycle) = arrange(&profiles) {
                let members = cycle.members.iter().filter_map(|&i| profiles.get(i));
                let listeners = members.map(|it| (it.label(), it.declared_at)).collect();
                faults.push(WiringFault::OrderCycle { listeners });
                break;
            }
        }
        if let Some(handler) = &handler {
            checks::synchronous_options(&profile, handler, &mut faults);
        }
        WiringError::check(faults, subscribed_at)?;
        // Bound to nothing means that something was missing, and that was said above.
        Ok(self.subscribe_bound(profile, handler))
    }

    /// For listeners that take nothing but their event, which nothing can be wrong with.
    pub(super) fn subscribe_plain(&self, listener: &Listener) -> Subscription {
        let handler = listener.bind(&mut Binder::new(self.bus().components()));
        self.subscribe_bound(listener.profile(), handler)
    }

    fn subscribe_bound(
        &self,
        profile: Arc<Profile>,
        handler: Option<ErasedHandler>,
    ) -> Subscription {
        match handler {
            Some(handler) => Subscription::new(self.bus(), Registered { profile, handler }),
            None => Subscription::empty(),
        }
    }
}
