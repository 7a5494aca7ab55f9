//! Topics: whoever subscribes to one gets what anybody publishes there.
//!
//! `GET /subscribe?topic=T` is the stream, `GET` or `POST /publish?topic=T&content=C` writes to it,
//! `GET /` is the page. `--timeout 60m` is how long a stream lives before its client dials again.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Router, routing::get};
use serde::Deserialize;
use sse_tower::{
    ApplicationContext, Emitters, EventName, LastEventId, SseEmitter, SseEvent, SseLayer,
};
use sse_tower_examples::{Arguments, Failure, Page};

const MESSAGE: EventName = EventName::from_static("message");
const MAX_TOPIC_BYTES: usize = 256;

/// The name of a topic. Anything else in a query is a 400.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Topic(String);

impl TryFrom<String> for Topic {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.len() {
            1..=MAX_TOPIC_BYTES => Ok(Self(name)),
            len => Err(format!("a topic has 1 to {MAX_TOPIC_BYTES} bytes, not {len}")),
        }
    }
}

#[derive(Deserialize)]
struct Subscription {
    topic: Topic,
}

async fn subscribe(
    Query(Subscription { topic: Topic(topic) }): Query<Subscription>,
    last: LastEventId,
    State(topics): State<Emitters<String>>,
) -> SseEmitter {
    topics.connect(topic, last)
}

#[derive(Deserialize)]
struct Publication {
    topic: Topic,
    content: String,
}

async fn publish(
    Query(Publication { topic: Topic(topic), content }): Query<Publication>,
    State(topics): State<Emitters<String>>,
) -> Result<(), (StatusCode, String)> {
    // Answered when it is stored: whoever is told so may forget it.
    match topics.send(&topic, SseEvent::builder().name(MESSAGE).data(content)).await {
        Ok(_) => Ok(()),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/topics.html"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let timeout = arguments.take_time("--timeout")?.unwrap_or(Duration::from_secs(60 * 60));

    let backplane = arguments.backplane().await?;
    let topics = Emitters::builder().timeout(timeout).backplane(&backplane, "topics").build();
    let context = ApplicationContext::bare().backplane(&backplane).build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/subscribe", get(subscribe))
        .route("/publish", get(publish).post(publish))
        .layer(SseLayer::new(context.clone()))
        .with_state(topics);
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
