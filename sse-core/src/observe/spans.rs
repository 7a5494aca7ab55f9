//! Spans that are there with the feature `tracing`, and nothing without it.

// Without the feature every argument is unused.
#![cfg_attr(not(feature = "tracing"), allow(unused_variables))]

use std::fmt;

use crate::close_reason::CloseReason;

/// A span, or nothing.
#[derive(Clone)]
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

/// One stream, from its registration to its end; a child of the request's span.
pub(crate) fn stream_span() -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::info_span!(
            target: "sse_tower",
            "sse_stream",
            reason = tracing::field::Empty
        ),
    }
}

/// Publishes inside a span, and counts it. What is left of the publication after the call runs in
/// the same span: see [`Span::current`].
#[cfg_attr(not(any(feature = "metrics", feature = "tracing")), inline(always))]
pub(crate) fn publishing<R>(event: fn() -> &'static str, publish: impl FnOnce() -> R) -> R {
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    let event = event();
    #[cfg(feature = "metrics")]
    super::published(event);
    #[cfg(feature = "tracing")]
    let _entered = tracing::debug_span!(target: "sse_tower", "publish", event).entered();
    publish()
}

/// An event that waits for its transaction: what is heard of it, at whatever stage, is heard in this span.
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn publish_span(event: fn() -> &'static str) -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::debug_span!(target: "sse_tower", "publish", event = event()),
    }
}

/// An event of a transaction is delivered.
pub(crate) fn counted(event: fn() -> &'static str) {
    #[cfg(feature = "metrics")]
    super::published(event());
    #[cfg(not(feature = "metrics"))]
    let _ = event;
}

/// One run of a listener.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) fn listener_span(listener: &'static str) -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::debug_span!(target: "sse_tower", "listener", listener),
    }
}

/// One attempt of a durable listener. The first is part of the publisher's trace, another one is linked to it.
#[cfg(feature = "json")]
pub(crate) fn attempt_span(
    listener: &std::sync::Arc<str>,
    (event_id, correlation_id): (&dyn fmt::Display, &dyn fmt::Display),
    traceparent: Option<&str>,
    tried: u32,
) -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: {
            let span = tracing::debug_span!(
                target: "sse_tower",
                "attempt",
                %listener,
                %event_id,
                %correlation_id,
                attempt = tried.saturating_add(1),
                traceparent = tracing::field::Empty,
                link = tracing::field::Empty,
            );
            if let Some(traceparent) = traceparent {
                span.record(if tried == 0 { "traceparent" } else { "link" }, traceparent);
            }
            span
        },
    }
}

/// One event on its way into a log.
pub(crate) fn send_span() -> Span {
    Span {
        #[cfg(feature = "tracing")]
        span: tracing::trace_span!(target: "sse_tower", "send"),
    }
}

impl Span {
    /// Runs `f` inside the span.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        f()
    }

    /// The span that this code runs in.
    pub(crate) fn current() -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    /// What happens in `span` was caused in this one.
    #[cfg(feature = "tracing")]
    pub(super) fn is_followed_by(&self, span: &tracing::Span) {
        span.follows_from(&self.span);
    }

    /// Notes how the stream ended.
    pub(crate) fn closed(&self, reason: CloseReason) {
        #[cfg(feature = "tracing")]
        self.span.record("reason", reason.as_str());
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Span")
    }
}
