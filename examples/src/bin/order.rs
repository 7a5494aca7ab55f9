//! A payment again, for a page that comes from another server: open to any origin.
//!
//! `GET /orderpay?payid=N` waits for the payment, at most `--timeout 60s` before the browser has to
//! dial again; `GET` or `POST /payback?payid=N` says that it was made; `GET /` is the page.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::{Router, routing::get};
use serde::Deserialize;
use sse_tower::{
    ApplicationContext, Emitters, EventId, EventName, LastEventId, SseEmitter, SseEvent, SseLayer,
};
use sse_tower_examples::{Arguments, Failure, Page};
use tower_http::cors::CorsLayer;

const FINISH: EventName = EventName::from_static("finish");
const FINISH_ID: EventId = EventId::from_static("6666");

#[derive(Deserialize)]
struct Order {
    payid: u64,
}

async fn orderpay(
    Query(order): Query<Order>,
    last: LastEventId,
    State(orders): State<Emitters<u64>>,
) -> SseEmitter {
    orders.connect(order.payid, last)
}

/// However often it is called, and whether anybody listens or not: the page learns of it once.
async fn payback(Query(order): Query<Order>, State(orders): State<Emitters<u64>>) {
    orders.send(&order.payid, "用户支付成功");
    orders.send(&order.payid, SseEvent::builder().name(FINISH).id(FINISH_ID).data("哈哈"));
    // A page that does not close its stream at `finish` dials again, and is told to stop.
    orders.complete(&order.payid);
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/order.html")).text("server", "")
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let timeout = arguments.take_time("--timeout")?.unwrap_or(Duration::from_secs(60));

    let backplane = arguments.backplane().await?;
    let orders = Emitters::builder().timeout(timeout).backplane(&backplane, "orders").build();
    let context = ApplicationContext::bare().backplane(&backplane).build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/orderpay", get(orderpay))
        .route("/payback", get(payback).post(payback))
        .layer(SseLayer::new(context.clone()))
        // Outside, so that a browser may read the refusals of that layer too.
        .layer(CorsLayer::permissive())
        .with_state(orders);
    let listener = arguments.listen(([127, 0, 0, 1], 8844).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
