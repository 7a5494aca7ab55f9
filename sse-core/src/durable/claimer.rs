//! Takes what is due for the listeners of this process, and says what became of it.
//!
//! One task does all of it, in rounds: what is over becomes [verdicts](super::verdicts); those go to the store; what was
//! taken begins where there is room; and if there may be more, more is taken.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::{
    attempt::{Outcome, attempt},
    envelope,
    lease::{Hold, Life},
    shared::Shared,
    trace::EventTrace,
    verdicts::{PAUSE, Verdicts},
    worker::{Held, Worker},
};
use crate::{
    backplane::{Claimed, Delivery, NodeId, Queue, Verdict},
    bus::{carrier::Arrival, event::EventUid, tasks::InFlight},
    observe,
    sync::plain::{Mutex, lock},
};

/// An idle process asks at least so often whether there is something: a bell may be lost.
const ASK: Duration = Duration::from_secs(2);

/// How soon it asks again at most for what is due; twice as long each time that nothing is given, up to about [`ASK`].
const SOONEST: Duration = Duration::from_millis(1);
const MAX_VAIN: u32 = 11;

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
    verdicts: Verdicts,
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
        verdicts: Verdicts::new(),
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
        let settle = self.verdicts.next().map(|at| at.max(now + Duration::from_millis(1)));
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
        for Over { worker, number, held, outcome } in over {
            let Some(worker) = self.workers.get_mut(worker) else { continue };
            let (verdict, back) = worker.over(&held, number, outcome, now, draining);
            // Without a word it goes back with its life.
            if let Some(verdict) = verdict {
                let waits = worker.waits_for(&held, &verdict);
                self.verdicts.push(held, verdict, waits);
            }
            for held in back {
                self.verdicts.push(held, Verdict::Released, true);
            }
        }
        self.workers.iter_mut().for_each(|worker| worker.note_overdue(now));
    }

    /// Nothing more begins; at the deadline what runs is cut.
    fn drain(&mut self, until: Instant) {
        self.verdicts.wait();
        for held in self.workers.iter_mut().flat_map(Worker::unbegun) {
            self.verdicts.push(held, Verdict::Released, true);
        }
        if Instant::now() >= until && !std::mem::replace(&mut self.released, true) {
            self.shared.lives().cut_all();
        }
    }

    /// The context ends without a drain: what is done is said before the leases go back, or it would run again.
    async fn last_words(&mut self, queue: &dyn Queue) {
        self.take_over();
        self.verdicts.wait();
        // What is not said in time is left to the lease.
        let _ = tokio::time::timeout(LAST_WORDS, self.settle(queue)).await;
    }

    async fn settle(&mut self, queue: &dyn Queue) {
        self.verdicts.settle(&self.shared, queue, &mut self.workers).await;
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
                self.verdicts.wait();
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
            let held = Held { delivery, hold: Hold::new(life, &worker.holds) };
            if let Some((held, verdict)) = worker.take(held) {
                let waits = worker.waits_for(&held, &verdict);
                self.verdicts.push(held, verdict, waits);
            }
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
