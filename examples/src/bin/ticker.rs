//! Five events, one a second, then the end: a loop that runs beside its response.
//!
//! `GET` or `POST /SSE` is the stream, `GET /` the page. `--every 1s` is the time between two events.

use std::time::Duration;

use axum::{Router, extract::State, routing::get};
use sse_tower::{
    ApplicationContext, EventName, SendError, SseEmitter, SseEvent, SseLayer, sse_endpoint,
};
use sse_tower_examples::{Arguments, Failure, Page};
use tokio::time::sleep;

const ME: EventName = EventName::from_static("me");

/// Runs until it returns, or until the client leaves.
#[sse_endpoint]
async fn sse(State(every): State<Duration>, emitter: SseEmitter) -> Result<(), SendError> {
    for n in 0..5 {
        emitter.send(SseEvent::builder().name(ME).data(n.to_string())).await?;
        sleep(every).await;
    }
    Ok(())
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/ticker.html"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let every = arguments.take_time("--every")?.unwrap_or(Duration::from_secs(1));

    let backplane = arguments.backplane().await?;
    let context = ApplicationContext::bare().backplane(&backplane).build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/SSE", get(sse).post(sse))
        .layer(SseLayer::new(context.clone()))
        .with_state(every);
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
