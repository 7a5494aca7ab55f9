//! A server in the test's own process, for what no example has.

use std::future::pending;
use std::net::SocketAddr;

use axum::Router;
use sse_tower::ApplicationContext;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Result;

/// A router under `sse_tower::serve`. Dropping it cuts all its connections and stops listening.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    /// Serves `app`, with the layers it has, at a free port.
    pub async fn start(app: Router, context: &ApplicationContext) -> Result<Self> {
        Self::at(([127, 0, 0, 1], 0).into(), app, context).await
    }

    /// The same at an address.
    pub async fn at(
        address: SocketAddr,
        app: Router,
        context: &ApplicationContext,
    ) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        // It ends with this value: a signal would be for all tests of the process.
        let server =
            sse_tower::serve(listener, app, context.clone()).with_graceful_shutdown(pending());
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(error) = server.await {
                eprintln!("the server at {address}: {error}");
            }
        });
        Ok(Self { address, _task: task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The whole address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
