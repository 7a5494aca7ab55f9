//! Asking the store what is heard, telling it that paused listeners are still there, and all of them where it lost its past; and people
//! what nobody takes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::shared::Shared;
use crate::{
    backplane::{EngineError, ListenerState, Registration, Since},
    observe,
};

/// It is asked again after this time, and as soon as something changed.
const REFRESH: Duration = Duration::from_secs(10);

/// How often paused listeners are seen again.
const TELL: Duration = Duration::from_secs(60 * 60);

/// How often is looked for what nobody takes, and how old that is.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// It is not asked more often than this: the bell rings for every event too.
const SOONEST: Duration = Duration::from_millis(500);

/// Sees paused listeners again. Not others: one that somebody retired must not come back by itself.
async fn tell_paused(shared: &Shared, own: &[Registration]) -> Result<(), EngineError> {
    let Some(queue) = shared.engine().queue().filter(|_| !own.is_empty()) else { return Ok(()) };
    let stats = queue.stats().await?;
    let paused = |it: &&Registration| {
        let mut stats = stats.iter();
        stats.any(|stats| stats.listener == it.listener && stats.state == ListenerState::Paused)
    };
    let paused: Vec<_> = own.iter().filter(paused).cloned().collect();
    if paused.is_empty() { Ok(()) } else { queue.register(paused).await }
}

/// Registers once more what the store does not know at all: it lost its past. What is stored there by now came after that, so it is for
/// them. Nothing that somebody retired, which the store knows.
async fn remember(shared: &Shared, own: &[Registration]) -> Result<(), EngineError> {
    let Some(queue) = shared.engine().queue().filter(|_| !own.is_empty()) else { return Ok(()) };
    let stats = queue.stats().await?;
    let unknown = |it: &&Registration| stats.iter().all(|stats| stats.listener != it.listener);
    let again = |it: &Registration| Registration { since: Since::Earliest, ..it.clone() };
    let forgotten: Vec<_> = own.iter().filter(unknown).map(again).collect();
    if forgotten.is_empty() {
        return Ok(());
    }
    observe::durable_forgotten(forgotten.len());
    queue.register(forgotten).await?;
    shared.to_claim().ring();
    Ok(())
}

/// Says in the log what waits for longer than a day: its listener may be gone for good.
async fn warn_of_unserved(shared: &Shared) -> Result<(), EngineError> {
    let Some(queue) = shared.engine().queue() else { return Ok(()) };
    for it in queue.stats().await? {
        let oldest = it.oldest.filter(|oldest| *oldest > DAY && it.backlog > 0);
        if let Some(oldest) = oldest.filter(|_| it.state == ListenerState::Active) {
            observe::durable_unserved(&it.listener, it.backlog, oldest);
        }
    }
    Ok(())
}

/// What was said of listeners that are declared otherwise elsewhere.
type Said = HashMap<Arc<str>, Vec<Arc<str>>>;

/// Says in the log, once, that a listener of this program hears something else in another, or in another release. It is no mistake while
/// one release follows another; but two programs that mean two things by one id take each other's events.
async fn warn_of_others(shared: &Shared, said: &mut Said) -> Result<(), EngineError> {
    let Some(queue) = shared.engine().queue() else { return Ok(()) };
    for it in queue.stats().await? {
        let events = shared.heard().only_elsewhere(&it);
        if events.is_empty() {
            said.remove(&it.listener);
        } else if said.get(&it.listener) != Some(&events) {
            observe::durable_declared_otherwise(&it.listener, &events);
            said.insert(it.listener, events);
        }
    }
    Ok(())
}

/// Asks the store once. Whether anything is heard that was not, or the other way round.
pub(super) async fn ask(shared: &Shared) -> Result<bool, EngineError> {
    match shared.engine().queue() {
        Some(queue) => Ok(shared.heard().set(queue.heard().await?)),
        None => Ok(false),
    }
}

/// Asks the store again and again, and tells it from time to time that paused listeners are still there: what is active
/// is seen by what it takes.
pub(super) async fn keep_asking(shared: Arc<Shared>, own: Vec<Registration>) {
    let mut told = Instant::now();
    let mut warned = Instant::now();
    let (mut said, mut changed) = (Said::new(), !own.is_empty());
    // In which epoch of the store they were known.
    let mut known = None;
    loop {
        let now = Some(shared.node().shown().epoch());
        if known != now || shared.heard().lacks_own() {
            match remember(&shared, &own).await {
                Ok(()) => known = now,
                Err(error) => observe::backplane_trouble("register", &error),
            }
        }
        if changed {
            match warn_of_others(&shared, &mut said).await {
                Ok(()) => changed = false,
                Err(error) => observe::backplane_trouble("stats", &error),
            }
        }
        if warned.elapsed() >= DAY {
            warned = Instant::now();
            if let Err(error) = warn_of_unserved(&shared).await {
                observe::backplane_trouble("stats", &error);
            }
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            // A name that others hear too came without a change.
            changed = !own.is_empty();
            if let Err(error) = tell_paused(&shared, &own).await {
                observe::backplane_trouble("register", &error);
            }
        }
        tokio::time::sleep(SOONEST).await;
        // Whether it rang or is simply time is all the same.
        let _ = tokio::time::timeout(REFRESH - SOONEST, shared.heard_bell().rung()).await;
        match ask(&shared).await {
            Ok(anew) => changed |= anew && !own.is_empty(),
            Err(error) => observe::backplane_trouble("heard", &error),
        }
    }
}
