//! The three pieces together: an event, a component that hears it, an endpoint that its browser waits at.
#![deny(warnings)]

use axum::{Router, extract::Query, routing::get};
use serde::Deserialize;
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, Emitters, LastEventId, PublishError, SseEmitter, SseLayer,
    component, event_listener, sse_endpoint,
};

#[derive(ApplicationEvent)]
struct PayCompletedEvent {
    pay_record_id: u64,
}

#[derive(Deserialize)]
struct PayRecord {
    pay_record_id: u64,
}

#[derive(Default)]
struct PayCompletedListener {
    emitters: Emitters<u64>,
}

#[component]
impl PayCompletedListener {
    #[event_listener]
    async fn deploy(&self, event: &PayCompletedEvent) {
        self.emitters.send(&event.pay_record_id, "支付成功");
        self.emitters.complete(&event.pay_record_id);
    }
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
    Ok("look at the listening page")
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let context = ApplicationContext::builder().component(PayCompletedListener::default()).build()?;
    let app = Router::new()
        .route("/push", get(push))
        .route("/pay-callback", get(pay_callback))
        .layer(SseLayer::new(context.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    sse_tower::serve(listener, app, context).await?;
    Ok(())
}

fn main() {
    drop(serve());
}
