//! Takes what is due for the listeners of this process, and says what became of it.
//!
//! One task does all of it, in rounds: what is over becomes verdicts; verdicts are stored, as many as there are; what
//! was taken begins where there is room; and if there may be more, more is taken. What ends while the store is asked
//! waits for the next round, so under load there are many verdicts in one call.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::{
    attempt::{Outcome, attempt},
    envelope,
    lease::{Hold, Life},
    shared::Shared,
    trace::EventTrace,
    worker::{Held, Worker},
};
use crate::{
    backplane::{
        Claimed, Delivery, EngineError, EngineErrorKind, Fence, NodeId, Queue, Steer, Verdict,
        is_mutant,
    },
    bus::{carrier::Arrival, event::EventUid, tasks::InFlight},
    observe,
    sync::lock_std as lock,
};

/// An idle process asks at least so often whether there is something: a bell may be lost.
const ASK: Duration = Duration::from_secs(2);

/// How soon it asks again at most for what is due; twice as long each time that nothing is given, up to about [`ASK`].
const SOONEST: Duration = Duration::from_millis(1);
const MAX_VAIN: u32 = 11;

/// After a call that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// So many verdicts go in one call.
const MAX_VERDICTS: usize = 256;

/// A few things that are done wait for so long for more: nobody waits for that to be said, and a claim that comes meanwhile does not
/// wait for the disk behind it. Many are said at once, so that what is held stays what runs and what is taken ahead.
const LINGER: Duration = Duration::from_millis(2);
const FEW: usize = 4;

/// A drain waits for verdicts to be stored for so long after its deadline.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// One run that is over.
struct Over {
    worker: usize,
    number: u64,
    held: Held,
    outcome: Outcome,
}

struct Claimer {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    /// Each run puts one in, and there are no more runs than places.
    over: Arc<Mutex<Vec<Over>>>,
    verdicts: Vec<(Held, Verdict)>,
    settle_at: Instant,
    /// Until then what is done waits for more.
    linger_until: Instant,
    ask_at: Instant,
    /// So often in a row nothing was given although something is due.
    vain: u32,
    released: bool,
}

/// Works until the context ends or is drained. Dropping `said` says that nothing more is said, also where this never began.
pub(super) async fn run(shared: Arc<Shared>, workers: Vec<Worker>, said: DropGuard) {
    let ended = shared.ended().clone();
    let engine = Arc::clone(shared.engine());
    let now = Instant::now();
    let mut claimer = Claimer {
        shared,
        workers,
        over: Arc::default(),
        verdicts: Vec::new(),
        settle_at: now,
        linger_until: now,
        ask_at: now,
        vain: 0,
        released: false,
    };
    if let Some(queue) = engine.queue()
        && ended.run_until_cancelled(claimer.rounds(queue)).await.is_none()
    {
        claimer.last_words(queue).await;
    }
    drop(said);
    // Leases are given back, and with them what was taken and has not begun.
    ended.cancel();
}

impl Claimer {
    async fn rounds(&mut self, queue: &dyn Queue) {
        loop {
            if self.round(queue).await {
                return;
            }
            let shared = Arc::clone(&self.shared);
            // Whether something happens or it is simply time is all the same.
            let _ = tokio::time::timeout_at(self.next(), shared.to_claim().rung()).await;
        }
    }

    /// Everything that can be done now. True once nothing will ever be.
    async fn round(&mut self, queue: &dyn Queue) -> bool {
        loop {
            self.take_over();
            let draining = self.shared.draining();
            if let Some(until) = draining {
                self.drain(until);
            }
            self.settle(queue).await;
            self.begin();
            let now = Instant::now();
            if let Some(until) = draining {
                let done = self.verdicts.is_empty() && self.workers.iter().all(Worker::is_idle);
                return done || now >= until + LAST_WORDS;
            }
            self.ask_at = if self.shared.to_claim().take() { now } else { self.ask_at };
            if !self.asks(now) || !self.claim(queue, now).await {
                return false;
            }
        }
    }

    fn next(&self) -> Instant {
        let now = Instant::now();
        let settle = self.settles().map(|at| at.max(now + Duration::from_millis(1)));
        let draining =
            self.shared.draining().map(|until| if now < until { until } else { now + PAUSE / 10 });
        // One that is due and was not taken is asked for with the others.
        let probe = self.workers.iter().filter_map(Worker::next_probe).filter(|at| *at > now).min();
        // Who has no room has when something is over, and only looks now and then what takes too long.
        let room = self.workers.iter().any(|it| it.claim(now).is_some());
        let ask = if room { self.ask_at.max(now + Duration::from_millis(1)) } else { now + ASK };
        [settle, draining, probe].into_iter().flatten().fold(ask, Instant::min)
    }

