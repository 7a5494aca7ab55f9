//! Sending to a connection that takes no more, and what a connection's own code does wrong.

use std::time::Duration;

use futures_util::StreamExt as _;
use sse_tower::{CloseReason, Emitters, LastEventId, Second, SseEmitter, StreamHandle as _};

use crate::heard::{listen, logged, says};

#[test]
fn the_client_reads_too_slowly() {
    let emitter = SseEmitter::builder().capacity(1, 1024).build();
    emitter.try_send("first").unwrap();
    says(
        &emitter.try_send("second").unwrap_err(),
        "emitter queue is full, since the client reads more slowly than events come; \
         wait with `send`, or raise `capacity`",
    );
}

#[tokio::test]
async fn the_program_has_completed_it() {
    let emitter = SseEmitter::new();
    emitter.complete();
    let expected = "stream is closed (completed); \
                    send before `complete`, or reopen a key of `Emitters` with `forget`";
    says(&emitter.try_send("late").unwrap_err(), expected);
    says(&emitter.send("late").await.unwrap_err(), expected);

    let keys = Emitters::<u64>::new();
    keys.complete(&7);
    says(&keys.send(&7, "late").await.unwrap_err(), expected);
}

#[test]
fn the_client_has_left() {
    let emitter = SseEmitter::new();
    drop(emitter.clone().into_stream());
    says(
        &emitter.try_send("late").unwrap_err(),
        "stream is closed (client-gone); \
         stop sending; for clients that come back, send to a key of `Emitters`",
    );
}

#[test]
fn another_connection_has_the_key() {
    let newest = Emitters::<u64>::builder().one_per_key(Second::Replaces).build();
    let first = newest.connect(7, LastEventId::default());
    let _second = newest.connect(7, LastEventId::default());
    says(
        &first.try_send("late").unwrap_err(),
        "stream is closed (replaced); send to the key, which a newer connection has",
    );

    let oldest = Emitters::<u64>::builder().one_per_key(Second::Refused).build();
    let _first = oldest.connect(7, LastEventId::default());
    let second = oldest.connect(7, LastEventId::default());
    says(
        &second.try_send("early").unwrap_err(),
        "stream is closed (refused); stop sending; the client was told to dial again",
    );
}

#[tokio::test(start_paused = true)]
async fn its_time_is_over() {
    let emitter = SseEmitter::builder().timeout(Duration::from_secs(60)).build();
    // Keep-alive comments, and the end.
    emitter.clone().into_stream().for_each(|_| std::future::ready(())).await;
    says(
        &emitter.try_send("late").unwrap_err(),
        "stream is closed (timed-out); \
         give it a longer `timeout`, or send when the client has dialled again",
    );
}

#[test]
fn whoever_carries_it_has_ended_it() {
    for (reason, expected) in [
        (CloseReason::Failed, "stream is closed (failed); send before `complete_with_error`"),
        (
            CloseReason::Lagged,
            "stream is closed (lagged); stop sending; the client resumes when it dials again",
        ),
        (
            CloseReason::Expired,
            "stream is closed (expired); renew the lease in time, or stop sending",
        ),
        (
            CloseReason::Drained,
            "stream is closed (drained); stop sending; the client was told to dial again",
        ),
    ] {
        let emitter = SseEmitter::new();
        emitter.control().end(reason, None);
        says(&emitter.try_send("late").unwrap_err(), expected);
    }
}

#[test]
fn an_error_that_ends_it_is_logged_with_its_causes() {
    listen();
    let emitter = SseEmitter::new();
    let invalid = emitter.try_send(sse_tower::SseEvent::builder()).unwrap_err();
    emitter.complete_with_error(invalid);
    assert_eq!(
        logged(),
        "WARN stream was completed with an error error=event cannot be written: \
         event has no field; set at least one of data, name, id, retry or comment"
    );
}

#[test]
fn a_callback_that_panics_is_logged() {
    listen();
    let emitter = SseEmitter::new();
    emitter.on_completion(|_| panic!("the till is empty"));
    drop(emitter);
    assert_eq!(
        logged(),
        "ERROR callback of an emitter panicked; the next ones run panic=\"the till is empty\""
    );
}

#[test]
fn what_was_not_sent_is_logged_for_those_who_do_not_look() {
    listen();
    let keys = Emitters::<u64>::new();
    keys.complete(&7);
    drop(keys.send(&7, "late"));
    assert_eq!(
        logged(),
        "WARN event was not sent: stream is closed (completed); send before `complete`, or reopen a \
         key of `Emitters` with `forget` sent_at=connections.rs:…"
    );
}
