//! `Begun`: a call that goes on when nobody waits for it any more.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use sse_tower_core::backplane::EngineError;
use tokio::runtime::Handle;

type Running<T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send>>;

/// A call that has begun: it was polled once when it was made, so what it sends has its place, and if it is dropped
/// the runtime brings it to its end. There is no task for the usual case, in which somebody waits.
pub(super) struct Begun<T: Send + 'static> {
    running: Option<Running<T>>,
    done: Option<Result<T, EngineError>>,
    runtime: Handle,
}

impl<T: Send + 'static> Begun<T> {
    pub(super) fn new(
        runtime: &Handle,
        call: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Self {
        let mut running: Running<T> = Box::pin(call);
        let mut begun = Self { running: None, done: None, runtime: runtime.clone() };
        // Whoever waits polls again, with a waker of its own.
        match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => begun.done = Some(done),
            Poll::Pending => begun.running = Some(running),
        }
        begun
    }
}

impl<T: Send + 'static> Unpin for Begun<T> {}

impl<T: Send + 'static> Future for Begun<T> {
    type Output = Result<T, EngineError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(done) = self.done.take() {
            return Poll::Ready(done);
        }
        let Some(running) = &mut self.running else {
            // Polled after its end, which a future may not be.
            return Poll::Pending;
        };
        let polled = running.as_mut().poll(cx);
        if polled.is_ready() {
            self.running = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Begun<T> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.spawn(running);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_goes_on() {
        let (go, wait) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let steps = Arc::new(AtomicUsize::new(0));
        let begun = Begun::new(&Handle::current(), {
            let steps = steps.clone();
            async move {
                steps.fetch_add(1, Ordering::SeqCst);
                let _ = wait.await;
                let _ = end.send(());
                Ok(())
            }
        });
        assert_eq!(steps.load(Ordering::SeqCst), 1, "it has begun");
        drop(begun);
        go.send(()).unwrap();
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_ready_at_once_is_answered() {
        assert_eq!(Begun::new(&Handle::current(), async { Ok(7) }).await.unwrap(), 7);
    }
}
