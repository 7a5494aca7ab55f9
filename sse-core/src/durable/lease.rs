//! How this process shows that it lives, and stops by itself where it cannot.
//!
//! A [`Life`] is one incarnation at the store: a random id, never used again. What a process takes belongs to the life
//! under which it was taken. A life ends in one of three ways, and another begins:
//!
//! * the store says that it was *reaped*: others have what it held;
//! * its renewal was not confirmed in time (the *fence*, by the clock here, counted from when the renewal was sent): then
//!   nobody else has it yet, but soon may, so what runs is cut;
//! * a claim was not answered: it may hold what nobody here knows of. What runs goes on, and is renewed; once it is done
//!   the life *leaves*, which gives back what it does not know of.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use crate::{
    backplane::{Beat, NodeId, Queue},
    observe,
    sync::lock_std as lock,
};

/// For how long a node is believed to live after a renewal.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);

/// How often is looked for others whose lease has run out, and how soon a renewal that failed is tried again.
const LOOK: Duration = Duration::from_millis(1_500);

/// Without a renewal confirmed for so long nothing is taken and what runs is cut: before others may take over.
pub(super) const FENCE: Duration = Duration::from_secs(8);

/// What was lost with its process is due again after this.
const LOST_AGAIN: Duration = Duration::from_secs(1);

/// So many earlier lives are kept until what runs under them is done. One more is left to its lease.
const MAX_EARLIER_LIVES: usize = 16;

/// One incarnation at the store.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) id: NodeId,
    /// What runs under it stops.
    pub(super) cut: CancellationToken,
    /// When the newest renewal that was confirmed was sent.
    confirmed: Mutex<Option<Instant>>,
    reaped: AtomicBool,
    /// How much it holds that no verdict was stored for.
    holds: AtomicUsize,
}

impl Life {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            id: NodeId::random(),
            cut: CancellationToken::new(),
            confirmed: Mutex::default(),
            reaped: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
        })
    }

    /// Whether something may be taken under it at this moment.
    pub(super) fn may_take(&self, now: Instant) -> bool {
        !self.cut.is_cancelled() && self.fence().is_some_and(|fence| now < fence)
    }

    /// When it has to stop by itself, unless a renewal is confirmed before.
    fn fence(&self) -> Option<Instant> {
        lock(&self.confirmed).map(|confirmed| confirmed + FENCE)
    }

    fn is_reaped(&self) -> bool {
        self.reaped.load(Ordering::Acquire)
    }

    fn holds(&self) -> usize {
        self.holds.load(Ordering::Acquire)
    }
}

/// Something that is held under a life, until it is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) life: Arc<Life>,
}

