//! Spans that are there with the feature `tracing`, and nothing without it.

// Without the feature every argument is unused.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables))]

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;

use crate::CloseReason;

/// A span, or nothing.
#[doc(hidden)]
#[derive(Clone)]
pub struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

/// One stream, from its registration to its end; a child of the request's span.
#[doc(hidden)]
#[must_use]
pub fn stream_span() -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::info_span!(
            target: "sse_tower",
            "sse_stream",
            reason = tracing::field::Empty
        ),
    }
}

/// One publication, until its listeners are through.
#[doc(hidden)]
#[must_use]
pub fn publish_span(event: &'static str) -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::debug_span!(target: "sse_tower", "publish", event),
    }
}

/// One run of a listener.
#[doc(hidden)]
#[must_use]
pub fn listener_span(listener: &'static str) -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::debug_span!(target: "sse_tower", "listener", listener),
    }
}

/// One event on its way into a log.
#[doc(hidden)]
#[must_use]
pub fn send_span() -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::trace_span!(target: "sse_tower", "send"),
    }
}

impl Span {
    /// Runs `f` inside the span.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        f()
    }

    /// Runs each poll of `future` inside the span.
    pub fn follow<F: Future>(self, future: F) -> Followed<F> {
        Followed { future, span: self }
    }

    /// Notes how the stream ended.
    pub fn closed(&self, reason: CloseReason) {
        #[cfg(feature = "tracing")]
        self.span.record("reason", reason.as_str());
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Span")
    }
}

/// A future whose polls run inside a span.
#[doc(hidden)]
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Followed<F> {
    #[pin]
    future: F,
    span: Span,
}

impl<F: Future> Future for Followed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.span.run(|| this.future.poll(cx))
    }
}
