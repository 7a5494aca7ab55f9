//! Renews the leases of the [lives](super::lease), and looks for others whose lease has run out.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    lease::{Life, Lives},
    shared::Shared,
};
use crate::{
    backplane::{Beat, Queue, is_mutant},
    observe,
    sync::plain::lock,
};

/// For how long a node is believed to live after a renewal.
const LEASE: Duration = Duration::from_secs(10);

/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);

/// How often is looked for others whose lease has run out, and how soon a renewal that failed is tried again.
const LOOK: Duration = Duration::from_millis(1_500);

/// What was lost with its process is due again after this.
const LOST_AGAIN: Duration = Duration::from_secs(1);

/// Renews leases until everything ends, then leaves.
pub(super) async fn keep(shared: Arc<Shared>) {
    let engine = Arc::clone(shared.engine());
    let Some(queue) = engine.queue() else { return };
    let lives = shared.lives();
    shared.ended().run_until_cancelled(renew(&shared, queue)).await;
    // Said within a time of its own.
    shared.said().cancelled().await;
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
        if !is_mutant!(shared.node().shared().options(), NobodyReaps)
            && up_since.is_some_and(|since| now.saturating_duration_since(since) >= LEASE)
        {
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
