//! Ours, with every feature on: ids, history, callbacks, limits, drain.

use std::io::{self, Error};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use sse_tower::{ApplicationContext, Emitters, LastEventId, SocketOptions, SseEmitter, SseLayer};
use tokio::net::TcpListener;

use super::PayRecord;
use crate::certificate::Certificate;

#[derive(Clone)]
struct App {
    events: Emitters<()>,
    payments: Emitters<u64>,
}

fn router() -> Router {
    Router::new()
        .route("/events", get(events))
        .route("/publish", post(publish))
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback))
        .with_state(App { events: Emitters::new(), payments: Emitters::new() })
}

fn context() -> io::Result<ApplicationContext> {
    ApplicationContext::bare().build().map_err(Error::other)
}

pub(super) async fn serve_with_axum(listener: TcpListener, prepared: bool) -> io::Result<()> {
    let router = |context| router().layer(SseLayer::new(context)).into_make_service();
    if prepared {
        // Before all else: a client that has come already has nothing of what is set later.
        let listener = SocketOptions::new().listen(listener)?;
        axum::serve(listener, router(context()?)).await
    } else {
        axum::serve(listener, router(context()?)).await
    }
}

pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    sse_tower::serve(listener, router(), context()?).await
}

pub(super) async fn serve_with_tls(listener: TcpListener) -> io::Result<()> {
    let (context, tls) = (context()?, Certificate::from_environment()?.server()?);
    sse_tower::serve(listener, router(), context).tls(tls).await
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
    let sent = app.payments.send(&query.pay_record_id, "支付成功").await;
    app.payments.complete(&query.pay_record_id);
    match sent {
        Ok(receipt) if receipt.receivers > 0 => Ok("look at the listening page"),
        Ok(_) => Err(StatusCode::NOT_FOUND),
        Err(_) => Err(StatusCode::GONE),
    }
}
