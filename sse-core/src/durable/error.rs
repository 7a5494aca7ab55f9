//! Why something about durable listeners could not be done.

use crate::backplane::EngineError;

/// Why dead letters or durable listeners could not be read or steered.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, DurableError};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sse_tower_core::WiringError> {
/// let context = ApplicationContext::bare().build()?; // without a durable listener, and without a backplane
/// let error = context.dead_letters("mail").await.unwrap_err();
/// assert!(matches!(error, DurableError::Nowhere));
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurableError {
    /// The context has neither a durable listener nor a backplane.
    #[error("context stores no events; give it a backplane, or a durable listener")]
    Nowhere,
    /// The engine has no queue.
    #[error("this engine has no queue for durable listeners; use another one")]
    NoQueue,
    /// No program has declared such a listener.
    #[error("no durable listener `{0}` is known where events are stored")]
    Unknown(String),
    /// The listener is retired, by hand or because no process had it for 14 days: there is nothing to pause or resume.
    #[error(
        "durable listener `{0}` is retired: nothing is kept for it until a program that declares it starts"
    )]
    Retired(String),
    /// The store did not do it.
    #[error("store did not do it")]
    Store(#[from] EngineError),
}
