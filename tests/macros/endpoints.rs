//! What `#[sse_endpoint]` does to a request, routed by hand and collected.

use axum::body::Body;
use axum::extract::{FromRef, Path, State};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Json, Router};
use http_body_util::BodyExt as _;
use sse_tower::{ApplicationContext, Component, SseEmitter, endpoints, sse_endpoint};
use tower::ServiceExt as _;

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
        .build()
        .unwrap()
}

async fn ask(app: Router, request: Request<Body>) -> (StatusCode, String) {
    let response: Response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn by_hand() -> Router {
    let context = ApplicationContext::bare().build().unwrap();
    Router::new()
        .route("/returns/{id}", get(returns))
        .route("/takes/{id}", get(takes))
        .layer(Extension(context))
}

fn gathered() -> Router {
    let context = context();
    Router::new().merge(endpoints(&context).unwrap()).layer(Extension(context))
}

#[tokio::test]
async fn a_returned_emitter_is_the_response_with_its_options() {
    let (status, body) = ask(by_hand(), request("/returns/7")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("data:returned 7\n") && body.contains("retry:3000\n"), "{body}");
}

#[tokio::test]
async fn a_returned_error_is_the_response() {
    assert_eq!(ask(by_hand(), request("/returns/0")).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_rejected_argument_opens_no_stream() {
    assert_eq!(ask(by_hand(), request("/takes/many")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_taken_emitter_streams_beside_the_body_and_completes_with_it() {
    let (status, body) = ask(by_hand(), request("/takes/7")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("data:taken 7\n"), "{body}");
}

#[tokio::test]
async fn a_collected_endpoint_takes_each_state_from_the_context() {
    let (status, body) = ask(gathered(), request("/collected/7")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains("data:shop 12 desk 7\n"), "{body}");
}

#[tokio::test]
async fn one_path_answers_several_methods_and_a_named_state_has_parts() {
    let request = Request::post("/collected/7")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"["a","b"]"#))
        .unwrap();
    let (status, body) = ask(gathered(), request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains("data:sub-shop 7 a+b\n"), "{body}");
}

#[tokio::test]
async fn a_collected_endpoint_rejects_as_its_extractors_do() {
    assert_eq!(ask(gathered(), request("/collected/many")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn head_opens_no_stream() {
    let request = Request::head("/collected/7").body(Body::empty()).unwrap();
    let response = gathered().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn the_collected_router_fits_any_state() {
    let context = context();
    let app: Router<u32> = endpoints::<u32>(&context).unwrap();
    let (status, _) =
        ask(app.with_state(7).layer(Extension(context)), request("/collected/7")).await;
    assert_eq!(status, StatusCode::OK);
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
