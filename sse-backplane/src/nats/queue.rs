//! The queue: calls that change it go through the stream, calls that only read it look into memory.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sse_tower_core::backplane::{
    Beat, Claim, Claimed, DeadLetter, EngineError, EngineFuture, Fence, Letters, ListenerStats,
    NodeId, Queue, Registration, Steer, Verdict,
    replicated::{Applied, Command, QueueAnswer, QueueCommand},
};

use super::{
    engine::{NatsEngine, strange},
    replica::Replica,
    session::closed,
};

impl NatsEngine {
    /// Changes the queue. `take` gets the answer out, and gives it back where it is none of its kind.
    fn change<T: Send + 'static>(
        &self,
        command: QueueCommand,
        take: fn(QueueAnswer) -> Result<T, QueueAnswer>,
    ) -> EngineFuture<'_, T> {
        self.call(move |shared, _marks| async move {
            match shared.run(&Command::Queue(command)).await? {
                Applied::Queue { answer, .. } => take(answer?).map_err(|other| strange(&other)),
                other => Err(strange(&other)),
            }
        })
    }

    /// Looks into the queue, as it is when this is asked or later.
    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Replica) -> Result<T, EngineError> + Send + 'static,
    ) -> EngineFuture<'_, T> {
        self.call(move |shared, _marks| async move {
            shared.reach(shared.last_sequence().await?).await;
            shared.look_into(look).ok_or_else(closed)?
        })
    }

    fn count(&self, command: QueueCommand) -> EngineFuture<'_, usize> {
        self.change(command, |answer| match answer {
            QueueAnswer::Count(count) => Ok(count),
            other => Err(other),
        })
    }
}

impl Queue for NatsEngine {
    fn register(&self, listeners: Vec<Registration>) -> EngineFuture<'_, ()> {
        self.change(QueueCommand::Register(listeners), |answer| match answer {
            QueueAnswer::Done => Ok(()),
            other => Err(other),
        })
    }

    fn heard(&self) -> EngineFuture<'_, Vec<Arc<str>>> {
        self.look(|replica| replica.ledger.heard(now()))
    }

    fn claim(&self, node: NodeId, claims: Vec<Claim>) -> EngineFuture<'_, Claimed> {
        self.change(QueueCommand::Claim { node, claims }, |answer| match answer {
            QueueAnswer::Claimed(claimed) => Ok(claimed),
            other => Err(other),
        })
    }

    fn settle(&self, verdicts: Vec<(Fence, Verdict)>) -> EngineFuture<'_, Vec<bool>> {
        self.change(QueueCommand::Settle(verdicts), |answer| match answer {
            QueueAnswer::Settled(settled) => Ok(settled),
            other => Err(other),
        })
    }

    fn beat(&self, node: NodeId, lease: Duration) -> EngineFuture<'_, Beat> {
        self.change(QueueCommand::Beat { node, lease }, |answer| match answer {
            QueueAnswer::Beat(beat) => Ok(beat),
            other => Err(other),
        })
    }

    fn reap(&self, again: Duration) -> EngineFuture<'_, usize> {
        self.count(QueueCommand::Reap { again })
    }

    fn leave(&self, node: NodeId) -> EngineFuture<'_, ()> {
        self.change(QueueCommand::Leave(node), |answer| match answer {
            QueueAnswer::Count(_) => Ok(()),
            other => Err(other),
        })
    }

    fn dead(
        &self,
        listener: Arc<str>,
        after: u64,
        limit: usize,
    ) -> EngineFuture<'_, Vec<DeadLetter>> {
        self.change(QueueCommand::Dead { listener, after, limit }, |answer| match answer {
            QueueAnswer::Dead(letters) => Ok(letters),
            other => Err(other),
        })
    }

    fn revive(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        self.count(QueueCommand::Revive { listener, letters })
    }

    fn discard(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        self.count(QueueCommand::Discard { listener, letters })
    }

    fn steer(&self, listener: Arc<str>, how: Steer) -> EngineFuture<'_, bool> {
        self.change(QueueCommand::Steer { listener, how }, |answer| match answer {
            QueueAnswer::Known(known) => Ok(known),
            other => Err(other),
        })
    }

    fn stats(&self) -> EngineFuture<'_, Vec<ListenerStats>> {
        self.look(|replica| replica.ledger.stats(now()))
    }
}

/// Microseconds since 1970, for ages that are shown.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
