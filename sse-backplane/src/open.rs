//! `BackplaneBuilder`: from a URL to a backplane.

use std::{fmt, time::Duration};

use sse_tower_core::backplane::{
    DEFAULT_DEADLINE, Engine, EngineError, MemoryStore, Node, NodeOptions,
};

use crate::{handle::Backplane, redacted::redacted};

/// The namespace where none is given.
pub const DEFAULT_NAMESPACE: &str = "sse";
/// How long the name of a namespace may be, in bytes.
const MAX_NAMESPACE: usize = 64;

/// Why a backplane could not be opened. No secret of its URL is in the text.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The engine for this URL is not in the program.
    #[error("`{url}` needs the feature `{feature}` of `sse-tower`, which is off")]
    FeatureOff {
        /// The URL, without its secrets.
        url: String,
        /// The feature.
        feature: &'static str,
    },
    /// No engine has such URLs.
    #[error(
        "`{0}` is no backplane; URLs begin with `memory:`, `redb:`, `redis://`, `rediss://`, `postgres://`, \
         `nats://` or `tls://`"
    )]
    UnknownScheme(String),
    /// Not the name of a namespace.
    #[error("`{0}` is no namespace; use 1 to 64 letters, digits, `-` and `_`")]
    Namespace(String),
    /// The store could not be reached, or refused.
    #[error("backplane `{url}` cannot be opened")]
    Engine {
        /// The URL, without its secrets.
        url: String,
        /// What the engine said.
        source: EngineError,
    },
}

/// The text with its causes: it is what `unwrap` prints, and a `main` that returns it.
impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match self {
            Self::Engine { source, .. } => write!(f, ": {source:?}"),
            _ => Ok(()),
        }
    }
}

/// Sets up a [`Backplane`].
///
/// ```
/// # use {sse_tower_backplane::Backplane, std::time::Duration};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backplane = Backplane::builder("memory:")
///     .namespace("shop")
///     .deadline(Duration::from_secs(2))
///     .open()
///     .await?;
/// # drop(backplane);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder opens nothing until `open`"]
pub struct BackplaneBuilder {
    url: String,
    namespace: String,
    deadline: Duration,
}

impl BackplaneBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self { url, namespace: DEFAULT_NAMESPACE.to_owned(), deadline: DEFAULT_DEADLINE }
    }

    /// Programs with another namespace at the same store know nothing of each other. Default: [`DEFAULT_NAMESPACE`].
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long a send waits for the store at most. Default: 5 s.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Connects, and makes what the store needs if it is not there.
    ///
    /// # Errors
    /// [`OpenError`]: the URL or the namespace cannot be used, or the store cannot be reached now.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it leaves nothing behind.
    pub async fn open(self) -> Result<Backplane, OpenError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let length = 1..=MAX_NAMESPACE;
        if !length.contains(&self.namespace.len()) || !self.namespace.bytes().all(is_name) {
            return Err(OpenError::Namespace(self.namespace));
        }
        // What is no scheme may be a secret.
        let scheme = self.url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "memory" => self.start(MemoryStore::new().engine()).await,
            #[cfg(feature = "redb")]
            "redb" => {
                let path = self.url.trim_start_matches("redb:");
                let engine = crate::redb::open(path, &self.namespace);
                self.start_made(engine).await
            }
            #[cfg(not(feature = "redb"))]
            "redb" => Err(self.feature_off("redb")),
            #[cfg(feature = "redis")]
            "redis" | "rediss" | "redis+unix" | "valkey" | "valkeys" => {
                let engine = crate::redis::RedisEngine::new(&self.url, &self.namespace);
                self.start_made(engine).await
            }
            #[cfg(not(feature = "redis"))]
            "redis" | "rediss" | "redis+unix" | "valkey" | "valkeys" => {
                Err(self.feature_off("redis"))
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let engine = crate::postgres::Postgres::new(&self.url, &self.namespace);
                self.start_made(engine).await
            }
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => Err(self.feature_off("postgres")),
            #[cfg(feature = "nats")]
            "nats" | "tls" => {
                let engine = crate::nats::connect(&self.url, &self.namespace).await;
                self.start_made(engine).await
            }
            #[cfg(not(feature = "nats"))]
            "nats" | "tls" => Err(self.feature_off("nats")),
            _ => Err(OpenError::UnknownScheme(redacted(&self.url))),
        }
    }

    #[allow(dead_code, reason = "every engine may be off, or none")]
    fn feature_off(&self, feature: &'static str) -> OpenError {
        OpenError::FeatureOff { url: redacted(&self.url), feature }
    }

    #[allow(dead_code, reason = "every engine may be off")]
    async fn start_made(
        self,
        engine: Result<impl Engine, EngineError>,
    ) -> Result<Backplane, OpenError> {
        match engine {
            Ok(engine) => self.start(engine).await,
            Err(source) => Err(OpenError::Engine { url: redacted(&self.url), source }),
        }
    }

    async fn start(self, engine: impl Engine) -> Result<Backplane, OpenError> {
        let mut options = NodeOptions::default();
        options.deadline = self.deadline;
        let opened = Node::open(engine, options).await;
        opened
            .map(Backplane::from)
            .map_err(|source| OpenError::Engine { url: redacted(&self.url), source })
    }
}

impl fmt::Debug for BackplaneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackplaneBuilder")
            .field("url", &redacted(&self.url))
            .field("namespace", &self.namespace)
            .field("deadline", &self.deadline)
            .finish()
    }
}

impl Backplane {
    /// Sets up the backplane of this URL.
    ///
    /// | URL | store |
    /// |---|---|
    /// | `memory:` | this process |
    /// | `redb:FILE` | a file, for one process (feature `redb`) |
    /// | `redis://`, `rediss://` | Redis or Valkey, 6.2 or newer (feature `redis`) |
    /// | `postgres://` | PostgreSQL, 13 or newer (feature `postgres`) |
    /// | `nats://`, `tls://` | NATS with JetStream (feature `nats`) |
    pub fn builder(url: impl Into<String>) -> BackplaneBuilder {
        BackplaneBuilder::new(url.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(url: &str) -> String {
        Backplane::builder(url).open().await.map(drop).unwrap_err().to_string()
    }

    #[cfg(not(feature = "nats"))]
    #[tokio::test]
    async fn a_url_whose_feature_is_off_names_the_feature() {
        let error = refused("nats://u:secret@host").await;
        assert!(error.contains("feature `nats`") && !error.contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_url_says_what_is() {
        for url in ["", "secret", "http://u:secret@x", "Redis://u:secret@x"] {
            let error = refused(url).await;
            assert!(error.contains("memory:"), "{error}");
            assert!(url == "secret" || !error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_namespace_is_checked() {
        for namespace in ["", "a.b", "a b", &"x".repeat(65)] {
            let opened = Backplane::builder("memory:").namespace(namespace).open().await;
            assert!(matches!(opened, Err(OpenError::Namespace(_))));
        }
    }
}
