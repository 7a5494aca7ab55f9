//! Work that outlives its caller: counted, so that one can wait for it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::Notify,
};

use super::prepared::BoxFuture;
use crate::context::ApplicationContext;

/// How many `spawn` listeners of one context may run at a time: 65 536.
///
/// Where that many do, the next runs in place, as if it were not declared `spawn`: whoever publishes
/// faster than listeners finish is slowed down, and nothing is lost.
pub const MAX_SPAWNED_LISTENERS: usize = 65_536;

/// What is under way in one context.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: AtomicUsize,
    spawned: AtomicUsize,
    idle: Notify,
}

impl Tasks {
    pub(crate) async fn settled(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            // Before looking: what ends between the two steps would otherwise wake nobody.
            idle.as_mut().enable();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// Takes one of the places for spawned listeners.
    pub(crate) fn take_place(&self) -> bool {
        self.spawned
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                (count < MAX_SPAWNED_LISTENERS).then_some(count + 1)
            })
            .is_ok()
    }

    fn give_place_back(&self) {
        self.spawned.fetch_sub(1, Ordering::AcqRel);
    }

    fn end(&self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }
}

/// While it lives, its context is not settled.
pub(crate) struct InFlight {
    context: ApplicationContext,
    spawned: bool,
}

impl InFlight {
    pub(crate) fn new(context: &ApplicationContext) -> Self {
        context.tasks().running.fetch_add(1, Ordering::AcqRel);
        Self { context: context.clone(), spawned: false }
    }

    /// For a spawned listener whose place was taken.
    pub(crate) fn spawned(context: &ApplicationContext) -> Self {
        let mut in_flight = Self::new(context);
        in_flight.spawned = true;
        in_flight
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.spawned {
            self.context.tasks().give_place_back();
        }
        self.context.tasks().end();
    }
}

/// Runs `future` where the caller is, else where the context was built, else on a thread of ours.
pub(crate) fn hand_over(context: &ApplicationContext, future: BoxFuture<()>) {
    let runtime = Handle::try_current().ok();
    let runtime = runtime.or_else(|| context.runtime().cloned()).or_else(|| own_runtime().cloned());
    match runtime {
        Some(runtime) => drop(runtime.spawn(future)),
        None => lost(),
    }
}

#[cold]
fn lost() {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "sse_tower",
        "listeners are lost: no tokio runtime, and no thread could be started; publish within a runtime"
    );
}

/// One thread for programs that publish outside of any runtime, started at the first need.
fn own_runtime() -> Option<&'static Handle> {
    static OWN: OnceLock<Option<Handle>> = OnceLock::new();
    OWN.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("sse-tower-listeners".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .ok()?;
        Some(handle)
    })
    .as_ref()
}
