//! How durable listeners stand, and steering them.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
};

use super::{error::DurableError, shared::Shared};
use crate::backplane::{ListenerStats, Queue, Steer};

/// All durable listeners that are known where events are stored, those of other programs among them. Made by
/// [`ApplicationContext::listeners`](crate::ApplicationContext::listeners).
///
/// Awaited, it says how they stand: backlog, what waits for another attempt, what runs, dead letters, how old the
/// oldest event is, and what else than here is declared under the same id.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, DurableError};
/// # async fn look(context: ApplicationContext) -> Result<(), DurableError> {
/// for listener in context.listeners().await? {
///     println!("{}: {} wait, {} are dead", listener.listener, listener.backlog, listener.dead);
/// }
/// context.listeners().pause("mail").await?; // on every node, until `resume`
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "await it for the list, or say what to do"]
pub struct Listeners(pub(crate) Option<Arc<Shared>>);

impl Listeners {
    /// Nothing more begins for this listener, on any node, until [`resume`](Self::resume). Events are stored on.
    ///
    /// # Errors
    /// [`DurableError::Unknown`] for a listener that nobody declared, and [`DurableError::Retired`] for one that is gone: a process
    /// that declares it again serves it at once.
    pub async fn pause(&self, id: &str) -> Result<(), DurableError> {
        self.steer(id, Steer::Pause).await
    }

    /// The other way round.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, id: &str) -> Result<(), DurableError> {
        self.steer(id, Steer::Resume).await
    }

    /// The listener is gone for good: what waited for it is dropped, and nothing is kept for it any more. By itself that
    /// happens to a listener that no process has had for 14 days. A process that declares it begins anew. What is retired
    /// already stays so.
    ///
    /// # Errors
    /// [`DurableError::Unknown`] for a listener that nobody declared.
    pub async fn retire(&self, id: &str) -> Result<(), DurableError> {
        self.steer(id, Steer::Retire).await
    }

    async fn steer(&self, id: &str, how: Steer) -> Result<(), DurableError> {
        let shared = has(&self.0)?;
        let queue = queue(shared)?;
        if !queue.steer(id.into(), how).await? {
            let known = queue.stats().await?.iter().any(|stats| *stats.listener == *id);
            let why = if known { DurableError::Retired } else { DurableError::Unknown };
            return Err(why(id.to_owned()));
        }
        shared.to_claim().ring();
        Ok(())
    }
}

impl IntoFuture for Listeners {
    type Output = Result<Vec<ListenerStats>, DurableError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let shared = has(&self.0)?;
            let mut all = queue(shared)?.stats().await?;
            for stats in &mut all {
                stats.only_elsewhere = shared.heard().only_elsewhere(stats);
            }
            Ok(all)
        })
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}

pub(super) fn has(shared: &Option<Arc<Shared>>) -> Result<&Arc<Shared>, DurableError> {
    shared.as_ref().ok_or(DurableError::Nowhere)
}

pub(super) fn queue(shared: &Arc<Shared>) -> Result<&dyn Queue, DurableError> {
    shared.engine().queue().ok_or(DurableError::NoQueue)
}
