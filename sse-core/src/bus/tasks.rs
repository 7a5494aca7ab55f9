//! Work that outlives its caller: counted, so that one can wait for it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::Notify,
};

use crate::boxed::BoxFuture;

/// How many `spawn` listeners of one context may run at a time: 65 536.
///
/// Where that many do, the next runs in place, as if it were not declared `spawn`: whoever publishes
/// faster than listeners finish is slowed down, and nothing is lost.
pub const MAX_SPAWNED_LISTENERS: usize = 65_536;

/// What is under way on one bus.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    /// The runtime that the bus was made in.
    runtime: Option<Handle>,
    running: AtomicUsize,
    spawned: AtomicUsize,
    idle: Notify,
}

impl Tasks {
    /// Remembers the runtime that it is called in.
    pub(crate) fn of_this_runtime() -> Self {
        Self { runtime: Handle::try_current().ok(), ..Self::default() }
    }

    /// Waits until nothing is under way.
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
    fn take_place(&self) -> bool {
        self.spawned
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                (count < MAX_SPAWNED_LISTENERS).then_some(count + 1)
            })
            .is_ok()
    }

    fn give_place_back(&self) {
        self.spawned.fetch_sub(1, Ordering::AcqRel);
    }

    /// Runs `future` where the caller is, else where the bus was made, else on a thread of ours.
    pub(crate) fn hand_over(&self, future: BoxFuture<()>) {
        let runtime = Handle::try_current().ok();
        let runtime = runtime.or_else(|| self.runtime.clone()).or_else(|| own_runtime().cloned());
        match runtime {
            Some(runtime) => drop(runtime.spawn(future)),
            None => lost(),
        }
    }

    fn end(&self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }
}

/// While it lives, its bus is not settled.
pub(crate) struct InFlight(Arc<Tasks>);

impl InFlight {
    pub(crate) fn new(tasks: &Arc<Tasks>) -> Self {
        tasks.running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(tasks))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// [`InFlight`] of a spawned listener, with its place among [`MAX_SPAWNED_LISTENERS`].
pub(crate) struct SpawnedInFlight(InFlight);

impl SpawnedInFlight {
    /// `None` where all places are taken.
    pub(crate) fn new(tasks: &Arc<Tasks>) -> Option<Self> {
        tasks.take_place().then(|| Self(InFlight::new(tasks)))
    }
}

impl Drop for SpawnedInFlight {
    fn drop(&mut self) {
        // Before the task is over: who waits for that finds the place free.
        self.0.0.give_place_back();
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
