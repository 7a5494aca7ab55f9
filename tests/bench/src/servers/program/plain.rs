//! With axum alone.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{FromRef, Query, State},
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
    routing::get,
    serve::ListenerExt as _,
};
use futures_util::{Stream, StreamExt as _};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::shop::{Settings, Shop, Visitor, routes};
use crate::servers::PayRecord;

type Waiting = Arc<Mutex<HashMap<u64, mpsc::Sender<Event>>>>;

#[derive(Clone, Default)]
struct App {
    shop: Shop,
    settings: Settings,
    waiting: Waiting,
}

impl FromRef<App> for Shop {
    fn from_ref(app: &App) -> Self {
        app.shop.clone()
    }
}

impl FromRef<App> for Settings {
    fn from_ref(app: &App) -> Self {
        app.settings.clone()
    }
}

impl FromRef<App> for Waiting {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.waiting)
    }
}

pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let router = routes()
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback))
        .with_state(App::default());
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

async fn push(
    _: Visitor,
    Query(query): Query<PayRecord>,
    State(waiting): State<Waiting>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = mpsc::channel(16);
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.insert(query.pay_record_id, sender);
    Sse::new(ReceiverStream::new(receiver).map(Ok)).keep_alive(KeepAlive::default())
}

async fn pay_callback(
    Query(query): Query<PayRecord>,
    State(shop): State<Shop>,
    State(settings): State<Settings>,
    State(waiting): State<Waiting>,
) -> Result<String, StatusCode> {
    shop.paid(query.pay_record_id);
    let sender = {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&query.pay_record_id).ok_or(StatusCode::NOT_FOUND)?
    };
    let event = Event::default().id(query.pay_record_id.to_string()).data("支付成功");
    sender.send(event).await.map_err(|_| StatusCode::GONE)?;
    Ok(settings.thanks.to_string())
}
