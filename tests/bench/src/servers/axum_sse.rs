//! What one writes with axum alone: `Sse` over a broadcast channel, and a map of channels by key.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
    routing::{get, post},
    serve::ListenerExt as _,
};
use futures_util::{Stream, StreamExt as _};
use tokio::{
    net::TcpListener,
    sync::{broadcast, mpsc},
};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};

use super::PayRecord;

struct App {
    events: broadcast::Sender<(u64, String)>,
    last: AtomicU64,
    waiting: Mutex<HashMap<u64, mpsc::Sender<Event>>>,
}

pub(super) async fn serve(listener: TcpListener, make_service: bool) -> io::Result<()> {
    let app = Arc::new(App {
        events: broadcast::channel(1024).0,
        last: AtomicU64::new(0),
        waiting: Mutex::default(),
    });
    let router = Router::new()
        .route("/events", get(events))
        .route("/publish", post(publish))
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback))
        .with_state(app);
    // As every other server here does; or else small answers wait for an acknowledgement.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    if make_service {
        axum::serve(listener, router.into_make_service()).await
    } else {
        axum::serve(listener, router).await
    }
}

async fn events(State(app): State<Arc<App>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = BroadcastStream::new(app.events.subscribe()).filter_map(async |event| {
        let (id, data) = event.ok()?;
        Some(Ok(Event::default().id(id.to_string()).data(data)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn publish(State(app): State<Arc<App>>, data: String) -> StatusCode {
    let id = app.last.fetch_add(1, Ordering::Relaxed) + 1;
    // Fails when nobody listens.
    let _ = app.events.send((id, data));
    StatusCode::NO_CONTENT
}

async fn push(
    State(app): State<Arc<App>>,
    Query(query): Query<PayRecord>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(16);
    let mut waiting = app.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.insert(query.pay_record_id, sender);
    Sse::new(ReceiverStream::new(receiver).map(Ok)).keep_alive(KeepAlive::default())
}

async fn pay_callback(
    State(app): State<Arc<App>>,
    Query(query): Query<PayRecord>,
) -> Result<&'static str, StatusCode> {
    let sender = {
        let mut waiting = app.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&query.pay_record_id).ok_or(StatusCode::NOT_FOUND)?
    };
    let event = Event::default().id(query.pay_record_id.to_string()).data("支付成功");
    sender.send(event).await.map_err(|_| StatusCode::GONE)?;
    Ok("look at the listening page")
}
