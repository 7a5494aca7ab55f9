//! An event that cannot be written.

use std::collections::HashMap;

use sse_tower::{EventId, EventName, MAX_EVENT_BYTES, SseEmitter, SseEvent, SseEventBuilder};

use crate::heard::{panic_of, says};

#[track_caller]
fn refused(event: SseEventBuilder, expected: &str) {
    says(&event.build().unwrap_err(), expected);
}

#[test]
fn a_name() {
    refused(
        SseEvent::builder().name("paid\nid:7").data("x"),
        "event name contains a line break; take it out, only data may have several lines",
    );
    refused(
        SseEvent::builder().name("").data("x"),
        "event name is empty; leave it out to send a `message`",
    );
}

#[test]
fn an_id() {
    refused(
        SseEvent::builder().id("7\r").data("x"),
        "event id contains a line break; take it out, only data may have several lines",
    );
    refused(
        SseEvent::builder().id("7\0").data("x"),
        "event id contains NUL, which makes clients ignore it; take it out",
    );
    refused(
        SseEvent::builder().id("7\x0c").data("x"),
        "event id contains a control character, with which no client could come back; take it out",
    );
    refused(
        SseEvent::builder().id("7 ").data("x"),
        "event id begins or ends with a space, which is lost on its way back; take it out",
    );
    refused(
        SseEvent::builder().id("").data("x"),
        "event id is empty, which would make clients forget their position; leave it out",
    );
    refused(
        SseEvent::builder().id("7".repeat(2000)).data("x"),
        "event id has 2000 bytes, more than 1024; use a shorter one",
    );
}

#[test]
fn a_whole_event() {
    refused(
        SseEvent::builder(),
        "event has no field; set at least one of data, name, id, retry or comment",
    );
    refused(
        SseEvent::builder().data("x".repeat(MAX_EVENT_BYTES)),
        "event has 16777223 bytes, more than 16777216; \
         send it in parts, or an address to fetch it from",
    );
    says(
        &SseEvent::json(&HashMap::from([([1, 2], "x")])).unwrap_err(),
        "event data cannot be serialised as JSON: key must be a string",
    );
}

#[tokio::test]
async fn a_builder_that_is_sent_as_it_is() {
    let (emitter, event) = (SseEmitter::new(), || SseEvent::builder().name("").data("x"));
    let expected = "event cannot be written: event name is empty; leave it out to send a `message`";
    says(&emitter.try_send(event()).unwrap_err(), expected);
    says(&emitter.send(event()).await.unwrap_err(), expected);
}

#[test]
fn a_constant_that_is_none_is_a_panic_or_where_it_is_constant_a_compile_error() {
    assert_eq!(
        panic_of(|| EventName::from_static("a\nb")),
        "an event name must not be empty or contain a line break"
    );
    assert_eq!(
        panic_of(|| EventId::from_static("")),
        "an event id must not be empty, too long, contain a line break, NUL or another control character, or begin or end with a space"
    );
}
