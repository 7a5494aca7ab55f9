//! What a stream promises under `serve`, whichever way its bytes go: through hyper's connection, or
//! past it. Each test of [`on_both`] runs for both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, missing_debug_implementations, reason = "a module of tests, not an API")]

#[path = "../common/mod.rs"]
mod common;

mod connections;
mod delivery;
mod ending;
mod fallback;
mod isolation;
mod snapshots;
mod storm;

use std::time::Duration;

use axum::{Router, extract::Query, routing::get};
use common::{Server, Wire};
use sse_tower::{ApplicationContext, Drain, Emitters, History, LastEventId, Serve, SseLayer};
use tokio::net::TcpListener;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Http,
    Direct,
}

/// One server with one stream for each key.
pub struct App {
    pub emitters: Emitters<u64>,
    pub context: ApplicationContext,
    pub server: Server,
}

#[derive(serde::Deserialize)]
struct Key {
    key: u64,
}

impl Path {
    /// `GET /events?key=1`, with history, and whatever `router` and `serve` add.
    async fn start_with(
        self,
        emitters: Emitters<u64>,
        router: impl FnOnce(Router) -> Router,
        layer: impl FnOnce(SseLayer) -> SseLayer,
        serve: impl FnOnce(Serve<TcpListener, Router>) -> Serve<TcpListener, Router>,
    ) -> App {
        let context = common::context();
        let streams = emitters.clone();
        let events = move |Query(Key { key }): Query<Key>, last: LastEventId| async move {
            streams.connect(key, last)
        };
        let app =
            Router::new().route("/events", get(events)).route("/plain", get(|| async { "plain" }));
        let app = router(app).layer(layer(SseLayer::new(context.clone())));
        let direct = self == Self::Direct;
        // No timeout hides a connection that somebody forgot.
        let hour = Duration::from_secs(3600);
        let server = common::serve_with(app, context.clone(), |server| {
            let server = server.header_timeout(hour).drain(Drain::new().deadline(hour));
            serve(server).direct(direct)
        })
        .await;
        App { emitters, context, server }
    }

    async fn start(self) -> App {
        let emitters = Emitters::builder().history(History::events(100)).build();
        self.start_with(emitters, |router| router, |layer| layer, |serve| serve).await
    }
}

impl App {
    /// A stream of this key whose head has come.
    async fn open(&self, key: u64) -> Wire {
        self.open_with(key, "").await
    }

    async fn open_with(&self, key: u64, headers: &str) -> Wire {
        let before = self.context.streams().len();
        let path = format!("/events?key={key}");
        let mut wire = Wire::get(self.server.address, &path, headers).await;
        wire.until("\r\n\r\n").await;
        assert_eq!(wire.status(), "200");
        common::open(&self.context, before + 1).await;
        wire
    }

    async fn send(&self, key: u64, data: &str) {
        self.emitters.send(&key, data).await.unwrap();
    }
}

/// Waits, without a sleep, until something is so.
async fn until(mut it_is_so: impl FnMut() -> bool) {
    let wait = async {
        while !it_is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(common::PATIENCE, wait).await.expect("it becomes so");
}

/// Writes each test twice.
macro_rules! on_both {
    ($(#[$attribute:meta])* async fn $name:ident($path:ident) $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of it")]
            use super::*;

            async fn run($path: crate::Path) $body

            $(#[$attribute])*
            #[tokio::test]
            async fn through_http() {
                run(crate::Path::Http).await;
            }

            $(#[$attribute])*
            #[tokio::test]
            async fn direct() {
                run(crate::Path::Direct).await;
            }
        }
    };
}
use on_both;

/// What this is all about: without it both columns would be the same.
#[tokio::test]
async fn only_on_the_direct_path_a_waiting_stream_has_no_task_of_its_own() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for (path, each) in [(Path::Http, 1), (Path::Direct, 0)] {
        let app = path.start().await;
        let _first = app.open(1).await;
        until(|| tasks() > 0).await;
        tokio::time::timeout(Duration::from_secs(20), async {
            // The first connection may be on its way yet.
            let mut before = tasks();
            let _streams = [app.open(1).await, app.open(1).await, app.open(1).await];
            while tasks() != before + 3 * each {
                before = before.min(tasks());
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{path:?}: {} tasks", tasks()));
    }
}
