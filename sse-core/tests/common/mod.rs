//! Reading streams in tests.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use sse_tower_core::EventStream;

/// Everything that is ready now.
pub(crate) fn read_now(stream: &mut EventStream) -> String {
    let mut text = String::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(bytes)) = Pin::new(&mut *stream).poll_next(&mut cx) {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    text
}

/// Everything up to the end of the stream.
pub(crate) async fn read_all(mut stream: EventStream) -> String {
    let mut text = String::new();
    while let Some(bytes) = next(&mut stream).await {
        text.push_str(&bytes);
    }
    text
}

/// What comes next.
pub(crate) async fn next(stream: &mut EventStream) -> Option<String> {
    let bytes = poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

fn fields(text: &str, field: &str) -> Vec<String> {
    let prefix = format!("{field}:");
    text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

pub(crate) fn data(text: &str) -> Vec<String> {
    fields(text, "data")
}

pub(crate) fn events(text: &str) -> Vec<String> {
    fields(text, "event")
}

pub(crate) fn ids(text: &str) -> Vec<String> {
    fields(text, "id")
}
