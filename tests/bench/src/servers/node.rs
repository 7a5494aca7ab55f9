//! Ours as one node of several: what is sent at one reaches the streams of all.
//!
//! * `GET /order?pay_record_id=N`: a stream of one key that stays open;
//! * `POST /each`: its body is the data of one event for each of [`KEYS`] keys;
//! * `GET /loads`: how often the key was loaded that was loaded most often;
//! * `GET /fresh`: the address of a new node, which knows nobody yet. On a store in memory it is in this process.

use std::{
    io::{self, Error},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use futures_util::future::BoxFuture;
use sse_tower::{
    ApplicationContext, Emitters, LastEventId, SseEmitter, SseLayer,
    backplane::{Backplane, Engine, MemoryStore, redis::RedisEngine},
};
use tokio::net::TcpListener;

use super::{
    PayRecord,
    counted::{Counted, Loads},
};

/// How many keys have a stream in the move to a fresh node.
pub(crate) const KEYS: u64 = 1_000;
/// The variable with the URL of the store.
pub(crate) const STORE: &str = "SSE_BENCH_STORE";

#[derive(Clone)]
struct App {
    events: Emitters<()>,
    orders: Emitters<u64>,
    loads: Loads,
    /// What the nodes of this process share, if it is in memory.
    store: Option<Arc<MemoryStore>>,
}

impl App {
    fn new(engine: impl Engine, store: Option<Arc<MemoryStore>>) -> (Self, Backplane) {
        let loads = Loads::default();
        let backplane = Backplane::new(Counted::new(engine, loads.clone()));
        let events = Emitters::builder().backplane_with(&backplane, "events", |()| "all").build();
        let orders = Emitters::builder().backplane(&backplane, "orders").build();
        (Self { events, orders, loads, store }, backplane)
    }
}

pub(super) async fn serve_in_memory(listener: TcpListener) -> io::Result<()> {
    serve_over(listener, Arc::new(MemoryStore::new())).await
}

/// Boxed: a server that can start one like itself.
fn serve_over(
    listener: TcpListener,
    store: Arc<MemoryStore>,
) -> BoxFuture<'static, io::Result<()>> {
    Box::pin(serve(listener, App::new(store.engine(), Some(store))))
}

pub(super) async fn serve_on_redis(listener: TcpListener) -> io::Result<()> {
    let url = std::env::var(STORE).map_err(Error::other)?;
    let engine = RedisEngine::new(&url, "bench").map_err(Error::other)?;
    serve(listener, App::new(engine, None)).await
}

async fn serve(listener: TcpListener, (app, backplane): (App, Backplane)) -> io::Result<()> {
    let context = ApplicationContext::bare().backplane(&backplane).build().map_err(Error::other)?;
    let router = Router::new()
        .route("/events", get(events))
        .route("/publish", post(publish))
        .route("/order", get(order))
        .route("/each", post(each))
        .route("/loads", get(loads))
        .route("/fresh", get(fresh))
        .with_state(app)
        .layer(SseLayer::new(context.clone()));
    sse_tower::serve(listener, router, context).await
}

async fn events(State(app): State<App>, last: LastEventId) -> SseEmitter {
    app.events.connect((), last)
}

async fn publish(State(app): State<App>, data: String) -> StatusCode {
    match app.events.send(&(), data).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn order(
    State(app): State<App>,
    Query(query): Query<PayRecord>,
    last: LastEventId,
) -> SseEmitter {
    app.orders.connect(query.pay_record_id, last)
}

async fn each(State(app): State<App>, data: String) -> StatusCode {
    // All are on their way before the first is waited for.
    let sent: Vec<_> = (0..KEYS).map(|key| app.orders.send(&key, data.as_str())).collect();
    for sent in sent {
        if sent.await.is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    StatusCode::NO_CONTENT
}

async fn loads(State(app): State<App>) -> String {
    app.loads.most().to_string()
}

async fn fresh(State(app): State<App>) -> Result<String, StatusCode> {
    let store = app.store.ok_or(StatusCode::NOT_FOUND)?;
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let address = listener.local_addr().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    tokio::spawn(serve_over(listener, store));
    Ok(address.to_string())
}
