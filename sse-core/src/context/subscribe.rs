//! The methods of `ApplicationContext` that add listeners while it runs, and what can be wrong with these.

use std::{future::Future, panic::Location, sync::Arc};

use super::{
    application_context::ApplicationContext,
    checks,
    wiring::{WiringError, WiringFault},
};
use crate::bus::{
    declare::{Binder, Listener, ListenerOutput, Subscription},
    event::ApplicationEvent,
    listener::arrange,
    listeners::{ErasedHandler, Registered},
    profile::Profile,
};

impl ApplicationContext {
    /// Adds a synchronous listener until the [`Subscription`] is dropped.
    ///
    /// Keep the `Subscription`, or say [`.forever()`](Subscription::forever): in a statement of its own,
    /// or bound to `_`, it is dropped there, and the listener hears nothing.
    ///
    /// Publications that have begun do not reach it. Adding one copies the list of the event's
    /// listeners; for thousands of receivers use [`Emitters`](crate::Emitters).
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, SseEmitter};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// let emitter = SseEmitter::new(); // one connection, which hears of payments while it is open
    /// let page = emitter.clone();
    /// let subscription = context.on(move |paid: &Paid| page.try_send(paid.amount.to_string()));
    /// emitter.on_completion(move |_| drop(subscription)); // kept until then
    ///
    /// assert_eq!(context.publish_event(Paid { amount: 100 }).await?.ran(), 1);
    /// drop(emitter.into_stream()); // the client has gone
    /// assert_eq!(context.publish_event(Paid { amount: 200 }).await?.ran(), 0);
    ///
    /// context.on(|paid: &Paid| println!("paid: {}", paid.amount)).forever();
    /// assert_eq!(context.publish_event(Paid { amount: 300 }).await?.ran(), 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on<E, R, F>(&self, listener: F) -> Subscription
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        F: Fn(&E) -> R + Send + Sync + 'static,
    {
        self.subscribe_plain(&Listener::on(listener).into())
    }

    /// Adds an asynchronous listener until the [`Subscription`] is dropped. As [`on`](Self::on)
    /// otherwise.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent}, std::sync::Arc};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// # async fn print(amount: u64) {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let context = ApplicationContext::bare().build()?;
    /// context.on_async(|paid: Arc<Paid>| async move { print(paid.amount).await }).forever();
    /// assert_eq!(context.publish_event(Paid { amount: 100 }).await?.ran(), 1);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on_async<E, R, Fut, F>(&self, listener: F) -> Subscription
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        Fut: Future<Output = R> + Send + 'static,
        F: Fn(Arc<E>) -> Fut + Send + Sync + 'static,
    {
        self.subscribe_plain(&Listener::on_async(listener).into())
    }

    /// Adds a listener with options until the [`Subscription`] is dropped.
    ///
    /// # Errors
    /// [`WiringError`] if it takes a component that is missing, has an id that is taken, or names
    /// listeners in `before` or `after` that do not exist or that wait for it in turn.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, WiringError};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// # let context = ApplicationContext::bare().build()?;
    /// let large = Listener::on(|_: &Paid| println!("large")).condition(|paid| paid.amount > 1000);
    /// let subscription = context.subscribe(large)?;
    /// # drop(subscription);
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn subscribe(&self, listener: impl Into<Listener>) -> Result<Subscription, WiringError> {
        self.subscribe_checked(&listener.into(), Location::caller())
    }

    fn subscribe_checked(
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
        if profile.durable.is_some() {
            faults.push(WiringFault::Durable {
                listener: profile.label(),
                problem: "is known to the store from the beginning; give it to the builder by `.listener(..)`".to_owned(),
                declared_at: profile.declared_at,
            });
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
        let mut plans = Vec::new();
        self.bus().each_plan_hearing(profile.event.id(), |plan| plans.push(plan.profiles()));
        for mut profiles in plans {
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
            checks::joins(&profile, binder.joins, &mut faults);
        }
        WiringError::check(faults, subscribed_at)?;
        // Bound to nothing means that something was missing, and that was said above.
        Ok(self.subscribe_bound(profile, handler))
    }

    /// Adds a listener that takes nothing but its event, so that nothing can be wrong with it.
    fn subscribe_plain(&self, listener: &Listener) -> Subscription {
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
