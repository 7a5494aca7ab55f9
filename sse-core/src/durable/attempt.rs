//! One attempt of one listener.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::trace::Within;
use crate::{
    bus::{
        carrier::Arrival,
        failure::{Advice, Failure},
        listener::guarded,
        publish::RunsOne,
        state::Bus,
    },
    error_chain::ErrorChain,
};

/// How much of an error is kept, in bytes.
const MAX_ERROR: usize = 1_024;

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    Finished,
    Failed {
        error: Arc<str>,
        advice: Advice,
    },
    /// It was stopped by this process.
    Cut,
}

/// Runs the listener, unless it is cut.
pub(super) async fn attempt(
    bus: Bus,
    one: Arc<dyn RunsOne>,
    arrival: Arrival,
    trace: Within,
    cut: CancellationToken,
) -> Outcome {
    let mut run = Some(trace.enter(|| one.run(&bus, &arrival)));
    // A turn is held for long, and keeps no context alive.
    drop(bus);
    let failures = {
        let running = async {
            match &mut run {
                Some(run) => trace.run(run).await,
                None => Vec::new(),
            }
        };
        cut.run_until_cancelled(running).await
    };
    // A listener that was stopped runs its destructors now, which are the program's.
    let _ = guarded(|| drop(run.take()));
    match failures {
        None => Outcome::Cut,
        Some(failures) => verdict(&failures),
    }
}

/// The listener's own failure comes first; those of listeners of what it returned are counted as its failure too, since
/// they would be lost otherwise.
fn verdict(failures: &[Failure]) -> Outcome {
    let Some(first) = failures.first() else { return Outcome::Finished };
    let error = shortened(format!("{} at {}", ErrorChain(&*first.source), first.failed_at));
    let advice = failures.iter().map(|it| it.advice).find(|it| *it != Advice::None);
    Outcome::Failed { error, advice: advice.unwrap_or_default() }
}

fn shortened(mut error: String) -> Arc<str> {
    if error.len() > MAX_ERROR {
        let end = (0..=MAX_ERROR).rev().find(|at| error.is_char_boundary(*at)).unwrap_or(0);
        error.truncate(end);
    }
    error.into()
}
