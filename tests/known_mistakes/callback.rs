//! The payment provider's request, while a browser does not read.

use axum::Router;
use axum::extract::Query;
use axum::routing::{get, post};
use serde::Deserialize;
use sse_tower::{
    ApplicationContext, ApplicationEvent, Component, Emitters, LastEventId, PublishError,
    SendError, SseEmitter, SseLayer, component, event_listener,
};
use sse_tower_tests::{EventText, Result, Server, Stream, request};

#[derive(ApplicationEvent)]
struct Paid {
    id: u64,
}

#[derive(Default)]
struct Pages {
    emitters: Emitters<u64>,
}

/// Large, so that a few of them fill every buffer on the way to a browser that does not read.
const RECEIPT_BYTES: usize = 64 * 1024;

#[component]
impl Pages {
    #[event_listener]
    async fn tell(&self, paid: &Paid) -> std::result::Result<(), SendError> {
        self.emitters.send(&paid.id, "x".repeat(RECEIPT_BYTES)).await.map(drop)
    }
}

#[derive(Deserialize)]
struct Payment {
    id: u64,
}

async fn push(
    Query(payment): Query<Payment>,
    last: LastEventId,
    pages: Component<Pages>,
) -> SseEmitter {
    pages.emitters.connect(payment.id, last)
}

async fn callback(
    Query(payment): Query<Payment>,
    context: ApplicationContext,
) -> std::result::Result<&'static str, PublishError> {
    context.publish_event(Paid { id: payment.id }).await?;
    Ok("thank you")
}

#[tokio::test]
async fn a_browser_that_does_not_read_does_not_delay_the_callback() -> Result {
    let context = ApplicationContext::bare().component(Pages::default()).build()?;
    let app = Router::new()
        .route("/push", get(push))
        .route("/callback", post(callback))
        .layer(SseLayer::new(context.clone()));
    let server = Server::start(app, &context).await?;
    let mut idle = Stream::at(server.address(), "/push?id=1", &[]).await?;
    let mut healthy = Stream::at(server.address(), "/push?id=1", &[]).await?;
    for _ in 0..250 {
        let headers = [("content-length", "0")];
        let answer = request(server.address(), "POST", "/callback?id=1", &headers).await?;
        assert_eq!((answer.status, answer.text().as_str()), (200, "thank you"));
        assert_eq!(healthy.event().await?.field("data").map(str::len), Some(RECEIPT_BYTES));
    }
    // It was stuck indeed: more was published than everything between us holds.
    while idle.event().await?.field("event") != Some("stream-gap") {}
    Ok(())
}
