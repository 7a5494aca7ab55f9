//! How a panic becomes a failure: the one place that catches panics of listeners.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use super::error::ListenerPanicked;
use crate::panics;

/// Runs the program's code; its panic is a value.
#[inline]
pub(crate) fn guarded<R>(f: impl FnOnce() -> R) -> Result<R, ListenerPanicked> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let panicked = ListenerPanicked::new(&*panic);
        panics::discard(panic);
        panicked
    })
}

/// Polls the program's code; its panic is a value. A future that panicked must be dropped, and not
/// polled again.
#[inline]
pub(crate) fn guarded_poll<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<Result<T, ListenerPanicked>> {
    match guarded(poll) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    }
}

/// Polls `listener`; its panic is a value.
pub fn caught<R>(listener: Pin<&mut (dyn Future<Output = R> + Send)>) -> Caught<'_, R> {
    Caught(listener)
}

/// See [`caught`].
#[must_use]
pub struct Caught<'a, R>(Pin<&'a mut (dyn Future<Output = R> + Send + 'a)>);

impl<R> fmt::Debug for Caught<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caught")
    }
}

impl<R> Future for Caught<'_, R> {
    type Output = Result<R, ListenerPanicked>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        guarded_poll(|| self.0.as_mut().poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Waker};

    use super::*;

    #[test]
    #[allow(clippy::panic)]
    fn a_panic_is_a_value_that_says_what_the_panic_said() {
        let panicked = guarded(|| -> () { panic!("no such order") }).unwrap_err();
        assert_eq!(panicked.message, "no such order");
        assert_eq!(guarded(|| 7).unwrap(), 7);
    }

    #[test]
    #[allow(clippy::panic)]
    fn a_future_that_panics_is_ready_with_its_panic() {
        let mut cx = Context::from_waker(Waker::noop());
        let panics = pin!(poll_fn(|_| -> Poll<()> { panic!("late") }));
        let mut running = caught(panics);
        let polled = Pin::new(&mut running).poll(&mut cx);
        assert!(matches!(polled, Poll::Ready(Err(panicked)) if panicked.message == "late"));
    }
}
