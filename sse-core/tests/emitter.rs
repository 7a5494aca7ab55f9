//! One connection: queue, callbacks, time, end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{data, next, read_all, read_now};
use sse_tower_core::{CloseReason, InvalidEvent, SendError, SseEmitter, SseEvent, TrySendError};

#[tokio::test]
async fn sends_before_the_response_are_kept_within_the_bound() {
    let emitter = SseEmitter::builder().capacity(2, 1 << 20).build();
    emitter.try_send("1").unwrap();
    emitter.try_send("2").unwrap();
    let Err(TrySendError::Full(event)) = emitter.try_send("3") else { panic!("accepted") };
    assert_eq!(event, SseEvent::data("3"));
    emitter.complete();
    assert_eq!(data(&read_all(emitter.into_stream()).await), ["1", "2"]);
}

#[tokio::test]
async fn the_queue_is_bounded_in_bytes_too() {
    let emitter = SseEmitter::builder().capacity(100, 20).build();
    emitter.try_send("0123456789").unwrap();
    assert!(matches!(emitter.try_send("0123456789"), Err(TrySendError::Full(_))));
    let large = SseEmitter::builder().capacity(100, 20).build();
    large.try_send("x".repeat(1000)).unwrap();
}

#[tokio::test]
async fn a_send_waits_for_room() {
    let emitter = SseEmitter::builder().capacity(1, 1 << 20).build();
    emitter.send("1").await.unwrap();
    let sender = emitter.clone();
    let second = tokio::spawn(async move { sender.send("2").await });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    let mut stream = emitter.into_stream();
    assert_eq!(next(&mut stream).await.unwrap(), "data:1\n\n");
    second.await.unwrap().unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), "data:2\n\n");
}

#[tokio::test]
async fn a_send_that_waits_learns_of_the_end() {
    let emitter = SseEmitter::builder().capacity(1, 1 << 20).build();
    emitter.send("1").await.unwrap();
    let sender = emitter.clone();
    let waiting = tokio::spawn(async move { sender.send("2").await });
    tokio::task::yield_now().await;
    drop(emitter.into_stream());
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Closed { reason: CloseReason::ClientGone, .. }));
}

#[tokio::test]
async fn a_send_after_the_end_gives_the_event_and_the_reason_back() {
    let emitter = SseEmitter::new();
    emitter.complete();
    let Err(SendError::Closed { event, reason, .. }) = emitter.send("late").await else {
        panic!("accepted");
    };
    assert_eq!((event, reason), (SseEvent::data("late"), CloseReason::Completed));
}

#[tokio::test]
async fn a_name_with_a_line_break_comes_out_of_send_and_writes_nothing() {
    let emitter = SseEmitter::new();
    let bad = SseEvent::builder().name("a\nb").data("x");
    let error = emitter.send(bad).await.unwrap_err();
    assert!(matches!(error, SendError::Invalid(InvalidEvent::NameWithLineBreak)));
    emitter.complete();
    assert_eq!(read_all(emitter.into_stream()).await, "");
}

fn record(emitter: &SseEmitter) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &str| {
        let (seen, name) = (Arc::clone(&seen), name.to_owned());
        move |what: String| seen.lock().unwrap().push(format!("{name}{what}"))
    };
    let (t, e, c1, c2) = (note("timeout"), note("error "), note("completion "), note("again "));
    emitter.on_completion(move |reason| c1(reason.to_string()));
    emitter.on_timeout(move || t(String::new()));
    emitter.on_error(move |error| e(error.to_string()));
    emitter.on_completion(move |reason| c2(reason.to_string()));
    seen
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_stream_and_calls_back_in_order() {
    let emitter =
        SseEmitter::builder().timeout(Duration::from_secs(60)).without_keep_alive().build();
    let seen = record(&emitter);
    let start = tokio::time::Instant::now();
    let said = ":\nevent:stream-bye\ndata:{\"reason\":\"timed-out\"}\n\n";
    assert_eq!(read_all(emitter.clone().into_stream()).await, said);
    assert_eq!(start.elapsed().as_secs(), 60);
    assert_eq!(*seen.lock().unwrap(), ["timeout", "completion timed-out", "again timed-out"]);
    assert_eq!(emitter.closed().await, CloseReason::TimedOut);
}

#[tokio::test]
async fn an_error_goes_to_the_callbacks_and_the_client_is_told_that_there_was_one() {
    let emitter = SseEmitter::new();
    let seen = record(&emitter);
    emitter.send("before").await.unwrap();
    emitter.complete_with_error("secret");
    assert_eq!(*seen.lock().unwrap(), ["error secret"]);
    let said = "data:before\n\nevent:stream-bye\ndata:{\"reason\":\"failed\"}\n\n";
    assert_eq!(read_all(emitter.into_stream()).await, said);
    assert_eq!(*seen.lock().unwrap(), ["error secret", "completion failed", "again failed"]);
}

#[tokio::test]
async fn dropping_the_body_completes_the_emitter_once() {
    let emitter = SseEmitter::new();
    let seen = record(&emitter);
    let token = emitter.cancellation();
    drop(emitter.clone().into_stream());
    assert!(token.is_cancelled() && emitter.is_closed());
    emitter.complete();
    emitter.complete_with_error("too late");
    drop(emitter);
    assert_eq!(*seen.lock().unwrap(), ["completion client-gone", "again client-gone"]);
}

