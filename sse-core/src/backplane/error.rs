//! `EngineFuture` and `EngineError`: what an engine's calls return, and why one failed.

use std::{fmt, future::Future, pin::Pin};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What an engine's calls return.
///
/// The call has begun, and its place among other calls is fixed, when the method returns, not when this is first
/// polled. Dropping it cancels nothing half way: what was begun is done, and only its answer is lost.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

/// What kind of failure, which decides what is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// The store did not answer, or not in time. Whether the call took effect is unknown; it is made again with the
    /// same batch number, which is why a retry never doubles.
    Unavailable,
    /// The store refused, and would refuse again: a right that is missing, a setting, a version. Nothing was stored.
    Refused,
    /// This batch number came too late: a newer batch of the node was stored already. Nothing was stored.
    Superseded,
    /// This engine cannot do that. Nothing was stored.
    Unsupported,
    /// The engine was closed by this process. Nothing was stored.
    Closed,
}

/// Why an engine could not do what was asked. Its text never holds a password: engines redact what they show.
///
/// ```
/// # use sse_tower_core::backplane::{EngineError, EngineErrorKind};
/// let away = EngineError::unavailable("the store did not answer within 2 s");
/// assert_eq!(away.kind(), EngineErrorKind::Unavailable);
/// assert_eq!(away.to_string(), "the store did not answer within 2 s");
/// ```
pub struct EngineError {
    kind: EngineErrorKind,
    message: Box<str>,
    source: Option<BoxError>,
}

impl EngineError {
    /// An error of this kind. The message says what happened and, where somebody can do something, what.
    #[must_use]
    pub fn new(kind: EngineErrorKind, message: impl Into<Box<str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The store did not answer.
    #[must_use]
    pub fn unavailable(message: impl Into<Box<str>>) -> Self {
        Self::new(EngineErrorKind::Unavailable, message)
    }

    /// The store refused for good.
    #[must_use]
    pub fn refused(message: impl Into<Box<str>>) -> Self {
        Self::new(EngineErrorKind::Refused, message)
    }

    /// Adds what the driver said, which must be free of secrets.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> EngineErrorKind {
        self.kind
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause: Option<&(dyn std::error::Error + 'static)> =
            self.source.as_deref().map(|source| source as _);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
