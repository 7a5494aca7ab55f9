//! The queue of one node.

use std::{sync::Arc, time::Duration};

use super::engine::{MemoryEngine, away, take};
use crate::backplane::{
    Beat, Claim, Claimed, DeadLetter, EngineFuture, Fence, Letters, ListenerStats, NodeId, Queue,
    Registration, Steer, Verdict,
};

impl Queue for MemoryEngine {
    fn register(&self, listeners: Vec<Registration>) -> EngineFuture<'_, ()> {
        self.answer(|| self.store.queue(|queue| queue.register(&listeners), |()| true))
    }

    fn heard(&self) -> EngineFuture<'_, Vec<Arc<str>>> {
        self.answer(|| self.store.queue(|queue| queue.heard(), |_| false))
    }

    fn claim(&self, node: NodeId, claims: Vec<Claim>) -> EngineFuture<'_, Claimed> {
        self.answer(|| self.store.queue(|queue| queue.claim(node, &claims), |_| false))
    }

    fn settle(&self, verdicts: Vec<(Fence, Verdict)>) -> EngineFuture<'_, Vec<bool>> {
        let slow = self.node.inbox(|inbox| inbox.script.slow_settle);
        let settle = move || {
            let (before, after) = self.node.inbox(|inbox| {
                let before = take(&mut inbox.script.settle_before);
                (before, !before && take(&mut inbox.script.settle_after))
            });
            if before {
                return Err(away());
            }
            let waits = |(_, verdict): &(Fence, Verdict)| {
                matches!(verdict, Verdict::Released | Verdict::Failed { .. })
            };
            let rings = verdicts.iter().any(waits);
            let settled = self.store.queue(|queue| queue.settle(&verdicts), |_| rings)?;
            if after { Err(away()) } else { Ok(settled) }
        };
        if slow.is_zero() {
            return self.answer(settle);
        }
        Box::pin(async move {
            tokio::time::sleep(slow).await;
            self.answer(settle).await
        })
    }

    fn beat(&self, node: NodeId, lease: Duration) -> EngineFuture<'_, Beat> {
        self.answer(|| {
            if self.node.inbox(|inbox| inbox.script.no_beats) {
                return Err(away());
            }
            self.store.queue(|queue| queue.beat(node, lease), |_| false)
        })
    }

    fn reap(&self, again: Duration) -> EngineFuture<'_, usize> {
        self.answer(|| self.store.queue(|queue| queue.reap(again), |reaped| *reaped > 0))
    }

    fn leave(&self, node: NodeId) -> EngineFuture<'_, ()> {
        self.answer(|| {
            self.store.queue(|queue| queue.leave(node), |released| *released > 0).map(drop)
        })
    }

    fn dead(
        &self,
        listener: Arc<str>,
        after: u64,
        limit: usize,
    ) -> EngineFuture<'_, Vec<DeadLetter>> {
        self.answer(|| self.store.queue(|queue| queue.dead(&listener, after, limit), |_| false))
    }

    fn revive(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        let rings = |revived: &usize| *revived > 0;
        self.answer(|| self.store.queue(|queue| queue.revive(&listener, letters), rings))
    }

    fn discard(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        self.answer(|| self.store.queue(|queue| queue.discard(&listener, letters), |_| false))
    }

    fn steer(&self, listener: Arc<str>, how: Steer) -> EngineFuture<'_, bool> {
        let rings = |_: &bool| how == Steer::Resume;
        self.answer(|| self.store.queue(|queue| queue.steer(&listener, how), rings))
    }

    fn stats(&self) -> EngineFuture<'_, Vec<ListenerStats>> {
        self.answer(|| self.store.queue(|queue| queue.stats(), |_| false))
    }
}
