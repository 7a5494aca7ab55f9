//! Calling the program's callbacks: in order, one at a time, under no lock.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    boxed::BoxError,
    close_reason::CloseReason,
    panics,
    sync::{Mutex, lock},
};

/// One callback, with its argument.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// What `on_error` was given.
pub(super) type OnError = Box<dyn FnOnce(&BoxError) + Send>;
/// What `on_completion` was given.
pub(super) type OnCompletion = Box<dyn FnOnce(CloseReason) + Send>;

/// The callbacks of one connection, until their time comes.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) completion: Vec<OnCompletion>,
    /// Few connections have any of these.
    pub(super) others: Option<Box<OtherHooks>>,
}

#[derive(Default)]
pub(super) struct OtherHooks {
    pub(super) timeout: Vec<Callback>,
    pub(super) error: Vec<OnError>,
}

/// Callbacks whose time has come. One thread runs them all, so that they never overlap and never
/// change places, whichever threads they come from.
#[derive(Default)]
pub(crate) struct CallbackQueue {
    /// `None` while nothing waits: connections are many, and most of their time nothing does.
    pending: Mutex<Option<Box<Pending>>>,
}

#[derive(Default)]
struct Pending {
    waiting: VecDeque<Callback>,
    running: bool,
}

impl CallbackQueue {
    /// Adds `callbacks` behind those that were added before. May be called under a lock.
    pub(crate) fn add(&self, callbacks: impl IntoIterator<Item = Callback>) {
        let mut callbacks = callbacks.into_iter().peekable();
        if callbacks.peek().is_some() {
            lock(&self.pending).get_or_insert_default().waiting.extend(callbacks);
        }
    }

    /// Runs what waits, unless another thread is doing so. Must not be called under a lock.
    /// A callback that panics does not stop the next.
    pub(crate) fn run(&self) {
        match &mut *lock(&self.pending) {
            Some(pending) if !pending.running => pending.running = true,
            _ => return,
        }
        while let Some(callback) = self.next() {
            let over = catch_unwind(AssertUnwindSafe(callback));
            #[cfg(feature = "tracing")]
            if let Err(panic) = &over {
                let panic = crate::error_chain::panic_message(&**panic);
                tracing::error!(target: "sse_tower", panic, "callback of an emitter panicked; the next ones run");
            }
            if let Err(payload) = over {
                panics::discard(payload);
            }
        }
    }

    /// The next one for who runs them, who is that no more if there is none.
    fn next(&self) -> Option<Callback> {
        let mut pending = lock(&self.pending);
        let callback = pending.as_mut()?.waiting.pop_front();
        if callback.is_none() {
            *pending = None;
        }
        callback
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_callback_added_by_a_callback_comes_after_those_that_wait() {
        let queue = Arc::new(CallbackQueue::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |n: u32| {
            let seen = Arc::clone(&seen);
            Box::new(move || seen.lock().unwrap().push(n)) as Callback
        };
        let (inner, third) = (Arc::clone(&queue), note(3));
        let first = note(1);
        let nested = Box::new(move || {
            first();
            inner.add([third]);
            inner.run();
        }) as Callback;
        queue.add([nested, note(2)]);
        queue.run();
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_panic_that_panics_when_it_is_dropped_does_not_stop_the_next_either() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(std::thread::panicking(), "on purpose");
            }
        }
        let queue = CallbackQueue::default();
        let seen = Arc::new(Mutex::new(false));
        queue.add([Box::new(|| -> () { std::panic::panic_any(Bomb) }) as Callback]);
        queue.run();
        let mark = Arc::clone(&seen);
        queue.add([Box::new(move || *mark.lock().unwrap() = true) as Callback]);
        queue.run();
        assert!(*seen.lock().unwrap());
    }

    #[test]
    fn a_panicking_callback_does_not_stop_the_next() {
        let queue = CallbackQueue::default();
        let seen = Arc::new(Mutex::new(false));
        let mark = Arc::clone(&seen);
        queue.add([
            Box::new(|| assert!(std::thread::panicking(), "on purpose")) as Callback,
            Box::new(move || *mark.lock().unwrap() = true) as Callback,
        ]);
        queue.run();
        assert!(*seen.lock().unwrap());
    }
}
