//! Tokens that expire, rights that are taken away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{Router, extract::Extension, routing::get};
use sse_tower::{
    ApplicationContext, CloseReason, Lease, STREAM_BYE, SseEmitter, SseLayer,
    test::{TestClient, TestStream},
};
use tokio::time::Instant;

/// A client of `/ours`, which is an `SseEmitter`, and `/foreign`, a stream that others made.
fn client(
    context: &ApplicationContext,
    lease: impl Fn() -> Lease + Send + Sync + 'static,
) -> TestClient {
    let layer = SseLayer::new(context.clone()).lease(move |_| Some(lease()));
    let app = Router::new().route("/ours", get(ours)).route("/foreign", get(common::hello));
    patient(app.layer(layer))
}

fn patient(app: Router) -> TestClient {
    TestClient::new(app).deadline(Duration::from_secs(3600))
}

async fn ours() -> SseEmitter {
    let emitter = SseEmitter::builder().keep_alive(Duration::from_secs(3600)).build();
    emitter.try_send("hello").unwrap();
    let held = emitter.clone();
    emitter.on_completion(move |_| drop(held));
    emitter
}

/// Reads a stream to its end: how long that took, and the data of its farewell.
async fn end(client: &TestClient, path: &str) -> (Duration, String) {
    let start = Instant::now();
    let farewell = farewell(client.open(path).await).await;
    (start.elapsed(), farewell)
}

async fn farewell(mut stream: TestStream) -> String {
    let farewell = stream.rest().await.pop().unwrap();
    assert_eq!(farewell.name, STREAM_BYE.as_str());
    let retry = farewell.retry.unwrap();
    assert!((2000..=10_000).contains(&retry.as_millis()), "{retry:?}");
    farewell.data
}

fn bye(cause: &str) -> String {
    format!(r#"{{"reason":"expired","cause":"{cause}"}}"#)
}

#[tokio::test(start_paused = true)]
async fn pain_13_a_stream_ends_when_its_token_expires_and_the_client_is_told_why() {
    let context = common::context();
    let client = client(&context, || Lease::new().expires_in(Duration::from_secs(60)));
    for path in ["/ours", "/foreign"] {
        let (took, farewell) = end(&client, path).await;
        assert_eq!(took.as_secs(), 60, "{path}");
        assert_eq!(farewell, bye("expired"), "{path}");
    }
    assert!(context.streams().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_expired_already_ends_the_stream_at_once() {
    let past = SystemTime::now() - Duration::from_secs(1);
    let client = client(&common::context(), move || Lease::new().expires_at(past));
    for path in ["/ours", "/foreign"] {
        let (took, farewell) = end(&client, path).await;
        assert!(took < Duration::from_millis(100), "{path}: {took:?}");
        assert_eq!(farewell, bye("expired"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn pain_13_the_check_is_repeated_on_the_keep_alive_tick() {
    let (allowed, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (may, count) = (allowed.clone(), asked.clone());
    let client = client(&common::context(), move || {
        let (may, count) = (may.clone(), count.clone());
        Lease::new().check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            may.load(Ordering::Relaxed)
        })
    });
    let start = Instant::now();
    for path in ["/ours", "/foreign"] {
        allowed.store(true, Ordering::Relaxed);
        asked.store(0, Ordering::Relaxed);
        let client = client.clone();
        let stream = tokio::spawn(async move { end(&client, path).await });
        tokio::time::sleep(Duration::from_secs(60)).await;
        // Every 11.25 s to 15 s.
        let asked = asked.load(Ordering::Relaxed);
        assert!((4..=5).contains(&asked), "{path}: asked {asked} times in a minute");
        assert!(!stream.is_finished());
        allowed.store(false, Ordering::Relaxed);
        let (took, farewell) = stream.await.unwrap();
        assert!(took <= Duration::from_secs(76), "{path}: {took:?}");
        assert_eq!(farewell, bye("check-failed"), "{path}");
    }
    assert!(start.elapsed() < Duration::from_secs(160));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_has_to_ask_somebody_may_take_its_time() {
    let client = client(&common::context(), || {
        Lease::new().check_every(Duration::from_secs(1)).check_async(|| async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            false
        })
    });
    let (took, farewell) = end(&client, "/ours").await;
    assert_eq!(took.as_secs(), 30 + u64::from(took.subsec_millis() < 500), "{took:?}");
    assert_eq!(farewell, bye("check-failed"));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_ends_its_stream_and_no_other() {
    let context = common::context();
    let client = client(&context, || {
        Lease::new().check_every(Duration::from_secs(1)).check(|| panic!("on purpose"))
    });
    let calm =
        Router::new().route("/foreign", get(common::hello)).layer(SseLayer::new(context.clone()));
    let other = patient(calm).open("/foreign").await;
    assert_eq!(end(&client, "/ours").await.1, bye("check-failed"));
    assert_eq!(context.streams().len(), 1);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn pain_13_a_revoked_lease_ends_all_its_streams_at_once_and_those_that_come_later() {
    let context = common::context();
    let lease = Lease::new();
    let given = lease.clone();
    let client = client(&context, move || given.clone());
    let (first, second) = (client.open("/ours").await, client.open("/foreign").await);
    assert_eq!(context.streams().len(), 2);
    let start = Instant::now();
    lease.revoke();
    assert!(lease.is_revoked());
    for stream in [first, second] {
        assert_eq!(farewell(stream).await, bye("revoked"));
    }
    assert_eq!(end(&client, "/ours").await.1, bye("revoked"));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(context.streams().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_put_the_lease_into_its_response_and_both_count() {
    async fn handler() -> (Extension<Lease>, SseEmitter) {
        (Extension(Lease::new().expires_in(Duration::from_secs(5))), ours().await)
    }
    let layer = |seconds| {
        SseLayer::new(common::context())
            .lease(move |_| Some(Lease::new().expires_in(Duration::from_secs(seconds))))
    };
    for (of_the_layer, expected) in [(60, 5), (2, 2)] {
        let app = Router::new().route("/", get(handler)).layer(layer(of_the_layer));
        assert_eq!(end(&patient(app), "/").await.0.as_secs(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_program_hears_that_its_stream_expired() {
    let lease = || Lease::new().expires_in(Duration::from_secs(1));
    let mut stream = client(&common::context(), lease).open("/ours").await;
    stream.rest().await;
    assert_eq!(stream.ended().await, Some(CloseReason::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_over_is_no_longer_watched() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let client = client(&common::context(), move || {
        let count = count.clone();
        Lease::new().check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            true
        })
    });
    for path in ["/ours", "/foreign"] {
        let mut stream = client.open(path).await;
        stream.next_event().await;
        stream.silent_for(Duration::from_secs(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}
