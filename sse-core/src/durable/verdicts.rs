//! What became of attempts, until the store knows of it.
//!
//! Verdicts go to the store as many as there are, one call at a time: what ends meanwhile goes with the next, so under load there are
//! many in one call. More is taken and run beside it, unless [somebody waits](Worker::waits_for) for one of them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::Instant,
};

use super::{
    shared::Shared,
    worker::{Held, Worker},
};
use crate::{
    backplane::{EngineError, EngineErrorKind, Fence, Queue, Steer, Verdict, is_mutant},
    observe,
};

/// After a call that failed.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// So many verdicts go in one call.
const MAX_VERDICTS: usize = 256;

type Answer = Result<Vec<bool>, EngineError>;

/// A call: for the first so many.
struct Telling {
    count: usize,
    answer: oneshot::Receiver<Answer>,
}

/// Verdicts that the store does not know of: no more than what is held.
pub(super) struct Verdicts {
    all: Vec<(Held, Verdict)>,
    telling: Option<Telling>,
    /// Not before.
    at: Instant,
    /// All are stored before anything else is taken or begins.
    waits: bool,
}

impl Verdicts {
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), telling: None, at: Instant::now(), waits: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds one; `waits` if nothing else is taken or begins before it is stored.
    pub(super) fn push(&mut self, held: Held, verdict: Verdict, waits: bool) {
        self.all.push((held, verdict));
        self.waits |= waits;
    }

    /// Those that are there are stored before anything else is taken or begins.
    pub(super) fn wait(&mut self) {
        self.waits = !self.all.is_empty();
    }

    /// When they are to be looked after. While a call is under way its answer wakes the claimer.
    pub(super) fn next(&self) -> Option<Instant> {
        (self.telling.is_none() && !self.all.is_empty()).then_some(self.at)
    }

    /// Sends them on their way, and hears what was answered; where somebody waits, until all are stored or the store does not answer.
    pub(super) async fn settle(
        &mut self,
        shared: &Arc<Shared>,
        queue: &dyn Queue,
        workers: &mut [Worker],
    ) {
        loop {
            let Some(telling) = &mut self.telling else {
                if self.all.is_empty() || Instant::now() < self.at {
                    return;
                }
                self.tell(shared, queue, workers).await;
                continue;
            };
            let answer = if self.waits {
                (&mut telling.answer).await.ok()
            } else {
                match telling.answer.try_recv() {
                    Err(TryRecvError::Empty) => return,
                    answer => answer.ok(),
                }
            };
            let count = telling.count;
            self.telling = None;
            match answer.unwrap_or_else(unanswered) {
                Ok(answers) => self.settled(&answers, count, workers),
                Err(error) => self.not_settled(&error, count, shared, workers),
            }
        }
    }

    async fn tell(&mut self, shared: &Arc<Shared>, queue: &dyn Queue, workers: &mut [Worker]) {
        let count = self.all.len().min(MAX_VERDICTS);
        if let Err(error) = self.stop(queue, count, workers).await {
            return self.not_settled(&error, count, shared, workers);
        }
        let batch: Vec<_> =
            self.all.iter().take(count).map(|it| (fence(&it.0), it.1.clone())).collect();
        let (done, answer) = oneshot::channel();
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let Some(queue) = shared.engine().queue() else { return };
            // Nobody hears of it after that.
            if let Some(answer) = shared.said().run_until_cancelled(queue.settle(batch)).await {
                let _ = done.send(answer);
                shared.to_claim().nudge();
            }
        });
        self.telling = Some(Telling { count, answer });
    }

    /// Before the letters with which listeners stop are stored, those are paused everywhere: nobody goes past them.
    async fn stop(
        &self,
        queue: &dyn Queue,
        count: usize,
        workers: &[Worker],
    ) -> Result<(), EngineError> {
        for (held, verdict) in self.all.iter().take(count) {
            let listener = &held.delivery.listener;
            let stops = |it: &Worker| it.id == *listener && it.stops();
            if matches!(verdict, Verdict::Dead { .. }) && workers.iter().any(stops) {
                queue.steer(Arc::clone(listener), Steer::Pause).await?;
                observe::durable_stopped(listener);
            }
        }
        Ok(())
    }

    fn settled(&mut self, answers: &[bool], count: usize, workers: &mut [Worker]) {
        for ((held, verdict), stored) in self.all.drain(..count).zip(answers) {
            let said = if *stored { name(&verdict) } else { "stale" };
            observe::durable_verdict(&held.delivery.listener, said);
            has_stopped(workers, &held, &verdict);
        }
        self.waits &= !self.all.is_empty();
    }

    /// What was done and was not heard of is stale the second time, which is no mistake.
    fn not_settled(
        &mut self,
        error: &EngineError,
        count: usize,
        shared: &Shared,
        workers: &mut [Worker],
    ) {
        observe::backplane_trouble("settle", error);
        if is_mutant!(shared.node().shared().options(), VerdictsForgotten) {
            self.all.drain(..count);
            return;
        }
        self.at = Instant::now() + PAUSE;
        // It may come to pass nevertheless, or twice, and what was given back may be taken again meanwhile: then under
        // another life, so that what is said of the one is not true of the other.
        for (held, _) in self.all.iter().take(count) {
            shared.lives().end(&held.hold.life);
        }
        if error.kind() != EngineErrorKind::Unavailable {
            // It will not do it later either. What is held under that life is given back with it, and runs again.
            for (held, verdict) in self.all.drain(..count) {
                has_stopped(workers, &held, &verdict);
            }
        }
    }
}

/// The call ended without an answer.
fn unanswered() -> Answer {
    Err(EngineError::unavailable("the store was not heard to the end"))
}

fn has_stopped(workers: &mut [Worker], held: &Held, verdict: &Verdict) {
    if matches!(verdict, Verdict::Dead { .. })
        && let Some(worker) = workers.iter_mut().find(|it| it.id == held.delivery.listener)
    {
        worker.has_stopped();
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Finished => "finished",
        Verdict::Failed { .. } => "failed",
        Verdict::Dead { .. } => "dead",
        Verdict::Released => "released",
    }
}

fn fence(held: &Held) -> Fence {
    Fence {
        listener: Arc::clone(&held.delivery.listener),
        position: held.delivery.position,
        owner: held.hold.life.id,
        failures: held.delivery.failures,
        losses: held.delivery.losses,
    }
}
