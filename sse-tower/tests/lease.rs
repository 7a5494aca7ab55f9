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

use axum::{Router, body::Body, extract::Extension, response::Response, routing::get};
use http::Request;
use http_body_util::BodyExt;
use sse_tower::{ApplicationContext, CloseReason, Lease, SseEmitter, SseLayer};
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

/// `/ours` is an `SseEmitter`, `/foreign` a stream that others made.
fn app(context: &ApplicationContext, lease: impl Fn() -> Lease + Send + Sync + 'static) -> Router {
    Router::new()
        .route("/ours", get(ours))
        .route("/foreign", get(common::hello))
        .layer(SseLayer::new(context.clone()).lease(move |_| Some(lease())))
}

async fn ours() -> SseEmitter {
    let emitter = SseEmitter::builder().keep_alive(Duration::from_secs(3600)).build();
    emitter.try_send("hello").unwrap();
    let held = emitter.clone();
    emitter.on_completion(move |_| drop(held));
    emitter
}

async fn ask(app: &Router, path: &str) -> Response {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

/// Reads a stream to its end: how long that took, and the farewell's lines after `retry:`.
async fn end(app: &Router, path: &str) -> (Duration, String) {
    let start = Instant::now();
    let reading = common::text(ask(app, path).await.into_body());
    let text = timeout(Duration::from_secs(3600), reading).await.expect("the stream ends");
    let (_, farewell) = text.split_once("retry:").unwrap_or_else(|| panic!("no farewell: {text}"));
    let (retry, farewell) = farewell.split_once('\n').unwrap();
    assert!((2000..=10_000).contains(&retry.parse::<u64>().unwrap()), "{retry}");
    (start.elapsed(), farewell.to_owned())
}

fn bye(cause: &str) -> String {
    format!("event:stream-bye\ndata:{{\"reason\":\"expired\",\"cause\":\"{cause}\"}}\n\n")
}

#[tokio::test(start_paused = true)]
async fn pain_13_a_stream_ends_when_its_token_expires_and_the_client_is_told_why() {
    let context = common::context();
    let app = app(&context, || Lease::new().expires_in(Duration::from_secs(60)));
    for path in ["/ours", "/foreign"] {
        let (took, farewell) = end(&app, path).await;
        assert_eq!(took.as_secs(), 60, "{path}");
        assert_eq!(farewell, bye("expired"), "{path}");
    }
    assert!(context.streams().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_expired_already_ends_the_stream_at_once() {
    let past = SystemTime::now() - Duration::from_secs(1);
    let app = app(&common::context(), move || Lease::new().expires_at(past));
    for path in ["/ours", "/foreign"] {
        let (took, farewell) = end(&app, path).await;
        assert!(took < Duration::from_millis(100), "{path}: {took:?}");
        assert_eq!(farewell, bye("expired"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn pain_13_the_check_is_repeated_on_the_keep_alive_tick() {
    let (allowed, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (may, count) = (allowed.clone(), asked.clone());
    let app = app(&common::context(), move || {
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
        let app = app.clone();
        let stream = tokio::spawn(async move { end(&app, path).await });
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
    let app = app(&common::context(), || {
        Lease::new().check_every(Duration::from_secs(1)).check_async(|| async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            false
        })
    });
    let (took, farewell) = end(&app, "/ours").await;
    assert_eq!(took.as_secs(), 30 + u64::from(took.subsec_millis() < 500), "{took:?}");
    assert_eq!(farewell, bye("check-failed"));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_ends_its_stream_and_no_other() {
    let context = common::context();
    let app = app(&context, || {
        Lease::new().check_every(Duration::from_secs(1)).check(|| panic!("on purpose"))
    });
    let calm =
        Router::new().route("/foreign", get(common::hello)).layer(SseLayer::new(context.clone()));
    let other = ask(&calm, "/foreign").await;
    assert_eq!(end(&app, "/ours").await.1, bye("check-failed"));
    assert_eq!(context.streams().len(), 1);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn pain_13_a_revoked_lease_ends_all_its_streams_at_once_and_those_that_come_later() {
    let context = common::context();
    let lease = Lease::new();
    let given = lease.clone();
    let app = app(&context, move || given.clone());
    let (first, second) = (ask(&app, "/ours").await, ask(&app, "/foreign").await);
    assert_eq!(context.streams().len(), 2);
    let start = Instant::now();
    lease.revoke();
    assert!(lease.is_revoked());
    for response in [first, second] {
        let text = common::text(response.into_body()).await;
        assert!(text.ends_with(&bye("revoked")), "{text}");
    }
    assert_eq!(end(&app, "/ours").await.1, bye("revoked"));
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
        assert_eq!(end(&app, "/").await.0.as_secs(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_program_hears_that_its_stream_expired() {
    let reason = Arc::new(std::sync::Mutex::new(None));
    let heard = reason.clone();
    let app = Router::new()
        .route(
            "/",
            get(move || async move {
                let emitter = ours().await;
                emitter.on_completion(move |reason| *heard.lock().unwrap() = Some(reason));
                emitter
            }),
        )
        .layer(
            SseLayer::new(common::context())
                .lease(|_| Some(Lease::new().expires_in(Duration::from_secs(1)))),
        );
    end(&app, "/").await;
    assert_eq!(*reason.lock().unwrap(), Some(CloseReason::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_over_is_no_longer_watched() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let app = app(&common::context(), move || {
        let count = count.clone();
        Lease::new().check(move || {
            count.fetch_add(1, Ordering::Relaxed);
            true
        })
    });
    for path in ["/ours", "/foreign"] {
        let mut body = ask(&app, path).await.into_body();
        body.frame().await.unwrap().unwrap();
        assert!(timeout(Duration::from_secs(10), body.frame()).await.is_err());
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}
