//! `Hook` and `Stops`: what components do when the context begins and when it has ended.

use std::{fmt, future::Future, pin::pin, sync::Arc};

use super::{
    given::Collected,
    wiring::{Place, WiringFault},
};
use crate::{
    boxed::{BoxError, BoxFuture},
    bus::listener::{ListenerPanicked, caught},
    component::{Component, ComponentName, ComponentRef, Components},
    sorted::sort_by_key,
    sync::plain::{Mutex, lock},
};

type Run = Box<dyn FnOnce() -> BoxFuture<Result<(), BoxError>> + Send>;
/// `None`: there is no such component.
type Bind = Box<dyn FnOnce(&Components) -> Option<Run> + Send>;

/// A function of a component, which is to be found yet.
pub(super) struct Hook {
    pub(super) of: ComponentRef,
    pub(super) given_at: Place,
    bind: Bind,
}

/// A function with its component.
pub(super) struct Bound {
    of: ComponentRef,
    given_at: Place,
    /// Its component's place: later ones may take earlier ones.
    place: usize,
    run: Run,
}

/// What [`on_start`](crate::ContextBuilder::on_start) and [`on_stop`](crate::ContextBuilder::on_stop) may return: nothing, or a
/// `Result` whose error says what went wrong.
pub trait HookOutput {
    #[doc(hidden)]
    fn outcome(self) -> Result<(), BoxError>;
}

impl HookOutput for () {
    fn outcome(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> HookOutput for Result<(), E> {
    fn outcome(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

impl Hook {
    pub(super) fn new<T, N, Fut, F>(hook: F, given_at: Place) -> Self
    where
        T: ?Sized + Send + Sync + 'static,
        N: ComponentName,
        Fut: Future<Output: HookOutput> + Send + 'static,
        F: FnOnce(Component<T, N>) -> Fut + Send + 'static,
    {
        let bind = move |components: &Components| {
            let component = Component::new(components.get::<T>(N::NAME)?);
            let run: Run =
                Box::new(move || Box::pin(async move { hook(component).await.outcome() }));
            Some(run)
        };
        Self { of: ComponentRef::named::<T, N>(), given_at, bind: Box::new(bind) }
    }
}

/// Finds the components of hooks, and puts the hooks in the order of those.
pub(super) fn bind(
    hooks: Vec<Hook>,
    what: &str,
    collected: &Collected,
    faults: &mut Vec<WiringFault>,
) -> Vec<Bound> {
    let mut bound = Vec::with_capacity(hooks.len());
    for Hook { of, given_at, bind } in hooks {
        match bind(&collected.components) {
            Some(run) => {
                let place = collected.order.get(&of.key()).copied().unwrap_or(usize::MAX);
                bound.push(Bound { of, given_at, place, run });
            }
            None if collected.components.contains(of.key()) => {}
            None => faults.push(WiringFault::missing(&of, &collected.components, what, given_at)),
        }
    }
    sort_by_key(&mut bound, |it| it.place);
    bound
}

/// Calls them in order. If one fails, the hooks of `stops` whose components come before are called, in reverse.
pub(super) async fn start(starts: Vec<Bound>, stops: &Stops) -> Result<(), WiringFault> {
    for hook in starts {
        let (of, given_at, place) = (hook.of, hook.given_at, hook.place);
        if let Err(error) = hook.call().await {
            for stop in stops.take().into_iter().filter(|it| it.place < place) {
                stop.stop().await;
            }
            let component = (of.type_name)();
            return Err(WiringFault::NotStarted { component, given_at, error: error.into() });
        }
    }
    Ok(())
}

impl Bound {
    async fn call(self) -> Result<(), BoxError> {
        let run = self.run;
        // Its own panic counts like its future's.
        let running = pin!(async { run().await });
        caught(running).await.unwrap_or_else(|panic| Err(panicked(&panic)))
    }

    /// Calls it. A failure is logged, and nothing more.
    pub(super) async fn stop(self) {
        let (of, given_at) = (self.of, self.given_at);
        let outcome = self.call().await;
        #[cfg(feature = "tracing")]
        if let Err(error) = &outcome {
            tracing::error!(
                target: "sse_tower",
                component = ?of,
                declared_at = %given_at,
                error = %crate::error_chain::ErrorChain(&**error),
                "component could not be stopped"
            );
        }
        #[cfg(not(feature = "tracing"))]
        drop((outcome, of, given_at));
    }
}

/// What is to be called when the context has ended. A clone is the same.
#[derive(Clone, Default)]
pub(super) struct Stops(Arc<Mutex<Vec<Bound>>>);

impl Stops {
    pub(super) fn new(stops: Vec<Bound>) -> Self {
        Self(Arc::new(Mutex::new(stops)))
    }

    /// Takes all of them, once: the component that was started last comes first.
    pub(super) fn take(&self) -> Vec<Bound> {
        let mut stops = std::mem::take(&mut *lock(&self.0));
        stops.reverse();
        stops
    }
}

impl fmt::Debug for Stops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stops").finish_non_exhaustive()
    }
}

pub(super) fn panicked(panic: &ListenerPanicked) -> BoxError {
    format!("panicked: {}", panic.message).into()
}
