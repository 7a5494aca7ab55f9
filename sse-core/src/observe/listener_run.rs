//! `ListenerRun`: one run of a listener, with its span, its time and its outcome.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::{Span, listener_ran, listener_span};

/// One run of a listener. Dropped before its end it was stopped: by a timeout, or with its runtime.
#[derive(Debug)]
pub(crate) struct ListenerRun {
    label: &'static str,
    since: Instant,
    span: Span,
    /// Listener code is on the stack; still so in `drop` only if it panicked.
    inside: bool,
    outcome: Option<&'static str>,
}

impl ListenerRun {
    pub(crate) fn new(label: &'static str) -> Self {
        let span = listener_span(label);
        Self { label, since: Instant::now(), span, inside: false, outcome: None }
    }

    /// Runs a synchronous listener.
    pub(crate) fn run<R>(mut self, listener: impl FnOnce() -> R, failed: fn(&R) -> bool) -> R {
        let answer = self.enter(listener);
        self.over(failed(&answer));
        answer
    }

    /// Runs an asynchronous listener.
    pub(crate) fn follow<F: Future>(
        self,
        listener: F,
        failed: fn(&F::Output) -> bool,
    ) -> Running<F, F::Output> {
        Running { listener, run: self, failed }
    }

    fn enter<R>(&mut self, listener: impl FnOnce() -> R) -> R {
        self.inside = true;
        let answer = self.span.run(listener);
        self.inside = false;
        answer
    }

    fn over(&mut self, failed: bool) {
        self.outcome = Some(if failed { "failed" } else { "ok" });
    }
}

impl Drop for ListenerRun {
    fn drop(&mut self) {
        // A panic is a failure like any other.
        let unfinished = if self.inside { "failed" } else { "stopped" };
        listener_ran(self.label, self.outcome.unwrap_or(unfinished), self.since.elapsed());
    }
}

pin_project! {
    /// An asynchronous listener that is noted.
    pub(crate) struct Running<F, R> {
        #[pin]
        listener: F,
        run: ListenerRun,
        failed: fn(&R) -> bool,
    }
}

impl<F: Future> Future for Running<F, F::Output> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.run.enter(|| this.listener.poll(cx)));
        this.run.over((this.failed)(&answer));
        Poll::Ready(answer)
    }
}

impl<F, R> fmt::Debug for Running<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("run", &self.run).finish_non_exhaustive()
    }
}
