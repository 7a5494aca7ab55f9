//! What is traced, with the feature `tracing`. Whether a span is of interest is one answer for the
//! whole process, so this test has a program to itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body, routing::get};
use http::Request;
use sse_tower::SseLayer;
use tower::ServiceExt;
use tracing::{
    field::{Field, Visit},
    span,
};

/// Notes the names of spans, what is recorded in them, and when they close.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    names: Vec<&'static str>,
    lines: Vec<String>,
}

struct Values(String);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "sse_tower" && metadata.is_span()
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut notes = self.0.lock().unwrap();
        notes.names.push(span.metadata().name());
        notes.lines.push(format!("{} opens", span.metadata().name()));
        span::Id::from_u64(notes.names.len() as u64)
    }
    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        let mut text = Values(String::new());
        values.record(&mut text);
        let mut notes = self.0.lock().unwrap();
        let name = notes.names[id.into_u64() as usize - 1];
        notes.lines.push(format!("{name}{}", text.0));
    }
    fn try_close(&self, id: span::Id) -> bool {
        let mut notes = self.0.lock().unwrap();
        let name = notes.names[id.into_u64() as usize - 1];
        notes.lines.push(format!("{name} closes"));
        true
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn each_stream_is_a_span_that_says_how_it_ended() {
    let spans = Spans::default();
    let _subscribed = tracing::subscriber::set_default(spans.clone());
    let app =
        Router::new().route("/push", get(common::hello)).layer(SseLayer::new(common::context()));
    let request = Request::builder().uri("/push").body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(spans.0.lock().unwrap().lines, ["sse_stream opens"]);
    drop(response);
    assert_eq!(
        spans.0.lock().unwrap().lines,
        ["sse_stream opens", "sse_stream reason=\"client-gone\"", "sse_stream closes"]
    );
}
