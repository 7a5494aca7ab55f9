//! Listeners made of closures, with all that an attribute can say.

use std::{any::type_name, future::Future, panic::Location, pin::pin, sync::Arc};

use super::{
    builder::ListenerBuilder,
    declaration::Declaration,
    event_ref::EventRef,
    inject::{Binder, Inject},
    listener::Listener,
    output::ListenerOutput,
};
use crate::{
    bus::{
        event::{ApplicationEvent, EventMeta},
        listener::{Handler, caught},
    },
    component::{Component, ComponentName},
};

fn builder<E: ?Sized + 'static, F>(
    event: EventRef,
    declared_at: &'static Location<'static>,
    bind: impl Fn(&mut Binder<'_>) -> Option<Handler<E>> + Send + Sync + 'static,
) -> ListenerBuilder<E> {
    let name = type_name::<F>();
    // The function that the closure is written in stands for the module path.
    let module = name.split("::{{closure}}").next().unwrap_or(name);
    ListenerBuilder::new(Declaration::new(name, module, declared_at, event, |_| None), bind)
}

impl Listener {
    /// Hears each `E` by reference, synchronously.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener, WiringError};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// let listener = Listener::on(|paid: &Paid| println!("{}", paid.amount))
    ///     .id("large-payments")
    ///     .order(-10)
    ///     .condition(|paid| paid.amount > 1000);
    /// let context = ApplicationContext::bare().listener(listener).build()?;
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn on<E, R, F>(f: F) -> ListenerBuilder<E>
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        F: Fn(&E) -> R + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        builder::<E, F>(EventRef::of::<E>(), Location::caller(), move |binder| {
            binder.returns::<R>();
            let f = Arc::clone(&f);
            Some(Handler::by_ref(move |event: &E, call| call.answer(f(event))))
        })
    }

    /// Hears each `E` together with what is known of it.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, EventMeta, Listener, WiringError};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// let trace = Listener::on_with_meta(|_: &Paid, meta: EventMeta| {
    ///     println!("published at {}, nested {} deep", meta.published_at, meta.depth);
    /// });
    /// let context = ApplicationContext::bare().listener(trace).build()?;
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn on_with_meta<E, R, F>(f: F) -> ListenerBuilder<E>
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        F: Fn(&E, EventMeta) -> R + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        builder::<E, F>(EventRef::of::<E>(), Location::caller(), move |binder| {
            binder.returns::<R>();
            let f = Arc::clone(&f);
            Some(Handler::by_ref(move |event: &E, call| call.answer(f(event, call.meta.get()))))
        })
    }

    /// Hears each `E` asynchronously.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, Listener}, std::{sync::Arc, time::Duration}};
    /// # struct Paid { amount: u64 } impl ApplicationEvent for Paid {}
    /// let listener = Listener::on_async(|paid: Arc<Paid>| async move {
    ///     let _amount = paid.amount.checked_mul(100).ok_or("amount is too large")?;
    ///     Ok::<(), sse_tower_core::ListenerError>(())
    /// })
    /// .timeout(Duration::from_secs(5));
    /// let context = ApplicationContext::bare().listener(listener).build()?;
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[track_caller]
    pub fn on_async<E, R, Fut, F>(f: F) -> ListenerBuilder<E>
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        Fut: Future<Output = R> + Send + 'static,
        F: Fn(Arc<E>) -> Fut + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        builder::<E, F>(EventRef::of::<E>(), Location::caller(), move |binder| {
            binder.returns::<R>();
            let f = Arc::clone(&f);
            Some(Handler::future(move |event: Arc<E>, call| {
                let f = Arc::clone(&f);
                Box::pin(async move {
                    let result = {
                        // The closure's own panic counts like its future's.
                        let running = pin!(async { f(event).await });
                        caught(running).await
                    };
                    call.answer(result)
                })
            }))
        })
    }

    /// Hears each `E` asynchronously, together with what is known of it.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, EventMeta, Listener}, std::sync::Arc};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// let charge = Listener::on_async_with_meta(|_: Arc<Paid>, meta: EventMeta| async move {
    ///     let _idempotency_key = meta.event_id().to_string();
    /// });
    /// let context = ApplicationContext::bare().listener(charge).build()?;
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[track_caller]
    pub fn on_async_with_meta<E, R, Fut, F>(f: F) -> ListenerBuilder<E>
    where
        E: ApplicationEvent,
        R: ListenerOutput,
        Fut: Future<Output = R> + Send + 'static,
        F: Fn(Arc<E>, EventMeta) -> Fut + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        builder::<E, F>(EventRef::of::<E>(), Location::caller(), move |binder| {
            binder.returns::<R>();
            let f = Arc::clone(&f);
            Some(Handler::future(move |event: Arc<E>, call| {
                let (f, meta) = (Arc::clone(&f), call.call().meta.get());
                Box::pin(async move {
                    let result = {
                        // The closure's own panic counts like its future's.
                        let running = pin!(async { f(event, meta).await });
                        caught(running).await
                    };
                    call.answer(result)
                })
            }))
        })
    }

    /// Hears every event that is declared to have the trait object `D`.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, EventType, Listener}, std::sync::Arc};
    /// trait Auditable: Send + Sync { fn line(&self) -> String; }
    /// struct Paid;
    /// impl Auditable for Paid { fn line(&self) -> String { "paid".into() } }
    /// impl ApplicationEvent for Paid {
    ///     fn event_type() -> EventType<Self> {
    ///         EventType::new().supertype::<dyn Auditable>(|event| event, |event| event)
    ///     }
    /// }
    /// // The closure's parameter has no annotation: `&dyn Auditable` there would mean another lifetime.
    /// let audit = Listener::on_trait::<dyn Auditable, _, _>(|event| println!("{}", event.line()));
    /// let context = ApplicationContext::bare().listener(audit).build()?;
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[track_caller]
    pub fn on_trait<D, R, F>(f: F) -> ListenerBuilder<D>
    where
        D: ?Sized + 'static,
        R: ListenerOutput,
        F: Fn(&D) -> R + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        builder::<D, F>(EventRef::supertype::<D>(), Location::caller(), move |binder| {
            binder.returns::<R>();
            let f = Arc::clone(&f);
            Some(Handler::by_ref(move |event: &D, call| call.answer(f(event))))
        })
    }

    /// Hears each `E` as a method of the context's component `T`, which must be registered.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, ApplicationEvent, Listener};
    /// # struct Paid; impl ApplicationEvent for Paid {}
    /// #[derive(Default)]
    /// struct Till { paid: std::sync::atomic::AtomicU64 }
    /// let count = |till: &Till, _: &Paid| {
    ///     till.paid.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    /// };
    /// let context = ApplicationContext::bare()
    ///     .component(Till::default())
    ///     .listener(Listener::on_component(count))
    ///     .build()?;
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[track_caller]
    pub fn on_component<T, E, R, F>(f: F) -> ListenerBuilder<E>
    where
        T: ?Sized + Send + Sync + 'static,
        E: ApplicationEvent,
        R: ListenerOutput,
        F: Fn(&T, &E) -> R + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        builder::<E, F>(EventRef::of::<E>(), Location::caller(), move |binder| {
            let component = <Component<T> as Inject<'_>>::bind(binder);
            binder.returns::<R>();
            let (f, component) = (Arc::clone(&f), component?);
            Some(Handler::by_ref(move |event: &E, call| call.answer(f(&component, event))))
        })
    }

    /// Hears each `E` asynchronously, with the context's component `T`, which must be registered.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, ApplicationEvent, Component, Listener}, std::sync::Arc};
    /// # struct Paid { order: u64 } impl ApplicationEvent for Paid {}
    /// struct Mailer;
    /// impl Mailer {
    ///     async fn send(&self, _order: u64) {}
    /// }
    ///
    /// let mail = Listener::on_component_async(|mailer: Component<Mailer>, paid: Arc<Paid>| async move {
    ///     mailer.send(paid.order).await;
    /// });
    /// let context = ApplicationContext::bare().component(Mailer).listener(mail).build()?;
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[track_caller]
    pub fn on_component_async<T, N, E, R, Fut, F>(f: F) -> ListenerBuilder<E>
    where
        T: ?Sized + Send + Sync + 'static,
        N: ComponentName,
        E: ApplicationEvent,
        R: ListenerOutput,
        Fut: Future<Output = R> + Send + 'static,
        F: Fn(Component<T, N>, Arc<E>) -> Fut + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        builder::<E, F>(EventRef::of::<E>(), Location::caller(), move |binder| {
            let component = <Component<T, N> as Inject<'_>>::bind(binder);
            binder.returns::<R>();
            let (f, component) = (Arc::clone(&f), component?);
            Some(Handler::future(move |event: Arc<E>, call| {
                let (f, component) = (Arc::clone(&f), component.clone());
                Box::pin(async move {
                    let result = {
                        let running = pin!(async { f(component, event).await });
                        caught(running).await
                    };
                    call.answer(result)
                })
            }))
        })
    }
}
