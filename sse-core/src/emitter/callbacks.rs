//! Calling the program's callbacks: in order, one at a time, under no lock.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use smallvec::SmallVec;
use tokio_util::sync::CancellationToken;

use crate::{
    boxed::BoxError,
    close_reason::CloseReason,
    few::Few,
    panics,
    sync::{Arc, Mutex, lock},
};

/// What `on_timeout` was given.
pub(super) type OnTimeout = Box<dyn FnOnce() + Send>;
/// What `on_error` was given.
pub(super) type OnError = Box<dyn FnOnce(&BoxError) + Send>;
/// What `on_completion` was given.
pub(super) type OnCompletion = Box<dyn FnOnce(CloseReason) + Send>;

/// One callback, with its argument.
pub(super) enum Callback {
    Timeout(OnTimeout),
    Error(OnError, Arc<BoxError>),
    Completion(OnCompletion, CloseReason),
    /// Tells whoever waits that all callbacks before it have returned.
    Over(CancellationToken),
}

impl Callback {
    fn call(self) {
        match self {
            Self::Timeout(hook) => hook(),
            Self::Error(hook, error) => hook(&error),
            Self::Completion(hook, reason) => hook(reason),
            Self::Over(over) => over.cancel(),
        }
    }
}

/// The callbacks of one connection, until their time comes.
#[derive(Default)]
pub(super) struct Hooks {
    /// Most have one, whose guard a limit or a drain holds.
    pub(super) completion: Few<OnCompletion>,
    /// Few connections have any of these.
    pub(super) others: Option<Box<OtherHooks>>,
}

#[derive(Default)]
pub(super) struct OtherHooks {
    pub(super) timeout: Vec<OnTimeout>,
    pub(super) error: Vec<OnError>,
}

/// Callbacks whose time has come. One thread runs them all, so that they never overlap and never
/// change places, whichever threads they come from.
#[derive(Default)]
pub(super) struct CallbackQueue {
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    /// `None` while nothing waits: connections are many, and most of their time nothing does.
    #[expect(
        clippy::box_collection,
        reason = "a queue is four words, and each connection has one"
    )]
    waiting: Option<Box<VecDeque<Callback>>>,
    running: bool,
}

/// Callbacks that were added, to be run by dropping this; which must not happen under a lock.
#[must_use = "callbacks run when this is dropped, which must not be under a lock"]
pub(super) struct Turn<'a> {
    queue: &'a CallbackQueue,
    /// Callbacks that run at once, since none waits before them and nobody else runs any: they need no place in the
    /// queue.
    own: Option<SmallVec<[Callback; 1]>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        match self.own.take() {
            Some(own) => {
                own.into_iter().for_each(contained);
                self.queue.run_rest();
            }
            None => self.queue.run(),
        }
    }
}

impl CallbackQueue {
    /// Adds `callbacks` behind those that were added before. May be called under a lock.
    pub(super) fn add(&self, callbacks: impl IntoIterator<Item = Callback>) {
        let mut callbacks = callbacks.into_iter().peekable();
        if callbacks.peek().is_some() {
            lock(&self.pending).waiting.get_or_insert_default().extend(callbacks);
        }
    }

    /// Like [`add`](Self::add). Whoever drops what is returned runs them, unless another thread does.
    pub(super) fn begin(&self, callbacks: impl IntoIterator<Item = Callback>) -> Turn<'_> {
        let callbacks: SmallVec<[Callback; 1]> = callbacks.into_iter().collect();
        let mut pending = lock(&self.pending);
        if pending.running || pending.waiting.is_some() {
            pending.waiting.get_or_insert_default().extend(callbacks);
            return Turn { queue: self, own: None };
        }
        pending.running = !callbacks.is_empty();
        Turn { queue: self, own: Some(callbacks).filter(|callbacks| !callbacks.is_empty()) }
    }

    /// Runs what waits, unless another thread is doing so. Must not be called under a lock.
    /// A callback that panics does not stop the next.
    pub(super) fn run(&self) {
        {
            let mut pending = lock(&self.pending);
            if pending.running || pending.waiting.is_none() {
                return;
            }
            pending.running = true;
        }
        self.run_rest();
    }

    fn run_rest(&self) {
        while let Some(callback) = self.next() {
            contained(callback);
        }
    }

    /// The next callback to run. If there is none, the caller does not run them any more.
    fn next(&self) -> Option<Callback> {
        let mut pending = lock(&self.pending);
        let callback = pending.waiting.as_mut().and_then(|waiting| waiting.pop_front());
        if callback.is_none() {
            *pending = Pending::default();
        }
        callback
    }
}

fn contained(callback: Callback) {
    let over = catch_unwind(AssertUnwindSafe(|| callback.call()));
    #[cfg(feature = "tracing")]
    if let Err(panic) = &over {
        let panic = crate::error_chain::panic_message(&**panic);
        tracing::error!(target: "sse_tower", panic, "callback of an emitter panicked; the next ones run");
    }
    if let Err(payload) = over {
        panics::discard(payload);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn hook(f: impl FnOnce() + Send + 'static) -> Callback {
        Callback::Timeout(Box::new(f))
    }

    #[test]
    fn what_is_run_by_its_own_turn_comes_before_what_was_added_meanwhile() {
        let queue = CallbackQueue::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |n: u32| {
            let seen = Arc::clone(&seen);
            hook(move || seen.lock().unwrap().push(n))
        };
        let turn = queue.begin([note(1), note(2)]);
        queue.add([note(3)]);
        let later = queue.begin([note(4)]);
        drop(later);
        assert!(seen.lock().unwrap().is_empty(), "it is another one's turn");
        drop(turn);
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 4]);
        drop(queue.begin([]));
        drop(queue.begin([note(5)]));
        assert_eq!(seen.lock().unwrap().last(), Some(&5));
    }

    #[test]
    fn a_callback_added_by_a_callback_comes_after_those_that_wait() {
        let queue = Arc::new(CallbackQueue::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |n: u32| {
            let seen = Arc::clone(&seen);
            hook(move || seen.lock().unwrap().push(n))
        };
        let (inner, third) = (Arc::clone(&queue), note(3));
        let first = note(1);
        let nested = hook(move || {
            first.call();
            inner.add([third]);
            inner.run();
        });
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
        queue.add([hook(|| -> () { std::panic::panic_any(Bomb) })]);
        queue.run();
        let mark = Arc::clone(&seen);
        queue.add([hook(move || *mark.lock().unwrap() = true)]);
        queue.run();
        assert!(*seen.lock().unwrap());
    }

    #[test]
    fn a_panicking_callback_does_not_stop_the_next() {
        let queue = CallbackQueue::default();
        let seen = Arc::new(Mutex::new(false));
        let mark = Arc::clone(&seen);
        queue.add([
            hook(|| assert!(std::thread::panicking(), "on purpose")),
            hook(move || *mark.lock().unwrap() = true),
        ]);
        queue.run();
        assert!(*seen.lock().unwrap());
    }
}
