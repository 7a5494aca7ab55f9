//! A client that leaves before its handler has answered leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Waker},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use http::{Request, StatusCode};
use sse_tower::{
    ApplicationContext, CloseReason, Emitters, LastEventId, MAX_ASIDE, Second, SseEmitter, SseLayer,
};
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

#[tokio::test]
async fn an_emitter_that_its_own_callback_holds_is_over_when_the_client_leaves() {
    let users: Emitters<u64> = Emitters::builder().one_per_key(Second::Refused).build();
    let (told, tell) = (Arc::new(Mutex::new(None)), users.clone());
    let note = Arc::clone(&told);
    let handler = move || {
        let (users, told) = (tell.clone(), Arc::clone(&note));
        async move {
            let emitter = users.connect(7, LastEventId::default());
            let own = emitter.clone();
            emitter.on_completion(move |reason| {
                *told.lock().unwrap() = Some((reason, own.is_closed()));
            });
            pending::<()>().await;
            emitter
        }
    };
    let context = ApplicationContext::builder().build().unwrap();
    let app = Router::new().route("/push", get(handler)).layer(SseLayer::new(context));
    {
        let mut response = pin!(app.oneshot(Request::get("/push").body(Body::empty()).unwrap()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(response.as_mut().poll(&mut cx).is_pending());
        assert_eq!(users.len(), 1);
    }
    assert_eq!(*told.lock().unwrap(), Some((CloseReason::ClientGone, true)));
    assert!(users.is_empty(), "nobody is locked out");
}

#[tokio::test(start_paused = true)]
async fn an_emitter_that_was_put_aside_stays_when_its_handler_has_answered() {
    let (keep, kept) = mpsc::channel::<SseEmitter>();
    let handler = move || {
        let keep = keep.clone();
        async move {
            let emitter = SseEmitter::new();
            keep.send(SseEmitter::new()).unwrap();
            keep.send(emitter.clone()).unwrap();
            emitter
        }
    };
    let context = ApplicationContext::builder().build().unwrap();
    let app = Router::new().route("/push", get(handler)).layer(SseLayer::new(context));
    let response = app.oneshot(Request::get("/push").body(Body::empty()).unwrap()).await.unwrap();
    tokio::time::sleep(MAX_ASIDE - Duration::from_secs(1)).await;
    let kept = [(); 2].map(|()| kept.recv().unwrap());
    assert!(kept.iter().all(|emitter| !emitter.is_closed()));
    let later = kept[0].clone().into_stream();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(kept.iter().all(|emitter| !emitter.is_closed()), "each is a response");
    drop((response, later));
}

/// How many connections there are whose handler made one and put it into its own callback.
async fn left_behind(
    hold: impl Fn(&SseEmitter, SseEmitter) + Clone + Send + Sync + 'static,
    answer: impl Fn() -> StatusCode + Clone + Send + Sync + 'static,
    inside: bool,
) -> usize {
    let users: Emitters<u64> = Emitters::builder().one_per_key(Second::Refused).build();
    let all = users.clone();
    let handler = move || {
        let (users, hold, answer) = (users.clone(), hold.clone(), answer.clone());
        async move {
            let emitter = users.connect(7, LastEventId::default());
            hold(&emitter, emitter.clone());
            answer()
        }
    };
    let layer = SseLayer::new(ApplicationContext::builder().build().unwrap());
    let (app, panics) = (Router::new().route("/push", get(handler)), CatchPanicLayer::new());
    let app = if inside { app.layer(panics).layer(layer) } else { app.layer(layer).layer(panics) };
    let request = Request::get("/push").body(Body::empty()).unwrap();
    assert!(!app.oneshot(request).await.unwrap().status().is_success());
    all.len()
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_leaves_nothing_behind_whoever_answers_for_it() {
    std::panic::set_hook(Box::new(|_| ()));
    for inside in [false, true] {
        let panics = || panic!("on purpose");
        let left = left_behind(|it, own| it.on_completion(|_| drop(own)), panics, inside);
        assert_eq!(left.await, 0, "{inside}");
        let left = left_behind(|it, own| it.on_timeout(|| drop(own)), panics, inside);
        assert_eq!(left.await, 0, "{inside}");
        let left = left_behind(|it, own| it.on_error(|_| drop(own)), panics, inside);
        assert_eq!(left.await, 0, "{inside}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_emitter_whose_handler_answered_something_else_is_over_in_time() {
    let users: Emitters<u64> = Emitters::new();
    let all = users.clone();
    let handler = move || {
        let users = users.clone();
        async move {
            let emitter = users.connect(7, LastEventId::default());
            let own = emitter.clone();
            emitter.on_completion(move |_| drop(own));
            StatusCode::NOT_FOUND
        }
    };
    let layer = SseLayer::new(ApplicationContext::builder().build().unwrap());
    let app = Router::new().route("/push", get(handler)).layer(layer);
    let request = Request::get("/push").body(Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
    tokio::time::sleep(MAX_ASIDE - Duration::from_secs(1)).await;
    assert_eq!(all.len(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(all.is_empty());
}
