//! Every field arrives as it was sent, and nothing arrives that nobody sent.

use std::time::Duration;

use axum::extract::State;
use axum::{Router, routing::get};
use sse_tower::{ApplicationContext, Emitters, LastEventId, SseEmitter, SseEvent, SseLayer};
use sse_tower_tests::{Result, Server, eventually};

use crate::client::{Client, Event, Kind};
use crate::with_each_client;

with_each_client!(every_field, silence_is_no_event);

/// Short, so that a test sees many.
const KEEP_ALIVE: Duration = Duration::from_millis(20);

async fn push(last: LastEventId, State(emitters): State<Emitters<()>>) -> SseEmitter {
    emitters.connect((), last)
}

async fn serve(emitters: &Emitters<()>) -> Result<Server> {
    let context = ApplicationContext::bare().build()?;
    let app = Router::new()
        .route("/push", get(push))
        .layer(SseLayer::new(context.clone()).keep_alive(KEEP_ALIVE))
        .with_state(emitters.clone());
    Server::start(app, &context).await
}

async fn every_field(kind: Kind) -> Result {
    let emitters = Emitters::new();
    let server = serve(&emitters).await?;
    let events = [
        ("message", "plain"),
        ("price", "two\nlines"),
        ("message", " a space, 支付成功 🎉 and a colon: here"),
        ("message", "{\"json\":[1,2]}"),
        ("price", "an end\n"),
    ];
    for (number, (name, data)) in events.iter().enumerate() {
        let event = SseEvent::builder().id(format!("n-{number}")).retry(Duration::from_millis(50));
        let event = if *name == "message" { event } else { event.name(*name) };
        emitters.send(&(), event.comment("for who reads the wire").data(data)).await?;
    }
    let mut client = Client::start(kind, &server.url("/push"), &["price"])?;
    for (number, (name, data)) in events.into_iter().enumerate() {
        let (name, data) = (name.to_owned(), data.to_owned());
        assert_eq!(client.event().await?, Event { name, data, id: format!("n-{number}") });
    }
    assert_eq!(client.more(), []);
    Ok(())
}

async fn silence_is_no_event(kind: Kind) -> Result {
    let emitters = Emitters::builder().retry(Duration::from_millis(50)).build();
    let server = serve(&emitters).await?;
    let mut client = Client::start(kind, &server.url("/push"), &[])?;
    let here =
        async || Ok(if emitters.contains(&()) { Ok(()) } else { Err("nobody listens".to_owned()) });
    eventually("the client has come", here).await?;
    for text in ["after a silence", "after another"] {
        // Time itself is what passes here: this many comments.
        tokio::time::sleep(10 * KEEP_ALIVE).await;
        emitters.send(&(), text).await?;
        assert_eq!(client.event().await?.data, text);
    }
    assert_eq!(client.more(), []);
    Ok(())
}
