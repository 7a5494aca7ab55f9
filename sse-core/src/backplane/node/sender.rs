//! The task that stores what is queued: one batch after the other, and each until its outcome is known.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    error::BackplaneError, health::Trouble, outgoing::Expired, pause::Pause, shared::Shared,
};
use crate::{
    backplane::{Answer, Batch, EngineError, EngineErrorKind, Position},
    observe,
    timer::later,
};

/// How often other tasks have their turn at most before the next batch begins.
const TURNS: usize = 8;

pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        match shared.outgoing(|outgoing| outgoing.next(shared.id())) {
            Some(batch) => {
                let some = batch.entries.len() > 1;
                store(&shared, batch).await;
                // One that was alone, and is so still, has nobody to go along with.
                if some || shared.outgoing(|outgoing| outgoing.len() > 0) {
                    others(&shared).await;
                }
            }
            None => shared.to_send.notified().await,
        }
    }
}

/// Whoever was answered has its turn to send again, and goes along with those who waited meanwhile. Else a part of them would
/// always be under way without the others, and each wait for two round trips.
async fn others(shared: &Shared) {
    let came = || shared.outgoing(|outgoing| outgoing.came());
    let mut before = came();
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
        let now = came();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Stores this batch, however often that has to be tried.
async fn store(shared: &Arc<Shared>, batch: Batch) {
    let mut pause = Pause::default();
    loop {
        let outcome = attempt(shared, batch.clone()).await;
        let error = match outcome {
            Ok(answers) => {
                shared.trouble(Trouble::Append, false);
                return settle(shared, &answers);
            }
            Err(error) => error,
        };
        observe::backplane_trouble("append", &error);
        match error.kind() {
            EngineErrorKind::Unavailable => {
                shared.trouble(Trouble::Append, true);
                let error = Arc::new(error);
                let until = Instant::now() + pause.length();
                expire_until(shared, std::future::pending::<()>(), until, Some(&error)).await;
            }
            EngineErrorKind::Superseded => {
                // An attempt of its own must have been stored before: its answers are gone.
                let after = shared.options().deadline;
                let source = Some(Arc::new(error));
                return refuse(shared, &BackplaneError::Unknown { after, source });
            }
            EngineErrorKind::Closed => return refuse(shared, &BackplaneError::Closed),
            EngineErrorKind::Refused | EngineErrorKind::Unsupported => {
                shared.trouble(Trouble::Append, false);
                return refuse(shared, &BackplaneError::Refused(Arc::new(error)));
            }
        }
    }
}

async fn attempt(shared: &Arc<Shared>, batch: Batch) -> Result<Vec<Answer>, EngineError> {
    let count = batch.entries.len();
    let from = shared.outgoing(|outgoing| outgoing.from());
    let observed = observe::backplane_append(count, &from);
    let mut call = shared.engine().append(batch);
    let answers = loop {
        let next = shared.outgoing(|outgoing| outgoing.next_deadline());
        // Something may expire much later than the call ends: then this is not woken for it.
        let until = next.unwrap_or_else(|| later(Instant::now(), shared.options().deadline));
        if let Some(answers) = expire_until(shared, observed.run(&mut call), until, None).await {
            break answers?;
        }
    };
    observed.finish();
    if answers.len() == count {
        Ok(answers)
    } else {
        Err(EngineError::refused(format!(
            "the engine gave {} answers for a batch of {count}; it breaks its contract",
            answers.len()
        )))
    }
}

/// Waits for `what` until a time, while what is queued may expire.
async fn expire_until<T>(
    shared: &Arc<Shared>,
    what: impl Future<Output = T>,
    until: Instant,
    why: Option<&Arc<EngineError>>,
) -> Option<T> {
    tokio::pin!(what);
    loop {
        let next = shared.outgoing(|outgoing| outgoing.next_deadline());
        let stop = next.map_or(until, |next| next.min(until));
        if let Ok(done) = tokio::time::timeout_at(stop, &mut what).await {
            return Some(done);
        }
        let now = Instant::now();
        answer_late(shared, shared.outgoing(|outgoing| outgoing.expire(now)), why);
        if until <= now {
            return None;
        }
    }
}

fn answer_late(shared: &Shared, expired: Expired, why: Option<&Arc<EngineError>>) {
    let after = shared.options().deadline;
    for done in expired.unknown {
        done(Err(BackplaneError::Unknown { after, source: why.cloned() }));
    }
    let mut left = false;
    for done in expired.not_stored {
        done(Err(BackplaneError::NotStored { after, source: why.cloned() }));
        left = true;
    }
    if left {
        observe::backplane_queue(shared.outgoing(|outgoing| outgoing.len()));
        shared.has_settled();
    }
}

fn settle(shared: &Shared, answers: &[Answer]) {
    let (told, left) = shared.outgoing(|outgoing| (outgoing.land(), outgoing.len()));
    let newest = answers.iter().map(|answer| match *answer {
        Answer::Stored(position) | Answer::Repeated(position) => position,
        Answer::Closed => Position::ZERO,
    });
    shared.shown().acknowledge(newest.max().unwrap_or(Position::ZERO));
    for (done, answer) in told.into_iter().zip(answers) {
        if let Some(done) = done {
            done(Ok(*answer));
        }
    }
    observe::backplane_queue(left);
    shared.has_settled();
}

fn refuse(shared: &Shared, why: &BackplaneError) {
    let (told, left) = shared.outgoing(|outgoing| (outgoing.land(), outgoing.len()));
    observe::backplane_queue(left);
    told.into_iter().flatten().for_each(|done| done(Err(why.clone())));
    shared.has_settled();
}
