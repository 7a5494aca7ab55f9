//! What `#[sse_endpoint]` does to a request, routed by hand and collected.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, Path, State};
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use axum::{Extension, Json, Router};
use sse_tower::test::{ReceivedEvent, TestClient, TestStream};
use sse_tower::{ApplicationContext, CloseReason, Component, SseEmitter, endpoints, sse_endpoint};

use crate::components;

#[derive(Clone)]
struct Shop(&'static str);

#[derive(Clone)]
struct Clock(u64);

#[derive(Clone)]
struct AppState {
    shop: Shop,
}

impl FromRef<AppState> for Shop {
    fn from_ref(state: &AppState) -> Self {
        state.shop.clone()
    }
}

struct Desk(&'static str);

fn one(text: impl Into<String>) -> SseEmitter {
    let emitter = SseEmitter::new();
    let _ = emitter.try_send(text.into());
    emitter.complete();
    emitter
}

#[sse_endpoint(timeout = "60s", retry = "3s")]
async fn returns(Path(id): Path<u8>) -> Result<SseEmitter, StatusCode> {
    if id == 0 { Err(StatusCode::FORBIDDEN) } else { Ok(one(format!("returned {id}"))) }
}

#[sse_endpoint]
async fn takes(emitter: SseEmitter, Path(id): Path<u8>) -> Result<(), sse_tower::SendError> {
    emitter.send(format!("taken {id}")).await
}

#[sse_endpoint(path = "/collected/{id}")]
async fn collected(
    Path(id): Path<u8>,
    State(shop): State<Shop>,
    State(clock): State<Clock>,
    desk: Component<Desk>,
) -> SseEmitter {
    one(format!("{} {} {} {id}", shop.0, clock.0, desk.0))
}

#[sse_endpoint(path = "/collected/{id}", method = "POST", state = AppState)]
async fn posted(
    Path(id): Path<u8>,
    State(shop): State<Shop>,
    Json(words): Json<Vec<String>>,
) -> SseEmitter {
    one(format!("{} {id} {}", shop.0, words.join("+")))
}

fn context() -> ApplicationContext {
    ApplicationContext::bare()
        .component(Shop("shop"))
        .component(Clock(12))
        .component(Desk("desk"))
        .component(AppState { shop: Shop("sub-shop") })
        .component_as::<dyn components::Mailer>(Arc::new(components::Fake::default()))
        .component_named("eu", components::Region("Frankfurt"))
        .build()
        .unwrap()
}

fn by_hand() -> TestClient {
    let context = ApplicationContext::bare().build().unwrap();
    let app = Router::new().route("/returns/{id}", get(returns)).route("/takes/{id}", get(takes));
    TestClient::new(app.layer(Extension(context)))
}

fn gathered() -> TestClient {
    let context = context();
    let app = Router::new().merge(endpoints(&context).unwrap());
    TestClient::new(app.layer(Extension(context)))
}

/// The only event of a stream.
async fn one_event(mut stream: TestStream) -> ReceivedEvent {
    let event = stream.next_event().await;
    assert_eq!(stream.ended().await, Some(CloseReason::Completed));
    event
}

/// The status of a response that is no stream.
async fn refused(client: &TestClient, path: &str) -> Option<StatusCode> {
    client.open(path).result().await.unwrap_err().status()
}

#[tokio::test]
async fn a_returned_emitter_is_the_response_with_its_options() {
    let mut stream = by_hand().open("/returns/7").await;
    assert_eq!(stream.next_event().await.data, "returned 7");
    assert_eq!(stream.retry(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_returned_error_is_the_response() {
    assert_eq!(refused(&by_hand(), "/returns/0").await, Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn a_rejected_argument_opens_no_stream() {
    assert_eq!(refused(&by_hand(), "/takes/many").await, Some(StatusCode::BAD_REQUEST));
}

#[tokio::test]
async fn a_taken_emitter_streams_beside_the_body_and_completes_with_it() {
    assert_eq!(one_event(by_hand().open("/takes/7").await).await.data, "taken 7");
}

#[tokio::test]
async fn a_collected_endpoint_takes_each_state_from_the_context() {
    assert_eq!(one_event(gathered().open("/collected/7").await).await.data, "shop 12 desk 7");
}

#[tokio::test]
async fn one_path_answers_several_methods_and_a_named_state_has_parts() {
    let request = Request::post("/collected/7")
        .header(header::CONTENT_TYPE, "application/json")
        .body(r#"["a","b"]"#.into())
        .unwrap();
    assert_eq!(one_event(gathered().open_with(request).await).await.data, "sub-shop 7 a+b");
}

#[tokio::test]
async fn a_collected_endpoint_rejects_as_its_extractors_do() {
    assert_eq!(refused(&gathered(), "/collected/many").await, Some(StatusCode::BAD_REQUEST));
}

#[tokio::test]
async fn head_opens_no_stream() {
    let request = Request::head("/collected/7").body("".into()).unwrap();
    let response = gathered().send(request).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert!(response.body().is_empty());
}

#[tokio::test]
async fn the_collected_router_fits_any_state() {
    let context = context();
    let app: Router<u32> = endpoints::<u32>(&context).unwrap();
    let client = TestClient::new(app.with_state(7).layer(Extension(context)));
    assert_eq!(one_event(client.open("/collected/7").await).await.data, "shop 12 desk 7");
}

#[test]
fn all_missing_states_are_listed_with_their_places() {
    let context = ApplicationContext::bare().component(Desk("desk")).build().unwrap();
    let said = endpoints::<()>(&context).unwrap_err().to_string();
    for state in ["Shop", "Clock", "AppState"] {
        assert!(said.contains(state), "{state}: {said}");
    }
    let line = |name: &str| {
        let source = include_str!("endpoints.rs");
        source.lines().position(|line| line.contains(&format!("async fn {name}("))).unwrap() + 1
    };
    for name in ["collected", "posted"] {
        assert!(said.contains(&format!("endpoints.rs:{}", line(name))), "{name}: {said}");
    }
}
