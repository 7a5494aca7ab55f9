//! Messages to users who are online: one connection each, the newest wins.
//!
//! `GET /connect?userId=N` is the stream, for `--timeout 5m`; `POST /send?userId=N&messageId=I&message=M`
//! answers `true`, or `false` where the user is not online; `POST /remove?userId=N` ends a user's
//! stream; `GET /` is the page.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router, http::StatusCode};
use serde::Deserialize;
use sse_tower::{
    ApplicationContext, Emitters, History, LastEventId, Second, SseEmitter, SseEvent, SseLayer,
};
use sse_tower_examples::{Arguments, Failure, Page};

/// How long a browser waits before it dials again.
const RETRY: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    user_id: u64,
}

async fn connect(
    Query(User { user_id }): Query<User>,
    last: LastEventId,
    State(users): State<Emitters<u64>>,
) -> SseEmitter {
    let emitter = users.connect(user_id, last);
    emitter.on_timeout(move || eprintln!("user {user_id}: the time is over"));
    emitter.on_error(move |error| eprintln!("user {user_id}: failed: {error}"));
    emitter.on_completion(move |reason| eprintln!("user {user_id}: {reason}"));
    let id = format!("{:032x}", fastrand::u128(..));
    // Refused only by a connection that is over, as that of a `HEAD` request.
    let _ = emitter.send(SseEvent::builder().id(id).retry(RETRY).data("")).await;
    emitter
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    user_id: u64,
    message_id: String,
    message: String,
}

async fn send(
    Query(Message { user_id, message_id, message }): Query<Message>,
    State(users): State<Emitters<u64>>,
) -> Result<Json<bool>, (StatusCode, String)> {
    let event = SseEvent::builder().id(message_id).retry(RETRY).data(message).build();
    let event = event.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let online = users.send(&user_id, event).await.is_ok_and(|receipt| receipt.receivers > 0);
    Ok(Json(online))
}

async fn remove(Query(User { user_id }): Query<User>, State(users): State<Emitters<u64>>) {
    users.disconnect(&user_id);
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/users.html"))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let timeout = arguments.take_time("--timeout")?.unwrap_or(Duration::from_secs(5 * 60));
    let backplane = arguments.backplane().await?;
    let users = Emitters::builder()
        .one_per_key(Second::Replaces)
        // Who is told `false` may send a letter instead: nothing is delivered behind their back.
        .history(History::none())
        .timeout(timeout)
        .backplane(&backplane, "users")
        .build();

    let context = ApplicationContext::bare().backplane(&backplane).build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/connect", get(connect))
        .route("/send", post(send))
        .route("/remove", post(remove))
        .layer(SseLayer::new(context.clone()))
        .with_state(users);
    let listener = arguments.listen(([127, 0, 0, 1], 8080).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
