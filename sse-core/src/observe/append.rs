//! `BackplaneAppend`: one batch on its way to the store, counted and traced.

// Without the features arguments are unused, and the calls compile to nothing.
#![cfg_attr(not(all(feature = "metrics", feature = "tracing")), allow(unused_variables))]

use super::spans::Span;
#[cfg(feature = "metrics")]
use crate::observe as names;

/// Notes that a batch of `changes` changes is handed to the store, which were made within these spans.
pub(crate) fn backplane_append(changes: usize, from: &[Span]) -> BackplaneAppend {
    BackplaneAppend {
        #[cfg(feature = "metrics")]
        began: std::time::Instant::now(),
        #[cfg(feature = "tracing")]
        span: {
            let span = tracing::debug_span!(target: "sse_tower", "backplane_append", changes);
            from.iter().for_each(|from| from.is_followed_by(&span));
            span
        },
    }
}

/// One attempt to store a batch.
pub(crate) struct BackplaneAppend {
    #[cfg(feature = "metrics")]
    began: std::time::Instant,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl BackplaneAppend {
    /// Runs within its span.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            #[cfg(feature = "tracing")]
            let _within = self.span.enter();
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Notes that it was stored.
    pub(crate) fn finish(&self) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(names::BACKPLANE_APPEND).record(self.began.elapsed());
    }
}
