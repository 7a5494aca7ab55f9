//! What cannot take the direct path goes through HTTP, and is the same.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sse_tower::{Emitters, SseEmitter};

use crate::{Path, common::Wire};

/// An emitter that somebody holds, so that its stream stays open.
fn open_stream() -> SseEmitter {
    let emitter = SseEmitter::new();
    emitter.try_send("first").unwrap();
    let kept = emitter.clone();
    emitter.on_completion(move |_| drop(kept));
    emitter
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Whether a request's stream, which is open now, still has a task.
async fn has_a_task(address: SocketAddr, request: &str, open: &mut Vec<Wire>) -> bool {
    let before = tasks();
    let mut client = Wire::send(address, request).await;
    client.until("data:first\n").await;
    // A stream that leaves does so in the same turn as the head was written.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // Kept, so that no other task ends while these are counted.
    open.push(client);
    tasks() > before
}

fn router(router: Router) -> Router {
    let encoded = || async { ([("content-encoding", "identity")], open_stream()) };
    let closing = || async { ([("connection", "close")], open_stream()) };
    let others = || async {
        let event = futures_util::stream::once(async { Ok::<_, std::io::Error>("data:first\n\n") });
        let body = futures_util::StreamExt::chain(event, futures_util::stream::pending());
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::from_stream(body))
            .unwrap()
            .into_response()
    };
    router
        .route("/ours", get(|| async { open_stream() }))
        .route("/post", post(|_: String| async { open_stream() }))
        .route("/encoded", get(encoded))
        .route("/closing", get(closing))
        .route("/others", get(others))
}

#[tokio::test]
async fn only_a_plain_event_stream_of_ours_over_a_connection_that_is_kept_takes_it() {
    let app = Path::Direct.start_with(Emitters::new(), router, |l| l, |s| s).await;
    let address = app.server.address;
    // Once the server has begun its own tasks are there.
    Wire::get(address, "/plain", "").await.until("plain").await;
    let mut open = Vec::new();
    for (request, stays) in [
        ("GET /ours HTTP/1.1\r\nHost: t\r\n\r\n", false),
        ("GET /ours HTTP/1.1\r\nHost: t\r\nConnection: Keep-Alive\r\n\r\n", false),
        ("POST /post HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", false),
        ("GET /ours HTTP/1.0\r\n\r\n", true),
        ("GET /ours HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", true),
        ("POST /post HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi", true),
        ("GET /encoded HTTP/1.1\r\nHost: t\r\n\r\n", true),
        ("GET /closing HTTP/1.1\r\nHost: t\r\n\r\n", true),
        ("GET /others HTTP/1.1\r\nHost: t\r\n\r\n", true),
    ] {
        assert_eq!(has_a_task(address, request, &mut open).await, stays, "{request}");
    }
}
