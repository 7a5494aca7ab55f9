//! Calling the program's callbacks: in order, one at a time, under no lock.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::sync::{Mutex, lock};

/// One callback, with its argument.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Callbacks whose time has come. One thread runs them all, so that they never overlap and never
/// change places, whichever threads they come from.
#[derive(Default)]
pub(crate) struct Turnstile {
    /// `None` while nothing waits: connections are many, and most of their time nothing does.
    line: Mutex<Option<Box<Line>>>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Job>,
    running: bool,
}

impl Turnstile {
    /// Lines up `jobs` behind those that were added before. May be called under a lock.
    pub(crate) fn add(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut jobs = jobs.into_iter().peekable();
        if jobs.peek().is_some() {
            lock(&self.line).get_or_insert_default().waiting.extend(jobs);
        }
    }

    /// Runs what is lined up, unless another thread is doing so. Must not be called under a lock.
    /// A job that panics does not stop the next.
    pub(crate) fn run(&self) {
        match &mut *lock(&self.line) {
            Some(line) if !line.running => line.running = true,
            _ => return,
        }
        while let Some(job) = self.next() {
            let over = catch_unwind(AssertUnwindSafe(job));
            #[cfg(feature = "tracing")]
            if let Err(panic) = &over {
                let panic = crate::error_chain::panic_message(&**panic);
                tracing::error!(target: "sse_tower", panic, "callback of an emitter panicked; the next ones run");
            }
            drop(over);
        }
    }

    /// The next job for who runs them, who is that no more if there is none.
    fn next(&self) -> Option<Job> {
        let mut line = lock(&self.line);
        let job = line.as_mut()?.waiting.pop_front();
        if job.is_none() {
            *line = None;
        }
        job
    }
}

#[cfg(all(test, not(sse_loom)))]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_job_added_by_a_job_comes_after_those_that_wait() {
        let turnstile = Arc::new(Turnstile::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |n: u32| {
            let seen = Arc::clone(&seen);
            Box::new(move || seen.lock().unwrap().push(n)) as Job
        };
        let (inner, third) = (Arc::clone(&turnstile), note(3));
        let first = note(1);
        let nested = Box::new(move || {
            first();
            inner.add([third]);
            inner.run();
        }) as Job;
        turnstile.add([nested, note(2)]);
        turnstile.run();
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_panicking_job_does_not_stop_the_next() {
        let turnstile = Turnstile::default();
        let seen = Arc::new(Mutex::new(false));
        let mark = Arc::clone(&seen);
        turnstile.add([
            Box::new(|| assert!(std::thread::panicking(), "on purpose")) as Job,
            Box::new(move || *mark.lock().unwrap() = true) as Job,
        ]);
        turnstile.run();
        assert!(*seen.lock().unwrap());
    }
}