    fn take_over(&mut self) {
        let over = std::mem::take(&mut *lock(&self.over));
        let (now, draining) = (Instant::now(), self.shared.draining().is_some());
        if self.verdicts.is_empty() && !over.is_empty() && !draining {
            self.linger_until = now + LINGER;
        }
        for Over { worker, number, held, outcome } in over {
            let Some(worker) = self.workers.get_mut(worker) else { continue };
            let (verdict, back) = worker.over(&held, number, outcome, now, draining);
            if !matches!(verdict, Some(Verdict::Finished)) || !worker.may_linger(&held) {
                self.linger_until = now;
            }
            // Without a word it goes back with its life.
            self.verdicts.extend(verdict.map(|verdict| (held, verdict)));
            self.verdicts.extend(back.into_iter().map(|held| (held, Verdict::Released)));
        }
        self.workers.iter_mut().for_each(|worker| worker.note_overdue(now));
    }

    /// Nothing more begins; at the deadline what runs is cut.
    fn drain(&mut self, until: Instant) {
        self.linger_until = Instant::now();
        for worker in &mut self.workers {
            let back = worker.unbegun().into_iter().map(|held| (held, Verdict::Released));
            self.verdicts.extend(back);
        }
        if Instant::now() >= until && !std::mem::replace(&mut self.released, true) {
            self.shared.lives().cut_all();
        }
    }

    /// The context ends without a drain: what is done is said before the leases go back, or it would run again.
    async fn last_words(&mut self, queue: &dyn Queue) {
        self.take_over();
        self.linger_until = Instant::now();
        // What is not said in time is left to the lease.
        let _ = tokio::time::timeout(LAST_WORDS, self.settle(queue)).await;
    }

    /// When verdicts are to be stored, if there are any.
    fn settles(&self) -> Option<Instant> {
        let few = self.verdicts.len() < FEW;
        let at = if few { self.settle_at.max(self.linger_until) } else { self.settle_at };
        (!self.verdicts.is_empty()).then_some(at)
    }

    async fn settle(&mut self, queue: &dyn Queue) {
        while self.settles().is_some_and(|at| Instant::now() >= at) {
            let count = self.verdicts.len().min(MAX_VERDICTS);
            if let Err(error) = self.stop(queue, count).await {
                self.not_settled(&error, count);
                continue;
            }
            let batch: Vec<_> =
                self.verdicts.iter().take(count).map(|it| (fence(&it.0), it.1.clone())).collect();
            match queue.settle(batch).await {
                Ok(answers) => {
                    for ((held, verdict), stored) in self.verdicts.drain(..count).zip(answers) {
                        let listener = &held.delivery.listener;
                        observe::durable_verdict(
                            listener,
                            if stored { name(&verdict) } else { "stale" },
                        );
                        has_stopped(&mut self.workers, &held, &verdict);
                    }
                }
                Err(error) => self.not_settled(&error, count),
            }
        }
    }

    /// Before the letters with which listeners stop are stored, those are paused everywhere: nobody goes past them.
    async fn stop(&self, queue: &dyn Queue, count: usize) -> Result<(), EngineError> {
        for (held, verdict) in self.verdicts.iter().take(count) {
            let listener = &held.delivery.listener;
            let stops = |it: &Worker| it.id == *listener && it.stops();
            if matches!(verdict, Verdict::Dead { .. }) && self.workers.iter().any(stops) {
                queue.steer(Arc::clone(listener), Steer::Pause).await?;
                observe::durable_stopped(listener);
            }
        }
        Ok(())
    }

    /// What was done and was not heard of is stale the second time, which is no mistake.
    fn not_settled(&mut self, error: &EngineError, count: usize) {
        observe::backplane_trouble("settle", error);
        if is_mutant!(self.shared.node().shared().options(), VerdictsForgotten) {
            self.verdicts.drain(..count);
            return;
        }
        self.settle_at = Instant::now() + PAUSE;
        // It may come to pass nevertheless, or twice, and what was given back may be taken again meanwhile: then under
        // another life, so that what is said of the one is not true of the other.
        for (held, _) in self.verdicts.iter().take(count) {
            self.shared.lives().end(&held.hold.life);
        }
        if error.kind() != EngineErrorKind::Unavailable {
            // It will not do it later either. What is held under that life is given back with it, and runs again.
            for (held, verdict) in self.verdicts.drain(..count) {
                has_stopped(&mut self.workers, &held, &verdict);
            }
        }
    }

