//! Ours, with every feature on: ids, history, callbacks, limits, drain.

use std::io::{self, Error};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use sse_tower::{
    ApplicationContext, Emitters, LastEventId, SocketOptions, SseEmitter, SseLayer,
    backplane::{Backplane, MemoryStore},
};
use tokio::net::TcpListener;

use super::PayRecord;

#[derive(Clone)]
struct App {
    events: Emitters<()>,
    payments: Emitters<u64>,
    /// Where they are sent from: the same, or another node's.
    from: (Emitters<()>, Emitters<u64>),
}

impl App {
    fn alone() -> Self {
        let (events, payments) = (Emitters::new(), Emitters::new());
        Self { from: (events.clone(), payments.clone()), events, payments }
    }

    fn on_two_nodes() -> Self {
        let store = MemoryStore::new();
        let [(events, payments), from] = [(); 2].map(|()| {
            let backplane = Backplane::new(store.engine());
            let events = Emitters::builder().backplane_with(&backplane, "events", |()| "all");
            let payments = Emitters::builder().backplane(&backplane, "payments");
            (events.build(), payments.build())
        });
        Self { events, payments, from }
    }
}

fn router(context: &ApplicationContext, app: App) -> Router {
    Router::new()
        .route("/events", get(events))
        .route("/publish", post(publish))
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback))
        .with_state(app)
        .layer(SseLayer::new(context.clone()))
}

fn context() -> io::Result<ApplicationContext> {
    ApplicationContext::bare().build().map_err(Error::other)
}

pub(super) async fn serve_with_axum(listener: TcpListener) -> io::Result<()> {
    SocketOptions::new().prepare(&listener)?;
    axum::serve(listener, router(&context()?, App::alone()).into_make_service()).await
}

pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    let context = context()?;
    sse_tower::serve(listener, router(&context, App::alone()), context).await
}

pub(super) async fn serve_on_two_nodes(listener: TcpListener) -> io::Result<()> {
    let context = context()?;
    sse_tower::serve(listener, router(&context, App::on_two_nodes()), context).await
}

async fn events(State(app): State<App>, last: LastEventId) -> SseEmitter {
    app.events.connect((), last)
}

async fn publish(State(app): State<App>, data: String) -> StatusCode {
    match app.from.0.send(&(), data).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn push(
    State(app): State<App>,
    Query(query): Query<PayRecord>,
    last: LastEventId,
) -> SseEmitter {
    app.payments.connect(query.pay_record_id, last)
}

async fn pay_callback(
    State(app): State<App>,
    Query(query): Query<PayRecord>,
) -> Result<&'static str, StatusCode> {
    let payments = app.from.1;
    let sent = payments.send(&query.pay_record_id, "支付成功").await;
    payments.complete(&query.pay_record_id);
    match sent {
        Ok(receipt) if receipt.receivers > 0 => Ok("look at the listening page"),
        Ok(_) => Err(StatusCode::NOT_FOUND),
        Err(_) => Err(StatusCode::GONE),
    }
}
