//! What a context says of its streams, and how it leaves.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    application_context::ApplicationContext,
    lifecycle::{ContextClosed, ContextDraining},
};
use crate::{
    bus::carrier::Carrier,
    drain::{Drain, DrainPhase, Draining},
    observe,
};

#[cfg(test)]
mod tests;

/// For so long after its deadline a drain waits until the store has heard what became of durable listeners.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl ApplicationContext {
    /// Whether the context takes new streams: `false` from the first moment of a drain, and until the store of a
    /// [backplane](crate::ContextBuilder::backplane) knows its durable listeners. What a readiness probe answers.
    ///
    /// ```
    /// # use sse_tower_core::ApplicationContext;
    /// # let context = ApplicationContext::bare().build()?;
    /// let status = if context.is_ready() { 200 } else { 503 };
    /// # assert_eq!(status, 200);
    /// # Ok::<(), sse_tower_core::WiringError>(())
    /// ```
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.streams().phase() == DrainPhase::Running
            && self.bus().carrier().is_none_or(Carrier::is_ready)
    }

    /// Leaves without losing: new streams are refused politely; those that are open are told
    /// goodbye in slices, write what they have queued, and end.
    ///
    /// [`ContextDraining`] is published first, and its listeners are waited for; a quarter of the
    /// deadline at most. [`ContextClosed`] is published last, when all has
    /// [`settled`](Self::settled).
    ///
    /// Ready when all have ended, or at the drain's deadline. Calling it again waits for the drain
    /// that is under way. [`Draining::with`] sets how.
    ///
    /// # Panics
    /// Outside a tokio runtime, when awaited.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, Drain}, std::time::Duration};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sse_tower_core::WiringError> {
    /// let context = ApplicationContext::bare().build()?;
    /// context.drain().with(Drain::new().deadline(Duration::from_secs(5))).await;
    /// assert!(!context.is_ready());
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&self) -> Draining {
        self.drain_on(std::future::ready(()))
    }

    /// Waits for `signal`, then [drains](Self::drain): what
    /// `axum::serve(..).with_graceful_shutdown(..)` takes. The server goes on accepting meanwhile,
    /// so that new clients are refused politely instead of being hung up on.
    ///
    /// ```no_run
    /// # use sse_tower_core::ApplicationContext;
    /// # async fn leave(context: ApplicationContext, ctrl_c: std::future::Ready<()>) {
    /// // axum::serve(listener, app).with_graceful_shutdown(
    /// context.drain_on(async { ctrl_c.await })
    /// // )
    /// # .await }
    /// ```
    pub fn drain_on(&self, signal: impl Future<Output = ()> + Send + 'static) -> Draining {
        let context = self.clone();
        Draining::new(signal, move |drain| {
            if context.streams().advance(DrainPhase::Draining) {
                let context = context.clone();
                tokio::spawn(async move { context.leave(drain).await });
            }
            Box::pin(async move { context.streams().reached(DrainPhase::Closed).await })
        })
    }

    async fn leave(self, drain: Drain) {
        let start = Instant::now();
        let deadline = start + drain.longest();
        observe::drain_began(self.streams().len());
        // Nothing more is taken from the store from now on; what runs has until the deadline.
        let durable = self.bus().carrier().map(|carrier| carrier.drain(deadline));
        // Listeners may have last words for their streams, so they come first; one that takes its
        // time shortens what is left, but not by more than a quarter.
        let listeners = async { drop(self.publish_event(ContextDraining).await) };
        let _ = timeout_at(start + drain.longest() / 4, listeners).await;
        let left = self.streams().say_goodbye(&drain, deadline).await;
        // What was started and that nobody waits for: a listener that ends a stream, say.
        let _ = timeout_at(deadline, self.settled()).await;
        if let Some(durable) = durable {
            // What was cut at the deadline is given back, which is worth a moment more: others go on with it.
            let _ = timeout_at(deadline + LAST_WORDS, durable).await;
        }
        observe::drain_over(left, start.elapsed());
        // Its listeners too have until the deadline, and at least their first, synchronous part.
        let listeners = async { drop(self.publish_event(ContextClosed).await) };
        let _ = timeout_at(deadline, listeners).await;
        self.streams().advance(DrainPhase::Closed);
    }
}
