//! The queue of one node: every call is part of a transaction of the writer.

use std::{sync::Arc, time::Duration};

use sse_tower_core::backplane::{
    Beat, Claim, Claimed, DeadLetter, EngineFuture, Fence, Letters, ListenerStats, NodeId, Queue,
    Registration, Steer, Verdict,
};

use super::engine::RedbEngine;

impl Queue for RedbEngine {
    fn register(&self, listeners: Vec<Registration>) -> EngineFuture<'_, ()> {
        self.write(move |log, told| {
            told.rings = true;
            log.queue().register(&listeners)
        })
    }

    fn heard(&self) -> EngineFuture<'_, Vec<Arc<str>>> {
        self.write(|log, _| log.queue().heard())
    }

    fn claim(&self, node: NodeId, claims: Vec<Claim>) -> EngineFuture<'_, Claimed> {
        self.write(move |log, _| log.queue().claim(node, &claims))
    }

    fn settle(&self, verdicts: Vec<(Fence, Verdict)>) -> EngineFuture<'_, Vec<bool>> {
        let waits = |(_, verdict): &(Fence, Verdict)| {
            matches!(verdict, Verdict::Released | Verdict::Failed { .. })
        };
        let rings = verdicts.iter().any(waits);
        self.write(move |log, told| {
            told.rings |= rings;
            log.queue().settle(&verdicts)
        })
    }

    fn beat(&self, node: NodeId, lease: Duration) -> EngineFuture<'_, Beat> {
        self.write(move |log, _| log.queue().beat(node, lease))
    }

    fn reap(&self, again: Duration) -> EngineFuture<'_, usize> {
        self.write(move |log, told| {
            let reaped = log.queue().reap(again)?;
            told.rings |= reaped > 0;
            Ok(reaped)
        })
    }

    fn leave(&self, node: NodeId) -> EngineFuture<'_, ()> {
        self.write(move |log, told| {
            told.rings |= log.queue().leave(node)? > 0;
            Ok(())
        })
    }

    fn dead(
        &self,
        listener: Arc<str>,
        after: u64,
        limit: usize,
    ) -> EngineFuture<'_, Vec<DeadLetter>> {
        self.write(move |log, _| log.queue().dead(&listener, after, limit))
    }

    fn revive(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        self.write(move |log, told| {
            let revived = log.queue().revive(&listener, letters)?;
            told.rings |= revived > 0;
            Ok(revived)
        })
    }

    fn discard(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        self.write(move |log, _| log.queue().discard(&listener, letters))
    }

    fn steer(&self, listener: Arc<str>, how: Steer) -> EngineFuture<'_, bool> {
        self.write(move |log, told| {
            told.rings |= how == Steer::Resume;
            log.queue().steer(&listener, how)
        })
    }

    fn stats(&self) -> EngineFuture<'_, Vec<ListenerStats>> {
        self.write(|log, _| log.queue().stats())
    }
}
