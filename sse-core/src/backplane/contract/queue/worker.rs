//! `Worker`: one node with a lease, for the rules of the queue.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::backplane::{
    Beat, Change, Claim, Claimed, DeadLetter, DeadReason, Deliveries, Delivery, EventKind, Fence,
    ListenerStats, NodeId, Position, Queue, QueuedEvent, Registration, Since, Verdict,
    contract::{Harness, Node, node::eventually, topic},
};

/// Longer than any rule.
pub(super) const LEASE: Duration = Duration::from_secs(600);

/// Later than any rule.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// A node with a lease.
pub(super) struct Worker {
    pub(super) node: Node,
    pub(super) id: NodeId,
}

impl Worker {
    pub(super) async fn join(harness: &impl Harness) -> Self {
        Self::with_lease(harness, LEASE).await
    }

    pub(super) async fn with_lease(harness: &impl Harness, lease: Duration) -> Self {
        let node = Node::join(harness).await;
        let worker = Self { id: node.id, node };
        assert_eq!(worker.queue().beat(worker.id, lease).await.unwrap(), Beat::Alive);
        worker
    }

    pub(super) fn queue(&self) -> &dyn Queue {
        self.node.engine.queue().expect("an engine with a queue")
    }

    pub(super) async fn register(&self, listener: &str, hears: &[&str], since: Since) {
        let hears = hears.iter().map(|name| Arc::from(*name)).collect();
        let registration = Registration { listener: listener.into(), hears, since };
        self.queue().register(vec![registration]).await.expect("a listener is registered");
    }

    /// Queues one event of version 1 for each number.
    pub(super) async fn publish(&self, name: &str, ids: impl IntoIterator<Item = u128>) {
        self.publish_version(name, 1, ids).await;
    }

    pub(super) async fn publish_version(
        &self,
        name: &str,
        version: u32,
        ids: impl IntoIterator<Item = u128>,
    ) {
        let unused = topic("unused");
        let events = ids.into_iter().map(|id| Change::Enqueue(queued(name, version, id)));
        self.node.store(events.map(|event| (unused.clone(), event)).collect::<Vec<_>>()).await;
    }

    pub(super) async fn claim_all(&self, claim: Claim) -> Deliveries {
        match self.queue().claim(self.id, vec![claim]).await.expect("a claim is answered") {
            Claimed::Deliveries(deliveries) => deliveries,
            Claimed::Reaped => panic!("the node was reaped"),
        }
    }

    /// Claims events of version 1 of one name.
    pub(super) async fn claim(&self, listener: &str, name: &str, count: usize) -> Vec<Delivery> {
        self.claim_all(claim(listener, &[(name, 1)], count)).await.now
    }

    pub(super) async fn is_reaped(&self) -> bool {
        let claims = vec![claim("nobody", &[], 1)];
        matches!(self.queue().claim(self.id, claims).await.unwrap(), Claimed::Reaped)
    }

    pub(super) async fn settle(&self, delivery: &Delivery, verdict: Verdict) -> bool {
        let settled = self.queue().settle(vec![(self.fence(delivery), verdict)]).await;
        let settled = settled.expect("a verdict is answered");
        assert_eq!(settled.len(), 1);
        settled[0]
    }

    pub(super) fn fence(&self, delivery: &Delivery) -> Fence {
        Fence {
            listener: delivery.listener.clone(),
            position: delivery.position,
            owner: self.id,
            failures: delivery.failures,
            losses: delivery.losses,
        }
    }

    /// Takes one event and says that it cannot be done.
    pub(super) async fn bury(&self, listener: &str, name: &str, error: &str) -> Position {
        let taken = self.claim(listener, name, 1).await;
        assert_eq!(taken.len(), 1, "something to bury");
        let dead = Verdict::Dead { error: error.into(), reason: DeadReason::GivenUp };
        assert!(self.settle(&taken[0], dead).await);
        taken[0].position
    }

    pub(super) async fn letters(&self, listener: &str) -> Vec<DeadLetter> {
        self.queue().dead(listener.into(), 0, 1_000).await.expect("dead letters are listed")
    }

    pub(super) async fn stats(&self, listener: &str) -> ListenerStats {
        let stats = self.queue().stats().await.expect("stats are answered");
        let mut stats = stats.into_iter().filter(|stats| &*stats.listener == listener);
        let found = stats.next().expect("a known listener");
        assert!(stats.next().is_none(), "each listener once");
        found
    }

    /// Reaps until something was reaped.
    pub(super) async fn reap(&self, again: Duration) -> usize {
        eventually("a lease runs out", async || {
            let reaped = self.queue().reap(again).await.expect("a reaping is answered");
            (reaped > 0).then_some(reaped)
        })
        .await
    }
}

pub(super) fn claim(listener: &str, kinds: &[(&str, u32)], count: usize) -> Claim {
    let kinds = kinds.iter().map(|(name, version)| kind(name, *version)).collect();
    Claim { listener: listener.into(), kinds, count, ordered: false }
}

pub(super) fn kind(name: &str, version: u32) -> EventKind {
    EventKind { name: name.into(), version }
}

pub(super) fn queued(name: &str, version: u32, id: u128) -> QueuedEvent {
    let head = Bytes::from(format!("head of {id}"));
    QueuedEvent { kind: kind(name, version), id, head, body: Bytes::from(format!("body of {id}")) }
}

pub(super) fn ids(deliveries: &[Delivery]) -> Vec<u128> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}