impl Hold {
    pub(super) fn new(life: &Arc<Life>) -> Self {
        life.holds.fetch_add(1, Ordering::AcqRel);
        Self { life: Arc::clone(life) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.life.holds.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The lives of this process.
#[derive(Debug)]
pub(super) struct Lives {
    lives: Mutex<(Arc<Life>, Vec<Arc<Life>>)>,
    /// There is a new one, which wants a lease.
    changed: Notify,
}

impl Lives {
    pub(super) fn new() -> Self {
        Self { lives: Mutex::new((Life::new(), Vec::new())), changed: Notify::new() }
    }

    pub(super) fn current(&self) -> Arc<Life> {
        Arc::clone(&lock(&self.lives).0)
    }

    fn all(&self) -> Vec<Arc<Life>> {
        let lives = lock(&self.lives);
        std::iter::once(&lives.0).chain(&lives.1).cloned().collect()
    }

    /// Nothing more is taken under this one. What runs goes on.
    pub(super) fn end(&self, life: &Arc<Life>) {
        let mut lives = lock(&self.lives);
        if !Arc::ptr_eq(&lives.0, life) {
            return;
        }
        let old = std::mem::replace(&mut lives.0, Life::new());
        lives.1.push(old);
        if lives.1.len() > MAX_EARLIER_LIVES {
            lives.1.remove(0).cut.cancel();
        }
        drop(lives);
        self.changed.notify_one();
    }

    /// What runs under this one stops too.
    fn lose(&self, life: &Arc<Life>) {
        self.end(life);
        life.cut.cancel();
    }

    /// Whatever runs stops.
    pub(super) fn cut_all(&self) {
        self.all().iter().for_each(|life| life.cut.cancel());
    }

    /// Loses those whose fence is reached.
    fn fence(&self, now: Instant) -> bool {
        let over = |life: &Arc<Life>| {
            !life.cut.is_cancelled() && life.fence().is_some_and(|fence| now >= fence)
        };
        let over: Vec<_> = self.all().into_iter().filter(over).collect();
        over.iter().for_each(|life| self.lose(life));
        !over.is_empty()
    }

    fn next_fence(&self) -> Option<Instant> {
        let running = self.all().into_iter().filter(|life| !life.cut.is_cancelled());
        running.filter_map(|life| life.fence()).min()
    }

    fn forget(&self, life: &Arc<Life>) {
        lock(&self.lives).1.retain(|other| !Arc::ptr_eq(other, life));
    }
}

/// Renews leases until everything ends, then leaves.
pub(super) async fn keep(shared: Arc<Shared>) {
    let engine = Arc::clone(shared.engine());
    let Some(queue) = engine.queue() else { return };
    let lives = shared.lives();
    shared.ended().run_until_cancelled(renew(&shared, queue)).await;
    for life in lives.all().iter().filter(|life| !life.is_reaped()) {
        if let Err(error) = queue.leave(life.id).await {
            observe::backplane_trouble("leave", &error);
        }
    }
    shared.has_left();
}

async fn renew(shared: &Shared, queue: &dyn Queue) {
    let lives = shared.lives();
    let mut up_since = None::<Instant>;
    let mut renew_at = Instant::now();
    loop {
        let mut well = true;
        let now = Instant::now();
        for life in lives.all() {
            let unknown = life.fence().is_none();
            let wanted = !life.is_reaped() && (life.holds() > 0 || !life.cut.is_cancelled());
            if wanted && (unknown || now >= renew_at) {
                well &= beat(shared, queue, &life).await;
            }
        }
        if well && now >= renew_at {
            renew_at = now + RENEW;
        }
        if lives.fence(Instant::now()) {
            observe::durable_fenced();
            shared.to_claim().ring();
        }
        well &= leave_done(lives, queue).await;
        up_since = if well { up_since.or(Some(now)) } else { None };
        // After an outage of the store everybody is late, and nobody is dead.
        if up_since.is_some_and(|since| now.saturating_duration_since(since) >= LEASE) {
            match queue.reap(LOST_AGAIN).await {
                Ok(entries) => observe::durable_reaped(entries),
                Err(error) => observe::backplane_trouble("reap", &error),
            }
        }
        let until = Instant::now() + LOOK.mul_f64(0.75 + fastrand::f64() / 4.0);
        let until = lives.next_fence().map_or(until, |fence| until.min(fence));
        // Whichever comes first.
        let _ = tokio::time::timeout_at(until, lives.changed.notified()).await;
    }
}

/// One renewal. It is given up where the fence is reached meanwhile.
async fn beat(shared: &Shared, queue: &dyn Queue, life: &Arc<Life>) -> bool {
    let sent = Instant::now();
    let until = shared.lives().next_fence().unwrap_or(sent + LEASE);
    let answer = tokio::time::timeout_at(until, queue.beat(life.id, LEASE)).await;
    match answer {
        Ok(Ok(Beat::Alive)) => {
            if lock(&life.confirmed).replace(sent).is_none() {
                shared.to_claim().ring();
            }
            true
        }
        Ok(Ok(Beat::Reaped)) => {
            life.reaped.store(true, Ordering::Release);
            shared.lives().lose(life);
            observe::durable_fenced();
            true
        }
        Ok(Err(error)) => {
            observe::backplane_trouble("beat", &error);
            false
        }
        Err(_) => false,
    }
}

/// Earlier lives under which nothing runs any more go.
async fn leave_done(lives: &Lives, queue: &dyn Queue) -> bool {
    let current = lives.current();
    let mut well = true;
    for life in lives.all() {
        if Arc::ptr_eq(&life, &current) || life.holds() > 0 {
            continue;
        }
        if life.is_reaped() {
            lives.forget(&life);
            continue;
        }
        match queue.leave(life.id).await {
            Ok(()) => lives.forget(&life),
            Err(error) => {
                observe::backplane_trouble("leave", &error);
                well = false;
            }
        }
    }
    well
}
