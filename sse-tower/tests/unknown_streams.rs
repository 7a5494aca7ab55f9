//! What is said of streams that no layer knows of. It is said once in a process, so this test has one to itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get};
use sse_tower::{Emitters, LastEventId, SseLayer, test::TestClient};
use tracing::{
    Level,
    field::{Field, Visit},
    span,
};

/// Keeps the text of every warning.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "sse_tower" && *metadata.level() == Level::WARN
    }
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_route_that_came_after_the_layer_is_warned_of_once() {
    let warnings = Warnings::default();
    tracing::subscriber::set_global_default(warnings.clone()).unwrap();
    let streams = Emitters::<u64>::new();
    let push = move |last: LastEventId| async move { streams.connect(1, last) };
    let routes = || Router::new().route("/push", get(push.clone()));
    let app = routes().layer(SseLayer::new(common::context())).nest("/nested", routes());
    let client = TestClient::new(app);
    let mut known = client.open("/push").await;
    assert_eq!(known.next_comment().await, "");
    assert!(warnings.0.lock().unwrap().is_empty());
    for _ in 0..2 {
        let mut unknown = client.open("/nested/push").await;
        assert_eq!(unknown.next_comment().await, "");
    }
    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("after the last `.route`, `.nest` and `.merge`"), "{warnings:?}");
}
