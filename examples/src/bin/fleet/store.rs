//! The engine of a URL. Other programs need none of this: `backplane::open` has all of it.

use std::sync::Arc;

use sse_tower::backplane::{self, Engine, EngineError};
use sse_tower_examples::Failure;

const NAMESPACE: &str = "fleet";

/// # Errors
/// No store for several processes, one that is not in this program, or one that does not answer.
pub(crate) async fn engine(url: &str) -> Result<Arc<dyn Engine>, Failure> {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    match scheme {
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "valkey" | "valkeys" => {
            Ok(Arc::new(backplane::redis::RedisEngine::new(url, NAMESPACE)?))
        }
        "postgres" | "postgresql" => {
            Ok(Arc::new(backplane::postgres::Postgres::new(url, NAMESPACE)?))
        }
        #[cfg(feature = "nats")]
        "nats" | "tls" => Ok(Arc::new(backplane::nats::connect(url, NAMESPACE).await?)),
        "redb" => Err(EngineError::refused(
            "a file is one process's: `fleet` has three, give it a server, or no URL at all",
        )
        .into()),
        // Whatever it is, this knows what to say of it.
        _ => Err(match backplane::open(url).await {
            Ok(_) => EngineError::refused("`fleet` has no such store").into(),
            Err(error) => error.into(),
        }),
    }
}
