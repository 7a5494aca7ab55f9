//! The methods of `ApplicationContext` about its streams: whether it is ready, and how it drains.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout_at},
};

use super::{
    application_context::ApplicationContext,
    lifecycle::{ContextClosed, ContextDraining},
};
use crate::{
    boxed::BoxFuture,
    bus::carrier::Carrier,
    drain::{Drain, DrainPhase, Draining},
    observe,
};

#[cfg(test)]
mod tests;

/// For so long after its deadline a drain waits until the store has heard what became of durable listeners.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl ApplicationContext {
    /// Whether the context takes new streams: `false` from the first moment of a drain, while its backplane is
    /// [down](crate::backplane::Health::Down), and until the store knows its durable listeners. What a readiness probe
    /// answers.
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
            && self.backplane().is_none_or(|node| node.health().borrow().is_ready())
            && self.bus().carrier().is_none_or(Carrier::is_ready)
    }

    /// Whether a drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.streams().phase() != DrainPhase::Running
    }

    /// Ready when the context begins to leave; at once if it has. For what a program does in a loop beside its
    /// requests, which would otherwise go on until it is cut off.
    ///
    /// Every handler and every listener can take the context, so a listener of [`ContextStarted`](crate::ContextStarted)
    /// can be such a loop.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is lost by dropping the future.
    ///
    /// ```
    /// # use {sse_tower_core::{ApplicationContext, WiringError}, std::time::Duration};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), WiringError> {
    /// # let context = ApplicationContext::bare().build()?;
    /// let leaving = context.draining();
    /// let sampler = tokio::spawn(async move {
    ///     let mut every = tokio::time::interval(Duration::from_secs(1));
    ///     tokio::pin!(leaving);
    ///     loop {
    ///         tokio::select! {
    ///             () = &mut leaving => break, // write the last sample, close the file
    ///             _ = every.tick() => { /* take a sample, send it */ }
    ///         }
    ///     }
    /// });
    /// context.drain().await;
    /// # sampler.await.unwrap();
    /// # Ok(()) }
    /// ```
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let streams = self.streams().clone();
        async move { streams.reached(DrainPhase::Draining).await }
    }

    /// Leaves without losing: new streams are refused politely; those that are open are told
    /// goodbye in slices, write what they have queued, and end.
    ///
    /// [`ContextDraining`] is published first, and its listeners are waited for; a quarter of the
    /// deadline at most. [`ContextClosed`] is published last, when all has
    /// [`settled`](Self::settled); then components are [stopped](crate::ContextBuilder::on_stop).
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
                // Not here and now: whoever asks for it may be gone before it is over.
                let tasks = Arc::clone(context.bus().tasks());
                tasks.hand_over(Box::pin(context.leave(drain)));
            }
            Box::pin(async move { context.streams().reached(DrainPhase::Closed).await })
        })
    }

    async fn leave(self, drain: Drain) {
        let start = Instant::now();
        let deadline = start + drain.time();
        observe::drain_began(self.streams().len());
        // Nothing more is taken from the store from now on; what runs has until the deadline.
        let durable = self.bus().carrier().map(|carrier| carrier.drain(deadline));
        // Listeners may have last words for their streams, so they come first; one that takes its
        // time shortens what is left, but not by more than a quarter.
        let listeners = self.clone();
        let listeners = async move { drop(listeners.publish_event(ContextDraining).await) };
        beside(listeners, start + drain.time() / 4).await;
        // Last words go through the store before their streams end.
        self.flush(start + drain.time() / 4).await;
        let left = self.streams().say_goodbye(&drain, deadline).await;
        // What was started and that nobody waits for: a listener that ends a stream, say.
        let _ = timeout_at(deadline, self.settled()).await;
        if let Some(durable) = durable {
            // What was cut at the deadline is given back, which is worth a moment more: others go on with it.
            let _ = timeout_at(deadline + LAST_WORDS, durable).await;
        }
        observe::drain_over(left, start.elapsed());
        // Its listeners too have until the deadline, and at least their first, synchronous part.
        let (listeners, (begun, begins)) = (self.clone(), oneshot::channel());
        let listeners = async move {
            let mut publication = pin!(listeners.publish_event(ContextClosed));
            let first = poll_fn(|cx| Poll::Ready(publication.as_mut().poll(cx).is_ready())).await;
            let _ = begun.send(());
            if !first {
                drop(publication.await);
            }
        };
        let began = Instant::now();
        let closing = elsewhere(listeners).await;
        let _ = timeout_at(deadline.max(began + FIRST_PART), begins).await;
        if let Some(closing) = closing {
            let _ = timeout_at(deadline, closing).await;
        }
        for stop in self.stops().take() {
            beside(stop.stop(), deadline.max(Instant::now() + FIRST_PART)).await;
        }
        self.flush(deadline).await;
        self.streams().advance(DrainPhase::Closed);
    }

    /// Writes what the backplane has queued, until a deadline.
    async fn flush(&self, deadline: Instant) {
        if let Some(backplane) = self.backplane() {
            let _ = timeout_at(deadline, backplane.flush()).await;
        }
    }
}

/// How long the first part of the listeners of [`ContextClosed`] may take after the deadline, and each component that is
/// stopped then.
const FIRST_PART: Duration = Duration::from_millis(100);

/// Runs code of the program until it is through, but waits no longer than `deadline`. In a task of its own, so that
/// code which blocks its thread holds up neither the drain nor its clock; after the deadline it goes on alone.
async fn beside(work: impl Future<Output = ()> + Send + 'static, deadline: Instant) {
    if let Some(task) = elsewhere(work).await {
        let _ = timeout_at(deadline, task).await;
    }
}

/// Spawns from a thread that is no worker of the runtime. A task that is spawned by a worker is that worker's next,
/// and wakes no other; if it blocks, nobody may be left who looks at the clock.
async fn elsewhere(work: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
    let runtime = Handle::current();
    let work: BoxFuture<()> = Box::pin(work);
    spawn_blocking(move || runtime.spawn(work)).await.ok()
}