    fn begin(&mut self) {
        let Some(bus) = self.shared.bus().upgrade() else { return };
        let now = Instant::now();
        for (index, worker) in self.workers.iter_mut().enumerate() {
            while let Some((held, number)) = worker.begin(now) {
                let arrival = arrival(&held, self.shared.source());
                let cut = held.hold.life.cut.clone();
                let trace = envelope::read(&held.delivery.event.head).map(|it| it.trace());
                let trace = trace.unwrap_or_else(|| EventTrace::of(arrival.id));
                let trace = trace.attempt(&worker.id, held.tried());
                let running = attempt(bus.clone(), Arc::clone(&worker.one), arrival, trace, cut);
                let (over, shared) = (Arc::clone(&self.over), Arc::clone(&self.shared));
                // A turn is always under way; its runs are counted by themselves.
                let in_flight = (!worker.is_turn()).then(|| InFlight::new(bus.tasks()));
                tokio::spawn(async move {
                    let outcome = running.await;
                    lock(&over).push(Over { worker: index, number, held, outcome });
                    shared.to_claim().nudge();
                    drop(in_flight);
                });
            }
        }
    }

    /// Whether there may be something for somebody who has room.
    fn asks(&self, now: Instant) -> bool {
        let time = now >= self.ask_at;
        let probe = self.workers.iter().filter_map(Worker::next_probe).any(|at| now >= at);
        (time || probe || self.workers.iter().any(|it| it.more))
            && self.workers.iter().any(|it| it.claim(now).is_some())
    }

    /// Takes more. False if nothing came, or the store does not answer.
    async fn claim(&mut self, queue: &dyn Queue, now: Instant) -> bool {
        let life = self.shared.lives().current();
        self.ask_at = now + ASK.mul_f64(0.5 + fastrand::f64() / 2.0);
        if !life.may_take(now) {
            return false;
        }
        let claims: Vec<_> = self.workers.iter().filter_map(|worker| worker.claim(now)).collect();
        let asked: Vec<_> = claims.iter().map(|it| (Arc::clone(&it.listener), it.count)).collect();
        match queue.claim(life.id, claims).await {
            Ok(Claimed::Deliveries(deliveries)) => {
                if let Some(next) = deliveries.next {
                    // What is due and not given waits for somebody else, for however long.
                    let in_vain = next.is_zero() && deliveries.now.is_empty();
                    self.vain = if in_vain { (self.vain + 1).min(MAX_VAIN) } else { 0 };
                    let next = Instant::now().checked_add(next.max(SOONEST * (1 << self.vain)));
                    self.ask_at = next.map_or(self.ask_at, |next| next.min(self.ask_at));
                }
                self.took(&life, &asked, deliveries.now)
            }
            Ok(Claimed::Reaped) => {
                self.shared.lives().end(&life);
                false
            }
            Err(error) => {
                observe::backplane_trouble("claim", &error);
                // It may hold now what nobody here knows of.
                self.shared.lives().end(&life);
                false
            }
        }
    }

    fn took(
        &mut self,
        life: &Arc<Life>,
        asked: &[(Arc<str>, usize)],
        deliveries: Vec<Delivery>,
    ) -> bool {
        let some = !deliveries.is_empty();
        for worker in &mut self.workers {
            let Some((_, asked)) = asked.iter().find(|it| it.0 == worker.id) else { continue };
            let came = deliveries.iter().filter(|it| it.listener == worker.id);
            let (came, suspect) = came.fold((0, false), |(n, s), it| (n + 1, s || it.losses > 0));
            worker.more = came >= *asked || suspect;
            if suspect {
                // It may take the process along, and with it whatever was not said.
                self.linger_until = Instant::now();
            }
            if came == 0 {
                worker.nothing_came(self.ask_at);
            }
        }
        for delivery in deliveries {
            let Some(worker) = self.workers.iter_mut().find(|it| it.id == delivery.listener) else {
                continue;
            };
            observe::durable_verdict(&delivery.listener, "claimed");
            let held = Held { delivery, hold: Hold::new(life) };
            self.verdicts.extend(worker.take(held));
        }
        some
    }
}

fn arrival(held: &Held, here: NodeId) -> Arrival {
    let event = &held.delivery.event;
    let source = envelope::read(&event.head).map(|head| head.source);
    Arrival {
        version: event.kind.version,
        id: EventUid::new(event.id),
        tried: held.tried(),
        elsewhere: source != Some(here),
        body: event.body.clone(),
    }
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
