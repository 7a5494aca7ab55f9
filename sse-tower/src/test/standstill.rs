//! `Standstill`: real time, for the case that tokio's clock never gets on.
//!
//! A paused clock moves when the runtime has nothing to do. A task that never rests, or a blocking
//! one that never returns, keeps it where it is, and with it every deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    thread::{self, Thread},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// How long, in real time, the kit waits while tokio's clock stands still: 30 s.
///
/// A wait that goes on for longer fails, whatever its deadline says.
pub const MAX_STANDSTILL: Duration = Duration::from_secs(30);

/// Wakes a wait after [`MAX_STANDSTILL`]. Dropping it ends its thread.
#[derive(Debug)]
pub(super) struct Standstill {
    shared: Arc<Shared>,
    thread: Thread,
    begun: tokio::time::Instant,
}

#[derive(Debug, Default)]
struct Shared {
    passed: AtomicBool,
    given_up: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Standstill {
    /// `None` where no thread can be started.
    pub(super) fn watch(limit: Duration) -> Option<Self> {
        let shared = Arc::new(Shared::default());
        let watched = shared.clone();
        let name = "sse-tower-test-clock".to_owned();
        let thread = thread::Builder::new().name(name).spawn(move || watched.wait(limit)).ok()?;
        Some(Self { shared, thread: thread.thread().clone(), begun: tokio::time::Instant::now() })
    }

    /// Whether tokio's clock stood still all the time. Otherwise `waker` is woken when it is known.
    pub(super) fn is_known(&self, waker: &Waker, limit: Duration) -> bool {
        let new = waker.clone();
        let old = self.shared.waker.lock().replace(new);
        drop(old);
        self.shared.passed.load(Ordering::Acquire) && self.begun.elapsed() < limit / 2
    }
}

impl Shared {
    fn wait(&self, limit: Duration) {
        let begun = Instant::now();
        while let Some(left) = limit.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
            if self.given_up.load(Ordering::Acquire) {
                return;
            }
        }
        self.passed.store(true, Ordering::Release);
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        self.shared.given_up.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    /// Whether the clock was found to stand still, before a sleep of tokio's was over.
    async fn stands_still() -> bool {
        let standstill = Standstill::watch(LIMIT).unwrap();
        let known = poll_fn(|cx| match standstill.is_known(cx.waker(), LIMIT) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        tokio::time::timeout(LIMIT * 10, known).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_never_rests_cannot_hold_a_wait_for_ever() {
        let begun = Instant::now();
        let restless = tokio::spawn(async move {
            // As good as for ever, and yet this test ends if it has to fail.
            while begun.elapsed() < LIMIT * 100 {
                tokio::task::yield_now().await;
            }
        });
        assert!(stands_still().await);
        restless.abort();
    }

    #[tokio::test]
    async fn a_clock_that_runs_does_not_stand_still() {
        assert!(!stands_still().await);
    }
}
