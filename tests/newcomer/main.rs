//! The first program of somebody who pushes notifications, and its test: by the kit, without a socket.

use axum::{Router, extract::Path, routing};
use sse_tower::{Emitters, LastEventId, test::TestClient};

fn app(users: Emitters<String>) -> Router {
    let sender = users.clone();
    let push = async move |Path(user): Path<String>, last: LastEventId| users.connect(user, last);
    let notify = async move |Path(user): Path<String>, text: String| {
        sender.send(&user, text).await.map(drop).map_err(|error| error.to_string())
    };
    Router::new()
        .route("/push/{user}", routing::get(push))
        .route("/notify/{user}", routing::post(notify))
}

#[tokio::test]
async fn alice_alone_gets_what_is_for_alice() {
    let client = TestClient::new(app(Emitters::new()));
    let mut alice = client.open("/push/alice").await;
    let mut bob = client.open("/push/bob").await;
    assert_eq!(client.post("/notify/alice", "hello").await.status(), 200);
    assert_eq!(alice.next_event().await.data, "hello");
    bob.silent_for(std::time::Duration::from_millis(50)).await;
}
