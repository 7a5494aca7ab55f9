//! What the README's program does, as far as axum alone goes: no history, no ids, no limits, no drain.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Path, State},
    response::sse::{Event, KeepAlive, Sse},
    routing::{get, post},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};

type Pages = Arc<Mutex<HashMap<u64, mpsc::Sender<String>>>>;

async fn push(
    Path(order): Path<u64>,
    State(pages): State<Pages>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(16);
    pages.lock().unwrap().insert(order, sender);
    let events = ReceiverStream::new(receiver).map(|state| Ok(Event::default().data(state)));
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn callback(Path((order, state)): Path<(u64, String)>, State(pages): State<Pages>) {
    let page = pages.lock().unwrap().remove(&order);
    if let Some(page) = page {
        let _ = page.send(state).await;
    }
}

fn app() -> Router {
    Router::new()
        .route("/push/{order}", get(push))
        .route("/callback/{order}/{state}", post(callback))
        .with_state(Pages::default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app()).await?;
    Ok(())
}
