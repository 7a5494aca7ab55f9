//! What a body may do under `#[sse_endpoint]`, as in the function that it was.
#![deny(warnings)]

use std::error::Error;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use sse_tower::{SseEmitter, sse_endpoint};

#[derive(Debug)]
struct Denied(#[allow(dead_code)] Box<dyn Error + Send + Sync>);
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Denied {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
impl IntoResponse for Denied {
    fn into_response(self) -> axum::response::Response {
        StatusCode::FORBIDDEN.into_response()
    }
}

/// `?` converts, `return` leaves early.
#[sse_endpoint(timeout = "60s")]
async fn early(Path(id): Path<String>) -> Result<SseEmitter, Denied> {
    if id.is_empty() {
        return Err("nobody".into());
    }
    let _number: u8 = id.parse()?;
    Ok(SseEmitter::new())
}

/// The last expression is coerced to the type behind the arrow.
#[sse_endpoint]
async fn coerced(Path(id): Path<String>) -> Result<SseEmitter, (StatusCode, Box<str>)> {
    match id.as_str() {
        "" => Err((StatusCode::FORBIDDEN, "nobody".into())),
        _ => Ok(SseEmitter::new()),
    }
}

#[sse_endpoint]
async fn hidden(Path(id): Path<String>) -> Result<SseEmitter, impl IntoResponse + use<>> {
    if id.is_empty() { Err(StatusCode::FORBIDDEN) } else { Ok(SseEmitter::new()) }
}

/// Without `path` an endpoint may be generic.
#[sse_endpoint(keep_alive = "15s")]
async fn generic<S: Clone + Send + 'static>(State(state): State<S>) -> SseEmitter {
    drop(state);
    SseEmitter::new()
}

#[sse_endpoint]
async fn patterns(Path((one, two)): Path<(u8, u8)>, mut _unused: State<u8>) -> SseEmitter {
    let _ = one + two;
    SseEmitter::new()
}

/// A body may end without a value, and end the stream early.
#[sse_endpoint]
async fn beside(emitter: SseEmitter, Path(id): Path<u8>) {
    if id == 0 {
        return;
    }
    let _ = emitter.send("paid").await;
}

/// A body may go on until its client leaves.
#[sse_endpoint]
async fn for_ever(emitter: SseEmitter) {
    loop {
        let _ = emitter.send("tick").await;
    }
}

#[sse_endpoint]
async fn beside_with_errors(Path(id): Path<String>, emitter: SseEmitter) -> Result<(), Box<dyn Error + Send + Sync>> {
    let id: u8 = id.parse()?;
    if id == 0 {
        return Err("nobody".into());
    }
    emitter.send("paid").await?;
    Ok(())
}

/// Called like any other function.
async fn by_hand() -> Result<SseEmitter, Denied> {
    early(Path("7".into())).await
}

fn main() {
    let _app: Router = Router::new()
        .route("/early/{id}", get(early))
        .route("/coerced/{id}", get(coerced))
        .route("/hidden/{id}", get(hidden))
        .route("/generic", get(generic::<u8>))
        .route("/patterns/{one}/{two}", get(patterns))
        .route("/beside/{id}", post(beside))
        .route("/for-ever", get(for_ever))
        .route("/errors/{id}", get(beside_with_errors))
        .with_state(7);
    drop(by_hand());
}
