//! The methods of `ContextBuilder` that give a context its components: as values, by functions that make them, and
//! with what they do at the beginning and at the end.

use std::{future::Future, panic::Location, sync::Arc};

use super::{
    builder::ContextBuilder,
    building::Building,
    given::{Given, Maker},
    hooks::{Hook, HookOutput},
};
use crate::{
    boxed::BoxError,
    component::{Component, ComponentName, ComponentRef, ErasedComponent},
};

impl ContextBuilder {
    /// Gives the context a component, one of each type. In a bare context its own annotated methods
    /// come with it.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, Emitters, WiringError};
    /// let context = ApplicationContext::bare().component(Emitters::<u64>::new()).build()?;
    /// assert!(context.component::<Emitters<u64>>().is_some());
    ///
    /// let twice = ApplicationContext::bare().component(1_u8).component(2_u8).build();
    /// assert_eq!(twice.unwrap_err().faults().len(), 1);
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn component<T: Send + Sync + 'static>(self, component: T) -> Self {
        self.component_as(Arc::new(component))
    }

    /// As [`component`](Self::component), for one that the program shares already.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, Component, WiringError}, std::sync::Arc};
    /// # struct Pool;
    /// let pool = Arc::new(Pool); // the rest of the program has it too
    /// let context = ApplicationContext::bare().shared_component(Arc::clone(&pool)).build()?;
    /// let same = context.component::<Pool>().map(Component::into_arc);
    /// assert!(same.is_some_and(|same| Arc::ptr_eq(&same, &pool)));
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn shared_component<T: Send + Sync + 'static>(self, component: Arc<T>) -> Self {
        self.component_as(component)
    }

    /// Gives the context a component as a trait object: `Component<dyn Mailer>` takes it, and knows no more of it than
    /// the trait, so that a test gives something else. The trait has `Send + Sync` among its supertraits.
    ///
    /// `#[component(as = "dyn Mailer")]` on its `impl` says the same of every `Smtp` that is given by
    /// [`component`](Self::component); what is given here comes before that.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, Component, ContextBuilder, WiringError}, std::sync::{Arc, Mutex}};
    /// trait Mailer: Send + Sync {
    ///     fn send(&self, to: &str);
    /// }
    ///
    /// /// A handler, or a listener.
    /// fn welcome(mailer: &Component<dyn Mailer>) {
    ///     mailer.send("ada@example.com");
    /// }
    ///
    /// // In a test:
    /// #[derive(Default)]
    /// struct Noted(Mutex<Vec<String>>);
    /// impl Mailer for Noted {
    ///     fn send(&self, to: &str) {
    ///         self.0.lock().unwrap().push(to.to_owned());
    ///     }
    /// }
    /// let noted = Arc::new(Noted::default());
    /// let context = ApplicationContext::bare().component_as::<dyn Mailer>(noted.clone()).build()?;
    /// # let mailer = context.component::<dyn Mailer>().unwrap();
    /// # welcome(&mailer);
    /// assert_eq!(*noted.0.lock().unwrap(), ["ada@example.com"]);
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn component_as<T: ?Sized + Send + Sync + 'static>(mut self, component: Arc<T>) -> Self {
        self.components.push(Given {
            of: ComponentRef::of::<T>(),
            component: ErasedComponent::new(component),
            given_at: Location::caller(),
        });
        self
    }

    /// Gives the context a component under a name, where it has several of one type: [`Component<Pool,
    /// Eu>`](crate::ComponentName) takes the one that is called as `Eu` says.
    ///
    /// One without a name may be there too: it is what `Component<Pool>` takes. Annotated methods have the one without.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, Component, ComponentName, WiringError};
    /// # struct Pool { server: &'static str }
    /// struct Eu;
    /// impl ComponentName for Eu {
    ///     const NAME: &'static str = "eu";
    /// }
    /// let context = ApplicationContext::bare()
    ///     .component_named("eu", Pool { server: "db.eu" })
    ///     .component_named("us", Pool { server: "db.us" })
    ///     .on_stop(async |eu: Component<Pool, Eu>| println!("{} is left", eu.server))
    ///     .build()?;
    /// assert_eq!(context.component_named::<Pool>("us").map(|it| it.server), Some("db.us"));
    /// # Ok::<(), WiringError>(())
    /// ```
    #[track_caller]
    pub fn component_named<T: Send + Sync + 'static>(
        mut self,
        name: &'static str,
        component: T,
    ) -> Self {
        self.components.push(Given {
            of: ComponentRef::of::<T>().called(name),
            component: ErasedComponent::new(Arc::new(component)),
            given_at: Location::caller(),
        });
        self
    }

    /// Makes a component by a function that is asynchronous and may fail, when the context is built by
    /// [`build_async`](Self::build_async).
    ///
    /// What it takes from [`Building`] is made before it; there is no order to be kept here. Functions that do not wait
    /// for each other run side by side.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, BoxError, WiringError};
    /// # struct Pool; impl Pool { async fn connect(_: &str) -> Result<Self, BoxError> { Ok(Self) } }
    /// # struct Url(&'static str);
    /// # struct Orders; impl Orders { fn new(_: std::sync::Arc<Pool>) -> Self { Self } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
    /// let context = ApplicationContext::bare()
    ///     .component_from(async |context| {
    ///         let pool = context.component::<Pool>().await?;
    ///         Ok(Orders::new(pool.into_arc()))
    ///     })
    ///     .component_from(async |context| {
    ///         let url = context.component::<Url>().await?;
    ///         Pool::connect(url.0).await
    ///     })
    ///     .component(Url("postgres://db"))
    ///     .build_async()
    ///     .await?;
    /// assert!(context.component::<Orders>().is_some());
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn component_from<T, Fut, F>(self, make: F) -> Self
    where
        T: Send + Sync + 'static,
        Fut: Future<Output = Result<T, BoxError>> + Send + 'static,
        F: FnOnce(Building) -> Fut + Send + 'static,
    {
        self.component_named_from("", make)
    }

    /// [`component_from`](Self::component_from), under a name: see [`component_named`](Self::component_named).
    #[track_caller]
    pub fn component_named_from<T, Fut, F>(mut self, name: &'static str, make: F) -> Self
    where
        T: Send + Sync + 'static,
        Fut: Future<Output = Result<T, BoxError>> + Send + 'static,
        F: FnOnce(Building) -> Fut + Send + 'static,
    {
        self.makers.push(Maker {
            of: ComponentRef::of::<T>().called(name),
            make: Box::new(move |building| {
                Box::pin(async move {
                    let component = make(building).await?;
                    Ok(ErasedComponent::new(Arc::new(component)))
                })
            }),
            given_at: Location::caller(),
        });
        self
    }

    /// Calls `hook` with a component before the context begins, and waits for it: [`build_async`](Self::build_async) is
    /// needed. What fails or panics is its [`WiringError`](crate::WiringError), and what was started is stopped again.
    ///
    /// The hooks run one after the other: those of components in the order in which these were given, then those of
    /// components that are [made](Self::component_from), each after what it takes.
    /// [`ContextStarted`](crate::ContextStarted) is published afterwards; before that nothing is scheduled, and
    /// nothing is taken from a store.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, BoxError, Component, WiringError};
    /// # struct Cache; impl Cache { async fn fill(&self) -> Result<(), BoxError> { Ok(()) } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
    /// let context = ApplicationContext::bare()
    ///     .component(Cache)
    ///     .on_start(async |cache: Component<Cache>| cache.fill().await)
    ///     .build_async()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on_start<T, N, Fut, F>(mut self, hook: F) -> Self
    where
        T: ?Sized + Send + Sync + 'static,
        N: ComponentName,
        Fut: Future<Output: HookOutput> + Send + 'static,
        F: FnOnce(Component<T, N>) -> Fut + Send + 'static,
    {
        self.rest.starts.push(Hook::new(hook, Location::caller()));
        self
    }

    /// Calls `hook` with a component when the context has drained: after [`ContextClosed`](crate::ContextClosed), in the
    /// reverse order of [`on_start`](Self::on_start), one after the other. A failure or a panic is logged, and the next
    /// one is called.
    ///
    /// Each is waited for until the drain's deadline, and 100 ms at least; afterwards it goes on by itself. A context
    /// that is dropped without a drain calls none: what must happen in any case belongs into the component's `Drop`.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, Component, WiringError};
    /// # #[derive(Default)] struct Pool(std::sync::atomic::AtomicBool);
    /// # impl Pool { async fn close(&self) { self.0.store(true, std::sync::atomic::Ordering::Relaxed); } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
    /// let context = ApplicationContext::bare()
    ///     .component(Pool::default())
    ///     .on_stop(async |pool: Component<Pool>| pool.close().await)
    ///     .build()?;
    /// context.drain().await;
    /// # assert!(context.component::<Pool>().unwrap().0.load(std::sync::atomic::Ordering::Relaxed));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn on_stop<T, N, Fut, F>(mut self, hook: F) -> Self
    where
        T: ?Sized + Send + Sync + 'static,
        N: ComponentName,
        Fut: Future<Output: HookOutput> + Send + 'static,
        F: FnOnce(Component<T, N>) -> Fut + Send + 'static,
    {
        self.rest.stops.push(Hook::new(hook, Location::caller()));
        self
    }
}
