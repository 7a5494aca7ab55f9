//! The program behind the proxies: one stream, which can be away.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::{Router, routing::get};
use sse_tower::{ApplicationContext, Emitters, LastEventId, SseEmitter, SseLayer};
use sse_tower_tests::{Connection, Result, Server, eventually};

/// Serves `/push`.
pub(crate) struct Program {
    context: ApplicationContext,
    emitters: Emitters<()>,
    keep_alive: Duration,
    address: SocketAddr,
    server: Option<Server>,
}

async fn push(last: LastEventId, State(emitters): State<Emitters<()>>) -> SseEmitter {
    emitters.connect((), last)
}

impl Program {
    pub(crate) async fn start(keep_alive: Duration) -> Result<Self> {
        let mut this = Self {
            context: ApplicationContext::bare().build()?,
            emitters: Emitters::new(),
            keep_alive,
            address: ([127, 0, 0, 1], 0).into(),
            server: None,
        };
        this.come().await?;
        Ok(this)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens no more, and cuts its connections.
    pub(crate) async fn go(&mut self) -> Result {
        self.server = None;
        let gone = async || {
            let connected = Connection::open(self.address).await;
            Ok(if connected.is_err() { Ok(()) } else { Err("it answers".to_owned()) })
        };
        eventually("the program is away", gone).await
    }

    /// Is there again, at the same address.
    pub(crate) async fn come(&mut self) -> Result {
        let app = Router::new()
            .route("/push", get(push))
            .layer(SseLayer::new(self.context.clone()).keep_alive(self.keep_alive))
            .with_state(self.emitters.clone());
        let server = Server::at(self.address, app, &self.context).await?;
        self.address = server.address();
        self.server = Some(server);
        Ok(())
    }

    /// Sends an event, which must have one receiver.
    pub(crate) async fn send(&self, text: &str) -> Result {
        let receipt = self.emitters.send(&(), text.to_owned()).await?;
        assert_eq!(receipt.receivers, 1);
        Ok(())
    }

    /// Whether a stream is open.
    pub(crate) fn knows_a_client(&self) -> bool {
        self.emitters.contains(&())
    }

    /// How long it takes until no client is known any more.
    pub(crate) async fn left(&self) -> Result<Duration> {
        let started = Instant::now();
        let gone = async || {
            Ok(if self.knows_a_client() { Err("its stream is open".to_owned()) } else { Ok(()) })
        };
        eventually("the program knows that the client left", gone).await?;
        Ok(started.elapsed())
    }
}
