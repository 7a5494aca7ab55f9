//! Beginning: listeners become known to the store before the context is ready, and before anything is stored.

use std::{
    future::Future,
    sync::Arc,
    task::{Context, Waker},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{self, Handle},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    asking,
    broadcast::{self, Known},
    claimer,
    courier::Courier,
    heard::Heard,
    renewal,
    shared::Shared,
    trace::TraceHook,
    turn::{self, Turn},
    worker::Worker,
};
use crate::{
    backplane::{
        EngineError, EventKind, MemoryStore, Node, NodeOptions, Registration, Since, is_mutant,
    },
    boxed::{BoxFuture, spawn},
    bus::{
        event::Durable,
        listeners::Registered,
        profile::{DEFAULT_DURABLE_TIMEOUT, DurableOptions, Profile},
        publish::{Arrivals, Kinds},
        state::Bus,
    },
    observe,
};

/// After a start that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A durable listener, bound.
pub(crate) struct DurableListener {
    pub(crate) registered: Registered,
    pub(crate) arrivals: Arrivals,
    pub(crate) options: DurableOptions,
    pub(crate) id: &'static str,
}

/// What a context has of all this.
pub(crate) struct Setup {
    /// `None`: a store of its own, in memory.
    pub(crate) node: Option<Node>,
    pub(crate) listeners: Vec<DurableListener>,
    pub(crate) broadcasts: Vec<(Kinds, Arrivals)>,
    pub(crate) trace_hook: Option<TraceHook>,
    /// Of a context with a node.
    pub(crate) turns: Vec<Turn>,
}

impl Setup {
    /// Whether there is anything to do.
    pub(crate) fn is_wanted(&self) -> bool {
        self.node.is_some() || !self.listeners.is_empty()
    }
}

/// Gives the bus its courier, and starts what works behind it.
pub(crate) fn start(bus: &Bus, setup: Setup) {
    let Setup { node, listeners, broadcasts, trace_hook, turns } = setup;
    let private = node.is_none();
    let node = node.unwrap_or_else(|| {
        observe::durable_in_memory(listeners.len());
        Node::new(MemoryStore::new().engine(), NodeOptions::default())
    });
    let names: Vec<Arc<str>> = turns.iter().map(Turn::listener).collect();
    let registrations: Vec<Registration> = listeners
        .iter()
        .filter_map(registration)
        .chain(names.iter().map(turn::registration))
        .collect();
    let namespace = node.shared().shared_engine().namespace().into();
    let heard = Heard::new(&registrations);
    let shared = Shared::new(bus.downgrade(), node, namespace, private, heard, trace_hook);
    bus.set_carrier(Box::new(Courier(Arc::clone(&shared))));
    let listeners = listeners.into_iter().filter_map(|it| worker(it, shared.namespace()));
    let workers: Vec<_> = listeners.chain(turns.into_iter().map(Turn::worker)).collect();
    let Some(runtime) = shared.node().shared().runtime().cloned() else { return };
    let within = runtime.enter();
    let mut begin = Box::pin(begin(Arc::clone(&shared), registrations.clone()));
    // A store in memory has answered already.
    let begun = begin.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    let known = Known::new(broadcasts);
    let shared_to_run = Arc::clone(&shared);
    spawn(&runtime, async move {
        if !begun && shared_to_run.ended().run_until_cancelled(begin).await.is_none() {
            return;
        }
        let shared = shared_to_run;
        let ended = shared.ended().clone();
        spawn_until(ended.clone(), asking::keep_asking(Arc::clone(&shared), registrations));
        if !names.is_empty() {
            spawn_until(ended, turn::keep(Arc::clone(&shared), names));
        }
        if workers.is_empty() {
            shared.has_left();
        } else {
            renew_leases(&shared);
            let said = shared.said().clone().drop_guard();
            spawn(&Handle::current(), claimer::run(Arc::clone(&shared), workers, said));
        }
    });
    if !private {
        spawn(&runtime, broadcast::run(shared, known));
    }
    drop(within);
}

fn spawn_until(ended: CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
    let task: BoxFuture<()> = Box::pin(task);
    spawn(&Handle::current(), async move {
        let _ = ended.run_until_cancelled(task).await;
    });
}

fn registration(listener: &DurableListener) -> Option<Registration> {
    let kinds = (listener.arrivals.kinds)()?;
    let since = if listener.options.earliest { Since::Earliest } else { Since::Now };
    Some(Registration { listener: listener.id.into(), hears: vec![kinds.name.into()], since })
}

fn worker(listener: DurableListener, namespace: &str) -> Option<Worker> {
    let DurableListener { registered, arrivals, options, id } = listener;
    let timeout = registered.profile.timeout.unwrap_or(DEFAULT_DURABLE_TIMEOUT);
    let asynchronous = registered.handler.is_async();
    // It runs where it is called, and nothing comes before or after it.
    let profile = Profile {
        timeout: asynchronous.then_some(timeout),
        before: &[],
        after: &[],
        ..*registered.profile
    };
    let registered = Registered { profile: Arc::new(profile), ..registered };
    let one = (arrivals.durable)(registered, Durable::known(id, namespace))?;
    let kinds = (arrivals.kinds)()?;
    let name: Arc<str> = kinds.name.into();
    let kind = |version| EventKind { name: name.clone(), version };
    let kinds = kinds.versions.into_iter().map(kind).collect();
    Some(Worker::new(id.into(), one, kinds, options, timeout))
}

async fn begin(shared: Arc<Shared>, registrations: Vec<Registration>) {
    loop {
        match register(&shared, &registrations).await {
            Ok(()) => return shared.now_ready(),
            Err(error) => observe::backplane_trouble("register", &error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn register(shared: &Shared, registrations: &[Registration]) -> Result<(), EngineError> {
    shared.node().shared().started().await?;
    if let Some(queue) = shared.engine().queue()
        && !registrations.is_empty()
    {
        queue.register(registrations.to_vec()).await?;
    }
    asking::ask(shared).await.map(drop)
}

/// On a thread with a runtime of its own: a listener that blocks the program's runtime must not look like a death.
///
/// Where tokio's clock is paused, as in tests, there is only one runtime that has it, and leases are renewed there.
fn renew_leases(shared: &Arc<Shared>) {
    let as_listeners = is_mutant!(shared.node().shared().options(), LeasesOnTheRuntime);
    if !as_listeners && !clock_stands_still() {
        match on_a_thread(renewal::keep(Arc::clone(shared))) {
            Ok(()) => return,
            Err(error) => observe::backplane_trouble("thread", &error),
        }
    }
    spawn(&Handle::current(), renewal::keep(Arc::clone(shared)));
}

fn on_a_thread(task: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let own = runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name("sse-tower-lease".to_owned());
    thread.spawn(move || own.block_on(task)).map(drop)
}

/// Whether tokio's clock is paused: real time goes on, and it does not.
fn clock_stands_still() -> bool {
    let (before, real) = (Instant::now(), std::time::Instant::now());
    while real.elapsed() < Duration::from_micros(20) {
        std::hint::spin_loop();
    }
    Instant::now() == before
}
