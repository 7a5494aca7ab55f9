//! A payment confirmed by a callback reaches the browser that waits for it.
//!
//! `GET /` shows a payment, `GET /push?payRecordId=N` waits for it,
//! `GET` or `POST /pay-callback?payRecordId=N` is what the payment provider calls.

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, header::HOST};
use axum::routing::get;
use serde::Deserialize;
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, Emitters, LastEventId, PublishError, Sent,
    SseEmitter, SseLayer, component, event_listener, sse_endpoint,
};
use sse_tower_examples::{Arguments, Failure, Page, QrError, qr_svg};

#[derive(ApplicationEvent)]
struct PayCompletedEvent {
    pay_record_id: u64,
}

struct PayCompletedListener {
    emitters: Emitters<u64>,
}

#[component]
impl PayCompletedListener {
    #[event_listener]
    async fn deploy(&self, event: &PayCompletedEvent) -> Sent {
        let sent = self.emitters.send(&event.pay_record_id, "支付成功");
        self.emitters.complete(&event.pay_record_id);
        // The provider is answered when it is stored, so that no crash can take it back.
        sent
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayRecord {
    pay_record_id: u64,
}

#[sse_endpoint(timeout = "60s")]
async fn push(
    Query(q): Query<PayRecord>,
    last: LastEventId,
    listener: Component<PayCompletedListener>,
) -> SseEmitter {
    listener.emitters.connect(q.pay_record_id, last)
}

async fn pay_callback(
    Query(q): Query<PayRecord>,
    context: ApplicationContext,
) -> Result<&'static str, PublishError> {
    context.publish_event(PayCompletedEvent { pay_record_id: q.pay_record_id }).await?;
    Ok("請到監聽處查看消息")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    pay_record_id: Option<u64>,
}

async fn index(Query(q): Query<Shown>, headers: HeaderMap) -> Result<Page, QrError> {
    let id = q.pay_record_id.unwrap_or_else(|| fastrand::u64(100_000_000..1_000_000_000));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let callback = format!("http://{host}/pay-callback?payRecordId={id}");
    Ok(Page::new(include_str!("../../pages/pay.html"))
        .text("payRecordId", id.to_string())
        .markup("qr", qr_svg(&callback)?)
        .text("callback", callback))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let backplane = arguments.backplane().await?;
    let emitters = Emitters::builder().backplane(&backplane, "payments").build();
    let context = ApplicationContext::builder()
        .backplane(&backplane)
        .component(PayCompletedListener { emitters })
        .build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback).post(pay_callback))
        .layer(SseLayer::new(context.clone()));
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
