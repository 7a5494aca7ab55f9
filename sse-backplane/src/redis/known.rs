//! `Claims`: what an engine remembers of its claims between calls.

use std::{future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// The numbers of an engine's claims: the next one says which answers came, so that one that was lost takes nothing with it.
#[derive(Debug, Default)]
pub(super) struct Claims {
    turn: Arc<tokio::sync::Mutex<()>>,
    numbers: Mutex<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    newest: u64,
    answered: u64,
}

impl Claims {
    /// One claim at a time, in the order in which these were first polled.
    pub(super) fn turn(&self) -> impl Future<Output = OwnedMutexGuard<()>> + Send + use<> {
        self.turn.clone().lock_owned()
    }

    /// The number of the next claim, and the newest whose answer came.
    pub(super) fn next(&self) -> (u64, u64) {
        let mut numbers = self.numbers.lock();
        numbers.newest += 1;
        (numbers.newest, numbers.answered)
    }

    /// Notes that an answer came.
    pub(super) fn answered(&self, number: u64) {
        self.numbers.lock().answered = number;
    }
}
