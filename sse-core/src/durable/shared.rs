//! What everything of this room shares.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    heard::Heard,
    lease::Lives,
    trace::{EventTrace, TraceHook},
};
use crate::{
    backplane::{Bell, Engine, Node, NodeId},
    bus::{event::EventUid, state::WeakBus},
    sync::plain::{Mutex, lock},
};

/// The topic of what goes to every node. No emitters can have it: a `%` in their names is written otherwise.
pub(super) const RESERVED_TOPIC: &str = "%events";

/// One context at a store.
pub(crate) struct Shared {
    bus: WeakBus,
    node: Node,
    engine: Arc<dyn Engine>,
    namespace: Box<str>,
    /// Nobody else is at this store: what is broadcast has nowhere to go.
    private: bool,
    /// Tells what this context published from what others did.
    source: NodeId,
    heard: Heard,
    trace_hook: Option<TraceHook>,
    heard_bell: Arc<Bell>,
    to_claim: Arc<Bell>,
    lives: Lives,
    ready: watch::Sender<bool>,
    /// Nothing is taken any more; what runs has until then.
    draining: Mutex<Option<Instant>>,
    /// All tasks end.
    ended: CancellationToken,
    /// Nothing more is said of what runs.
    said: CancellationToken,
    /// The leases were given back.
    left: CancellationToken,
}

impl Shared {
    pub(super) fn new(
        bus: WeakBus,
        node: Node,
        namespace: Box<str>,
        private: bool,
        heard: Heard,
        trace_hook: Option<TraceHook>,
    ) -> Arc<Self> {
        let engine = node.shared().shared_engine();
        let shared = Arc::new(Self {
            bus,
            engine,
            namespace,
            private,
            source: NodeId::random(),
            heard,
            trace_hook,
            heard_bell: Arc::default(),
            to_claim: Arc::default(),
            lives: Lives::new(),
            ready: watch::Sender::new(false),
            draining: Mutex::default(),
            ended: CancellationToken::new(),
            said: CancellationToken::new(),
            left: CancellationToken::new(),
            node,
        });
        shared.node.shared().add_bell(&shared.heard_bell);
        shared.node.shared().add_bell(&shared.to_claim);
        shared
    }

    pub(super) fn bus(&self) -> &WeakBus {
        &self.bus
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn is_private(&self) -> bool {
        self.private
    }

    pub(super) fn source(&self) -> NodeId {
        self.source
    }

    pub(super) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Of an event that is published here and now.
    pub(super) fn trace(&self, event: EventUid) -> EventTrace {
        EventTrace::publishing(event, self.trace_hook.as_ref())
    }

    pub(super) fn heard_bell(&self) -> &Bell {
        &self.heard_bell
    }

    pub(super) fn to_claim(&self) -> &Bell {
        &self.to_claim
    }

    pub(super) fn lives(&self) -> &Lives {
        &self.lives
    }

    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Listeners are known to the store.
    pub(super) fn now_ready(&self) {
        self.ready.send_replace(true);
    }

    pub(super) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    pub(super) async fn ready(&self) {
        // Its sender is here.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    pub(super) fn drain_until(&self, until: Instant) {
        lock(&self.draining).get_or_insert(until);
        self.to_claim.ring();
    }

    pub(super) fn draining(&self) -> Option<Instant> {
        *lock(&self.draining)
    }

    pub(super) fn said(&self) -> &CancellationToken {
        &self.said
    }

    pub(super) fn has_left(&self) {
        self.left.cancel();
    }

    pub(super) async fn left(&self) {
        self.left.cancelled().await;
    }
}
