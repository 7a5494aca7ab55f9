//! What a context says of its streams, and how it leaves.

use std::future::Future;

use tokio::time::Instant;

use super::{Drain, Draining, OpenStreams, Phase};
use crate::{ApplicationContext, observe};

impl ApplicationContext {
    /// The streams of this context that are open. Layers register what they carry.
    #[must_use]
    pub fn open_streams(&self) -> &OpenStreams {
        self.streams()
    }

    /// Whether the context takes new streams: `false` from the first moment of a drain. What a
    /// readiness probe answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.streams().phase() == Phase::Running
    }

    /// Leaves without losing: new streams are refused politely; those that are open are told
    /// goodbye in slices, write what they have queued, and end.
    ///
    /// Ready when all have ended, or at the drain's deadline. Calling it again waits for the drain
    /// that is under way. [`Draining::with`] sets how.
    ///
    /// # Panics
    /// Outside a tokio runtime, when awaited.
    pub fn drain(&self) -> Draining {
        self.drain_on(std::future::ready(()))
    }

    /// Waits for `signal`, then [drains](Self::drain): what
    /// `axum::serve(..).with_graceful_shutdown(..)` takes. The server goes on accepting meanwhile,
    /// so that new clients are refused politely instead of being hung up on.
    pub fn drain_on(&self, signal: impl Future<Output = ()> + Send + 'static) -> Draining {
        let context = self.clone();
        Draining::new(signal, move |drain| {
            if context.streams().advance(Phase::Draining) {
                let context = context.clone();
                tokio::spawn(async move { context.leave(drain).await });
            }
            Box::pin(async move { context.streams().reached(Phase::Closed).await })
        })
    }

    async fn leave(self, drain: Drain) {
        let start = Instant::now();
        observe::drain_began(self.streams().len());
        let left = self.streams().say_goodbye(&drain, start).await;
        observe::drain_over(left, start.elapsed());
        self.streams().advance(Phase::Closed);
    }
}
