//! With ours.

use std::io::{self, Error};

use axum::{
    Router,
    extract::{FromRef, Query, State},
    http::StatusCode,
    routing::get,
};
use sse_tower::{ApplicationContext, Emitters, LastEventId, SocketOptions, SseEmitter, SseLayer};
use tokio::net::TcpListener;

use super::shop::{Settings, Shop, Visitor, routes};
use crate::servers::PayRecord;

#[derive(Clone, Default)]
struct App {
    shop: Shop,
    settings: Settings,
    payments: Emitters<u64>,
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

impl FromRef<App> for Emitters<u64> {
    fn from_ref(app: &App) -> Self {
        app.payments.clone()
    }
}

fn router(context: &ApplicationContext) -> Router {
    routes()
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback))
        .with_state(App::default())
        .layer(SseLayer::new(context.clone()))
}

fn context() -> io::Result<ApplicationContext> {
    ApplicationContext::bare().build().map_err(Error::other)
}

pub(crate) async fn serve_with_axum(listener: TcpListener) -> io::Result<()> {
    SocketOptions::new().prepare(&listener)?;
    axum::serve(listener, router(&context()?).into_make_service()).await
}

pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let context = context()?;
    sse_tower::serve(listener, router(&context), context).await
}

async fn push(
    _: Visitor,
    Query(query): Query<PayRecord>,
    State(payments): State<Emitters<u64>>,
    last: LastEventId,
) -> SseEmitter {
    payments.connect(query.pay_record_id, last)
}

async fn pay_callback(
    Query(query): Query<PayRecord>,
    State(shop): State<Shop>,
    State(settings): State<Settings>,
    State(payments): State<Emitters<u64>>,
) -> Result<String, StatusCode> {
    shop.paid(query.pay_record_id);
    let sent = payments.send(&query.pay_record_id, "支付成功").await;
    payments.complete(&query.pay_record_id);
    match sent {
        Ok(receipt) if receipt.receivers > 0 => Ok(settings.thanks.to_string()),
        Ok(_) => Err(StatusCode::NOT_FOUND),
        Err(_) => Err(StatusCode::GONE),
    }
}