#[tokio::test]
async fn an_emitter_that_never_becomes_a_response_is_over_with_its_last_handle() {
    let emitter = SseEmitter::new();
    let seen = record(&emitter);
    let clone = emitter.clone();
    drop(emitter);
    assert!(seen.lock().unwrap().is_empty());
    drop(clone);
    assert_eq!(*seen.lock().unwrap(), ["completion client-gone", "again client-gone"]);
}

#[tokio::test]
async fn a_stream_that_nobody_can_send_to_ends() {
    let emitter = SseEmitter::new();
    emitter.send("last").await.unwrap();
    assert_eq!(read_all(emitter.into_stream()).await, "data:last\n\n");
}

#[tokio::test]
async fn a_panicking_callback_does_not_stop_the_next() {
    let emitter = SseEmitter::new();
    emitter.on_completion(|_| panic!("on purpose"));
    let seen = record(&emitter);
    drop(emitter.into_stream());
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_callback_may_call_its_emitter() {
    let emitter = SseEmitter::new();
    let (inner, again) = (emitter.clone(), Arc::new(Mutex::new(None)));
    let told = Arc::clone(&again);
    emitter.on_completion(move |_| {
        assert!(inner.try_send("too late").is_err());
        inner.complete();
        inner.on_completion(move |reason| *told.lock().unwrap() = Some(reason));
    });
    drop(emitter.into_stream());
    assert_eq!(*again.lock().unwrap(), Some(CloseReason::ClientGone));
}

#[tokio::test]
async fn a_second_response_from_one_emitter_is_at_its_end_and_the_first_goes_on() {
    let emitter = SseEmitter::new();
    let mut first = emitter.clone().into_stream();
    assert_eq!(read_all(emitter.clone().into_stream()).await, "");
    emitter.send("still here").await.unwrap();
    assert_eq!(read_now(&mut first), "data:still here\n\n");
}

#[tokio::test(start_paused = true)]
async fn keep_alives_come_after_silence_and_not_after_events() {
    let emitter = SseEmitter::builder().keep_alive(Duration::from_secs(10)).build();
    let mut stream = emitter.clone().into_stream();
    let start = tokio::time::Instant::now();
    assert_eq!(read_now(&mut stream), ":\n");
    assert_eq!(next(&mut stream).await.unwrap(), ":\n");
    let first = start.elapsed();
    assert!((5.0..=10.01).contains(&first.as_secs_f64()), "{first:?}");

    tokio::time::sleep(Duration::from_secs(4)).await;
    emitter.send("event").await.unwrap();
    let written = tokio::time::Instant::now();
    assert_eq!(next(&mut stream).await.unwrap(), "data:event\n\n");
    assert_eq!(next(&mut stream).await.unwrap(), ":\n");
    let silence = written.elapsed();
    assert!((5.0..=10.01).contains(&silence.as_secs_f64()), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn keep_alives_of_many_streams_are_spread_over_the_interval() {
    let emitters: Vec<_> = (0..200).map(|_| SseEmitter::new()).collect();
    let start = tokio::time::Instant::now();
    let readers: Vec<_> = emitters
        .iter()
        .map(|emitter| {
            let mut stream = emitter.clone().into_stream();
            tokio::spawn(async move {
                assert_eq!(read_now(&mut stream), ":\n");
                next(&mut stream).await.unwrap();
                start.elapsed().as_millis()
            })
        })
        .collect();
    let mut at = std::collections::BTreeMap::<_, usize>::new();
    for reader in readers {
        *at.entry(reader.await.unwrap() / 500).or_default() += 1;
    }
    assert!(at.len() > 10, "{at:?}");
    assert!(at.values().all(|count| *count < 50), "{at:?}");
}

/// Firefox fires `onopen` with the first bytes of the body, not with its head.
#[tokio::test]
async fn a_stream_that_has_nothing_to_say_yet_begins_with_a_comment_and_others_do_not() {
    let emitter = SseEmitter::new();
    assert_eq!(read_now(&mut emitter.clone().into_stream()), ":\n");
    let emitter = SseEmitter::builder().retry(Duration::from_secs(3)).build();
    assert_eq!(read_now(&mut emitter.clone().into_stream()), "retry:3000\n");
    let emitter = SseEmitter::new();
    emitter.send("x").await.unwrap();
    assert_eq!(read_now(&mut emitter.clone().into_stream()), "data:x\n\n");
    let emitter = SseEmitter::new();
    emitter.complete();
    assert_eq!(read_all(emitter.into_stream()).await, "");
}

#[tokio::test]
async fn retry_is_said_first() {
    let emitter = SseEmitter::builder().retry(Duration::from_secs(3)).build();
    emitter.send("x").await.unwrap();
    emitter.complete();
    assert_eq!(read_all(emitter.into_stream()).await, "retry:3000\ndata:x\n\n");
}

#[cfg(feature = "http")]
#[tokio::test]
async fn the_last_event_and_the_end_are_one_write() {
    use http_body::Body as _;
    let emitter = SseEmitter::new();
    emitter.send("last").await.unwrap();
    emitter.complete();
    let mut body = emitter.into_http().into_body();
    assert!(!body.is_end_stream());
    next(&mut body).await.unwrap();
    assert!(body.is_end_stream());
}
