//! A store, and processes at it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, EventMeta, EventType, Listener, ListenerBuilder,
    ListenerStats,
    backplane::{Health, MemoryStore, Node, NodeOptions, memory::NodeFaults},
};
use tokio::time::Instant;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Paid {
    pub(crate) order: u32,
}

impl ApplicationEvent for Paid {
    fn event_type() -> EventType<Self> {
        EventType::new().name("order.paid").json()
    }
}

/// One process.
pub(crate) struct Process {
    pub(crate) context: ApplicationContext,
    pub(crate) faults: NodeFaults,
}

impl Process {
    pub(crate) fn start(store: &MemoryStore, listeners: Vec<Listener>) -> Self {
        let engine = store.engine();
        let faults = engine.faults();
        let node = Node::new(engine, NodeOptions::default());
        assert_eq!(*node.health().borrow(), Health::Up);
        let mut builder = ApplicationContext::bare().backplane(&node);
        for listener in listeners {
            builder = builder.listener(listener);
        }
        Self { context: builder.build().expect("a context"), faults }
    }

    /// To the store and to everybody else it is dead.
    pub(crate) fn die(&self) {
        self.faults.away();
    }

    pub(crate) async fn publish(&self, orders: impl IntoIterator<Item = u32>) {
        for order in orders {
            self.context.publish_event(Paid { order }).await.expect("it is stored");
        }
    }

    pub(crate) async fn stats(&self, listener: &str) -> ListenerStats {
        let all = self.context.listeners().await.expect("listeners are listed");
        all.into_iter().find(|it| &*it.listener == listener).expect("a known listener")
    }

    /// Until nothing is left to do for this listener.
    pub(crate) async fn done(&self, listener: &str, within: Duration) {
        eventually(within, "nothing is left", async || {
            let stats = self.stats(listener).await;
            stats.backlog + stats.waiting + stats.running == 0
        })
        .await;
    }
}

/// What was handled: how often, and when first.
#[derive(Clone, Default)]
pub(crate) struct Handled(Arc<Mutex<HashMap<u32, u32>>>);

impl Handled {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<u32, u32>> {
        self.0.lock().unwrap()
    }

    pub(crate) fn note(&self, order: u32) -> u32 {
        let mut handled = self.lock();
        let times = handled.entry(order).or_default();
        *times += 1;
        *times
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// How many runs were more than one for each event.
    pub(crate) fn repeated(&self) -> u32 {
        self.lock().values().map(|times| times - 1).sum()
    }

    pub(crate) fn orders(&self) -> Vec<u32> {
        let mut orders: Vec<u32> = self.lock().keys().copied().collect();
        orders.sort_unstable();
        orders
    }
}

/// A listener that takes a moment, and notes what it has handled.
pub(crate) fn notes(handled: &Handled, takes: Duration) -> ListenerBuilder<Paid> {
    let handled = handled.clone();
    Listener::on_async(move |paid: Arc<Paid>| {
        let handled = handled.clone();
        async move {
            tokio::time::sleep(takes).await;
            handled.note(paid.order);
        }
    })
    .durable()
    .id("mail")
}

/// A listener that is asked each time what it answers.
pub(crate) fn answers(
    answer: impl Fn(&Paid, EventMeta) -> Result<(), sse_tower_core::ListenerError>
    + Send
    + Sync
    + 'static,
) -> ListenerBuilder<Paid> {
    Listener::on_with_meta(move |paid: &Paid, meta: EventMeta| answer(paid, meta))
        .durable()
        .id("mail")
}

pub(crate) async fn eventually(within: Duration, what: &str, condition: impl AsyncFn() -> bool) {
    let until = Instant::now() + within;
    // Who waits for hours looks less often.
    let pause = (within / 600).clamp(Duration::from_millis(100), seconds(5));
    while !condition().await {
        assert!(Instant::now() < until, "not within {within:?}: {what}");
        tokio::time::sleep(pause).await;
    }
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const HOUR: Duration = seconds(3_600);
