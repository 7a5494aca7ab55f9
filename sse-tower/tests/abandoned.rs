//! A client that leaves before its handler has answered leaves nothing behind.

#![allow(clippy::unwrap_used)]

use std::{
    future::{Future, pending},
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Waker},
};

use axum::{Router, body::Body, routing::get};
use http::Request;
use sse_tower::{
    ApplicationContext, CloseReason, Emitters, LastEventId, Second, SseEmitter, SseLayer,
};
use tower::ServiceExt;

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

#[tokio::test]
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
    assert!(kept.iter().take(2).all(|emitter| !emitter.is_closed()));
    drop(response);
}
