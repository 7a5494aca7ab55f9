//! `Tasks`: work that outlives its caller. It is counted, so that one can wait for it, and it is begun even where its
//! caller's runtime does nothing any more.
//!
//! A runtime with threads of its own runs what is spawned on it. One of a single thread does so only while somebody
//! drives it, and a publisher may be the last to do so: `runtime.block_on(async { publish })`, and then nothing. So work
//! goes to the current runtime if that has threads of its own, else to the context's, which is the one that it was built
//! in or is served by; without one to the current one, and without any to a thread of the library's. What nobody has begun
//! after [`PATIENCE`] is begun by that thread.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle, RuntimeFlavor},
    sync::Notify,
};

use crate::{
    backstop::{self, Watched},
    boxed::{BoxFuture, spawn},
    panics,
    sync::plain::{Mutex, lock},
};

/// A runtime that has not begun something after this time has nobody who drives it, or is blocked.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many `spawn` listeners of one context may run at a time: 65 536.
///
/// Where that many do, the next runs in place, as if it were not declared `spawn`: whoever publishes
/// faster than listeners finish is slowed down, and nothing is lost.
pub const MAX_SPAWNED_LISTENERS: usize = 65_536;

/// What is under way on one bus.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    /// The runtime that the bus was made in, or is served by.
    runtime: OnceLock<Handle>,
    running: AtomicUsize,
    spawned: AtomicUsize,
    idle: Notify,
    unbegun: Mutex<Unbegun>,
}

/// Work that was handed over and has not begun: as much as there are tasks that wait for their first turn.
#[derive(Default)]
struct Unbegun {
    work: BTreeMap<u64, (Instant, BoxFuture<()>)>,
    serial: u64,
    /// The thread of last resort watches it.
    watched: bool,
}

impl std::fmt::Debug for Unbegun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unbegun").field(&self.work.len()).finish()
    }
}

impl Tasks {
    /// Remembers the runtime that it is called in.
    pub(crate) fn of_this_runtime() -> Self {
        let tasks = Self::default();
        tasks.know_this_runtime();
        tasks
    }

    /// Remembers the runtime that it is called in, if it knows none.
    pub(crate) fn know_this_runtime(&self) {
        if let Ok(runtime) = Handle::try_current() {
            // The first counts.
            drop(self.runtime.set(runtime));
        }
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

    /// Runs `future` on a runtime that is likely to be driven; see the top of this file.
    pub(crate) fn hand_over(self: &Arc<Self>, future: BoxFuture<()>) {
        let Some(runtime) = self.runtime() else {
            return lost();
        };
        let mut unbegun = lock(&self.unbegun);
        let serial = unbegun.serial;
        unbegun.serial += 1;
        unbegun.work.insert(serial, (Instant::now(), future));
        let watch = !std::mem::replace(&mut unbegun.watched, true);
        drop(unbegun);
        if watch {
            let this: Weak<Self> = Arc::downgrade(self);
            backstop::watch(this, PATIENCE);
        }
        let tasks = Arc::clone(self);
        spawn(&runtime, async move {
            if let Some(work) = tasks.begin(serial) {
                drop(tasks);
                work.await;
            }
        });
    }

    fn runtime(&self) -> Option<Handle> {
        let here = Handle::try_current().ok();
        let driven = |it: &Handle| it.runtime_flavor() != RuntimeFlavor::CurrentThread;
        match (here, self.runtime.get()) {
            (Some(here), _) if driven(&here) => Some(here),
            (_, Some(own)) => Some(own.clone()),
            (Some(here), None) => Some(here),
            (None, None) => own_runtime().cloned(),
        }
    }

    /// Takes the work with this number; whoever takes it runs it.
    fn begin(&self, serial: u64) -> Option<BoxFuture<()>> {
        lock(&self.unbegun).work.remove(&serial).map(|(_, work)| work)
    }

    /// Work that should have begun by now, and when to look again.
    fn overdue(&self) -> (Vec<BoxFuture<()>>, Option<Duration>) {
        let mut unbegun = lock(&self.unbegun);
        let mut overdue = Vec::new();
        let now = Instant::now();
        while let Some(first) = unbegun.work.first_entry() {
            let waited = now.saturating_duration_since(first.get().0);
            if let Some(left) = PATIENCE.checked_sub(waited).filter(|left| !left.is_zero()) {
                return (overdue, Some(left));
            }
            overdue.push(first.remove().1);
        }
        unbegun.watched = false;
        (overdue, None)
    }

    fn end(&self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            panics::contain(|| self.idle.notify_waiters());
        }
    }
}

impl Watched for Tasks {
    fn look(&self) -> Option<Duration> {
        let (overdue, again) = self.overdue();
        for work in overdue {
            match own_runtime() {
                Some(runtime) => drop(runtime.spawn(work)),
                None => lost(),
            }
        }
        again
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

/// A runtime on one thread of the library's, for programs that publish outside of any runtime or on one that nobody
/// drives; started when it is first needed.
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
