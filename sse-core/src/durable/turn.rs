//! A turn: what one process at a time has, for as long as it lives.
//!
//! It is an event for an ordered listener: whoever holds that has the turn, under the same lease as everything that a
//! process holds, and nobody ever finishes it. It is given back when its process drains, and taken away when that is dead.
//! So all that is said of [leases](super::lease) is true of turns, the fence among it.
//!
//! There has to be one such event, and more do no harm: who holds one finishes the others. So every process looks from
//! time to time, and puts one there if there is none, be it that nobody has yet, or that the store lost its past.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{courier, shared::Shared, worker::Worker};
use crate::{
    backplane::{EventKind, ListenerState, QueuedEvent, Registration, Since},
    boxed::BoxError,
    bus::publish::RunsOne,
    observe,
};

/// How often every process looks whether the turn is still there. It may not be only where the store lost its past.
const LOOK: Duration = Duration::from_secs(30);

/// After a call that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What is done while it is this process's turn.
pub(crate) struct Turn {
    pub(crate) name: &'static str,
    pub(crate) runs: Arc<dyn RunsOne>,
}

impl Turn {
    /// What the store calls it. No durable listener and no event has a colon in its name.
    pub(super) fn listener(&self) -> Arc<str> {
        format!("schedule:{}", self.name).into()
    }

    pub(super) fn worker(self) -> Worker {
        Worker::turn(kind(&self.listener()), self.runs)
    }
}

fn kind(listener: &Arc<str>) -> EventKind {
    EventKind { name: Arc::clone(listener), version: 0 }
}

pub(super) fn registration(listener: &Arc<str>) -> Registration {
    let (listener, hears) = (Arc::clone(listener), vec![Arc::clone(listener)]);
    Registration { listener, hears, since: Since::Earliest }
}

/// Sees to it that each of these turns is there, for ever.
pub(super) async fn keep(shared: Arc<Shared>, names: Vec<Arc<str>>) {
    loop {
        let pause = match look(&shared, &names).await {
            Ok(()) => LOOK,
            Err(error) => {
                observe::schedule_trouble(&*error);
                PAUSE
            }
        };
        // Not everybody in the same moment.
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}

async fn look(shared: &Shared, names: &[Arc<str>]) -> Result<(), BoxError> {
    let Some(queue) = shared.engine().queue() else { return Ok(()) };
    let stats = queue.stats().await?;
    let stats = |name: &Arc<str>| stats.iter().find(|it| it.listener == *name);
    let mut missing = Vec::new();
    for name in names {
        match stats(name) {
            Some(it) if it.backlog + it.waiting + it.running > 0 => continue,
            // By hand: it comes back with a process that begins.
            Some(it) if it.state == ListenerState::Retired => continue,
            Some(_) => {}
            None => queue.register(vec![registration(name)]).await?,
        }
        missing.push(courier::queued(QueuedEvent {
            kind: kind(name),
            id: fastrand::u128(1..),
            head: Bytes::new(),
            body: Bytes::new(),
        })?);
    }
    courier::store(shared, missing).await
}
