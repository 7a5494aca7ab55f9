//! The test kit's client: what it reads, what it says when something else came, and that it never hangs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::Path,
    response::sse::{Event, Sse},
    routing::get,
};
use bytes::Bytes;
use common::frames;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use sse_tower::{
    CloseReason, Emitters, EventId, History, Lag, LastEventId, SseEmitter, SseEvent, SseLayer,
    test::{Cause, DEFAULT_DEADLINE, MAX_UNREAD, SHOWN_REFUSALS, TestClient},
};
use tokio::time::Instant;
use tower::service_fn;

/// A client of one emitter, which is the response to every request.
fn of(emitter: &SseEmitter) -> TestClient {
    let emitter = emitter.clone();
    TestClient::new(Router::new().route("/", get(move || async move { emitter })))
}

/// A client of a key; `/` resumes.
fn of_key(emitters: &Emitters<u8>) -> TestClient {
    let emitters = emitters.clone();
    let push = async move |last: LastEventId| emitters.connect(1, last);
    TestClient::new(Router::new().route("/", get(push)))
}

/// A client of a body that others made.
fn of_body<B>(body: B) -> TestClient<()>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<sse_tower::BoxError>,
{
    let body = Arc::new(Mutex::new(Some(body)));
    TestClient::for_body(service_fn(move |_: Request<()>| {
        let body = body.lock().unwrap().take().unwrap();
        let response = Response::builder().header("content-type", "text/event-stream");
        async { Ok::<_, Infallible>(response.body(body).unwrap()) }
    }))
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_with_all_its_fields() {
    let emitter = SseEmitter::new();
    let mut stream = of(&emitter).open("/").await;
    let event = SseEvent::builder().name("finish").id("6666").retry(Duration::from_secs(3));
    emitter.try_send(event.comment("soon").data("a\nb")).unwrap();
    emitter.try_send("").unwrap();
    let event = stream.next_event().await;
    assert_eq!((event.name.as_str(), event.id.as_deref()), ("finish", Some("6666")));
    assert_eq!((event.data.as_str(), event.retry), ("a\nb", Some(Duration::from_secs(3))));
    assert_eq!(stream.next_comment().await, "soon");
    assert_eq!(stream.retry(), Some(Duration::from_secs(3)));
    let event = stream.next_event().await;
    assert_eq!((event.name.as_str(), event.id, event.data.as_str()), ("message", None, ""));
    assert_eq!(stream.last_event_id(), "6666");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_fails_after_the_deadline_with_what_did_come() {
    let emitter = SseEmitter::new();
    let mut stream = of(&emitter).open("/").await;
    emitter.try_send("one").unwrap();
    emitter.try_send("x".repeat(1000)).unwrap();
    stream.next_event().await;
    stream.next_event().await;
    let start = Instant::now();
    let unmet = stream.next_event().result().await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), DEFAULT_DEADLINE.as_secs());
    assert!(matches!(unmet.cause(), Cause::TooLate(DEFAULT_DEADLINE)));
    let said = unmet.to_string();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "expected the next event, but it did not come within 5s; `.within(..)` waits longer",
            "2 events had come:",
            "  1. `message`, data \"one\"",
        ]
    );
    assert!(lines[3].ends_with("x\" and more, 1000 bytes in all"), "{said}");
    let start = Instant::now();
    stream.next_event().within(Duration::from_secs(60)).result().await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn on_a_running_clock_a_deadline_ends_a_wait_as_well() {
    let emitter = SseEmitter::new();
    let client = of(&emitter).deadline(Duration::from_millis(10));
    let mut stream = client.open("/").await;
    let unmet = stream.next_event().result().await.unwrap_err();
    assert!(unmet.to_string().contains("within 10ms; `.within(..)` waits longer\n"), "{unmet}");
}

const NO_EVENT: &str = "expected the next event, but it did not come within 5s; `.within(..)` waits longer\n\
                        no event had come\n";
const UNHEARD: &str = "if a listener was to send it, see that `#[event_listener]` is on it, and that the event is \
                       published in the context that `SseLayer` has";

#[tokio::test(start_paused = true)]
async fn where_nothing_comes_at_all_the_usual_reason_is_said() {
    let emitter = SseEmitter::new();
    let mut stream = of(&emitter).open("/").await;
    let unmet = stream.next_event().result().await.unwrap_err();
    assert_eq!(unmet.to_string(), format!("{NO_EVENT}{UNHEARD}"));
    let unmet = stream.ended().result().await.unwrap_err();
    assert!(unmet.to_string().ends_with("\nno event had come"), "of events alone: {unmet}");
    emitter.try_send("one").unwrap();
    stream.next_event().await;
    let unmet = stream.next_event().result().await.unwrap_err();
    assert!(unmet.to_string().ends_with("data \"one\""), "something did come: {unmet}");
    let mut ended =
        of(&SseEmitter::builder().timeout(Duration::from_secs(1)).build()).open("/").await;
    ended.next_event().await;
    let unmet = ended.next_event().result().await.unwrap_err();
    let bye = "`stream-bye`, data \"{\\\"reason\\\":\\\"timed-out\\\"}\"";
    assert!(
        unmet.to_string().ends_with(&format!("{bye}\n  and the connection was over")),
        "{unmet}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_client_was_refused_is_named_where_an_event_is_missing() {
    let emitter = SseEmitter::new();
    let pushed = emitter.clone();
    let paid = async |_: sse_tower::ApplicationContext| "thank you";
    let refuse =
        async |Path(code): Path<u16>| (StatusCode::from_u16(code).unwrap(), "line 1\nline 2");
    let app = Router::new()
        .route("/push", get(async move || pushed))
        .route("/paid/{order}", get(paid).post(paid))
        .route("/refuse/{code}", get(refuse))
        .route("/empty", get(async || StatusCode::BAD_REQUEST));
    let client = TestClient::new(app);
    let mut stream = client.open("/push").await;

    assert_eq!(client.get("/refuse/200").await.status(), 200);
    assert_eq!(client.get("/refuse/204").await.status(), 204);
    let unmet = stream.next_event().result().await.unwrap_err();
    assert_eq!(unmet.to_string(), format!("{NO_EVENT}{UNHEARD}"), "of those answered 2xx nothing");

    assert_eq!(client.clone().post("/paid/7", "").await.status(), 500);
    let paid = "meanwhile POST /paid/7 was answered 500 Internal Server Error: \
                this request has no application context; \
                add `.layer(SseLayer::new(context))` to the router, after its routes\n";
    let unmet = stream.next_event().result().await.unwrap_err();
    assert_eq!(unmet.to_string(), format!("{NO_EVENT}{paid}{UNHEARD}"));

    let unmet = client.open("/nowhere").result().await.unwrap_err();
    assert!(unmet.to_string().ends_with(paid.trim_end()), "also by the client's waits: {unmet}");

    client.get("/empty").await;
    for code in 401..400 + SHOWN_REFUSALS as u16 {
        client.get(&format!("/refuse/{code}")).await;
    }
    let unmet = stream.ended().result().await.unwrap_err().to_string();
    let named: Vec<_> = unmet.lines().filter(|line| line.starts_with("meanwhile")).collect();
    assert_eq!(named.len(), SHOWN_REFUSALS, "the newest: {unmet}");
    assert_eq!(named[0], "meanwhile GET /empty was answered 400 Bad Request");
    assert_eq!(named[1], "meanwhile GET /refuse/401 was answered 401 Unauthorized: line 1");

    emitter.try_send("at last").unwrap();
    assert_eq!(stream.next_event().await.data, "at last", "a refusal alone fails nothing");
}

#[test]
fn a_failure_is_a_panic_at_the_line_that_waits() {
    static SAID: Mutex<Vec<(String, String, u32)>> = Mutex::new(Vec::new());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default().to_owned();
        let place = info.location().unwrap();
        SAID.lock().unwrap().push((text, place.file().to_owned(), place.line()));
        before(info);
    }));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let failing = async {
        let mut stream = of(&SseEmitter::new()).open("/").await;
        tokio::task::yield_now().await;
        stream.next_event().within(Duration::from_secs(77)).await
    };
    let line = line!() - 2;
    let run = std::panic::AssertUnwindSafe(|| runtime.block_on(failing));
    assert!(std::panic::catch_unwind(run).is_err());
    // A copy: what fails below calls the hook, which locks it again.
    let said = SAID.lock().unwrap().clone();
    let (_, file, at) = said.iter().find(|(text, ..)| text.contains("within 77s")).unwrap();
    assert_eq!((file.as_str(), *at), (file!(), line));
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_with_the_id_of_the_last_event_that_the_test_has_read() {
    let emitters = Emitters::<u8>::new();
    let mut stream = of_key(&emitters).open("/").await;
    let mut ids = Vec::new();
    for text in ["a", "b", "c"] {
        ids.push(emitters.send(&1, text).await.unwrap().id);
    }
    // All three are one piece of the body.
    assert_eq!(stream.next_event().await.data, "a");
    assert_eq!(stream.last_event_id(), ids[0].as_str());
    stream.disconnect();
    assert_eq!(emitters.len(), 0, "the drop is the disconnect");
    assert!(matches!(stream.next_event().result().await.unwrap_err().cause(), Cause::Ended));
    emitters.send(&1, "d");
    emitters.complete(&1);
    stream.reconnect().await;
    let data: Vec<_> = stream.rest().await.into_iter().map(|event| event.data).collect();
    assert_eq!(data, ["b", "c", "d"]);
    let refused = stream.reconnect().result().await.unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::NO_CONTENT));
    assert!(refused.to_string().contains("204 No Content, without a body"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_position_without_an_event_is_come_back_with_too() {
    let (sender, body) = frames();
    let mut stream = of_body(body).open("/").await;
    sender.send(Frame::data(Bytes::from("id:1\ndata:a\n\nid:2\n\nid:3\ndata:b\n\n"))).unwrap();
    stream.next_event().await;
    assert_eq!(stream.last_event_id(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_client_may_begin_where_another_stopped() {
    let emitters = Emitters::<u8>::new();
    let first: EventId = emitters.send(&1, "first").await.unwrap().id;
    emitters.send(&1, "second");
    let request = Request::get("/").header("last-event-id", first.as_str()).body("".into());
    let mut stream = of_key(&emitters).open_with(request.unwrap()).await;
    assert_eq!(stream.last_event_id(), first.as_str());
    assert_eq!(stream.next_event().await.data, "second");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_treated_as_one() {
    let emitters = Emitters::<u8>::builder().history(History::none()).backlog(10, 1 << 20);
    let emitters = emitters.lag(Lag::Close).build();
    let client = of_key(&emitters);
    let (mut idle, mut healthy) = (client.open("/").await, client.open("/").await);
    let stalled = idle.stop_reading();
    for number in 0..100 {
        emitters.send(&1, number.to_string());
        assert_eq!(healthy.next_event().await.data, number.to_string());
    }
    drop(stalled);
    idle.rest().await;
    assert_eq!(idle.ended().await, Some(CloseReason::Lagged));
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_with_its_reason() {
    type Ending = fn(&SseEmitter);
    let ends: [(Ending, CloseReason); 3] = [
        (|emitter| emitter.complete(), CloseReason::Completed),
        (|emitter| emitter.complete_with_error("no"), CloseReason::Failed),
        (|_| (), CloseReason::TimedOut),
    ];
    for (end, reason) in ends {
        let emitter = SseEmitter::builder().timeout(Duration::from_secs(3)).build();
        let mut stream = of(&emitter).open("/").await;
        end(&emitter);
        assert_eq!(stream.ended().await, Some(reason));
        assert_eq!(stream.ended().await, Some(reason), "it may be asked again");
    }
    let (sender, body) = frames();
    let mut stream = of_body(body).open("/").await;
    drop(sender);
    assert_eq!(stream.ended().await, None, "nobody knows it of a stream of others");
}

#[tokio::test(start_paused = true)]
async fn an_event_in_place_of_the_end_or_of_silence_is_shown() {
    let emitter = SseEmitter::new();
    let mut stream = of(&emitter).open("/").await;
    stream.silent_for(Duration::from_secs(600)).await;
    emitter.try_send("one more").unwrap();
    let unmet = stream.ended().result().await.unwrap_err();
    assert!(matches!(unmet.cause(), Cause::Came(event) if event.data == "one more"), "{unmet}");
    emitter.try_send("and more").unwrap();
    let unmet = stream.silent_for(Duration::from_secs(1)).result().await.unwrap_err();
    assert!(
        unmet.to_string().starts_with("expected no event, but there came `message`"),
        "{unmet}"
    );
    emitter.complete();
    let unmet = stream.silent_for(Duration::from_secs(1)).result().await.unwrap_err();
    assert!(unmet.to_string().ends_with("and the connection was over"), "{unmet}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stream_is_shown_with_status_type_and_text() {
    let app = Router::new()
        .route("/", get(|| async { (StatusCode::FORBIDDEN, "not yours") }))
        .route("/page", get(|| async { axum::response::Html("<p>hello") }));
    let client = TestClient::new(app);
    let refused = client.open("/").result().await.unwrap_err();
    assert_eq!(refused.status(), Some(StatusCode::FORBIDDEN));
    assert_eq!(
        refused.to_string(),
        "expected an event stream at GET /, but the response is 403 Forbidden of type \
         \"text/plain; charset=utf-8\": not yours"
    );
    assert_eq!(client.open("/page").result().await.unwrap_err().status(), Some(StatusCode::OK));
    assert_eq!(client.open("/nowhere").result().await.unwrap_err().status().unwrap(), 404);
    let unmet = client.open("no path").result().await.unwrap_err();
    assert!(matches!(unmet.cause(), Cause::BadRequest(_)), "{unmet}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_says_how() {
    let (sender, body) = frames();
    let mut stream = of_body(body).open("/").await;
    sender.send(Frame::data(Bytes::from_static(b"data:whole\n\ndata:ha"))).unwrap();
    drop(sender);
    assert_eq!(stream.next_event().await.data, "whole");
    let unmet = stream.ended().result().await.unwrap_err();
    assert!(matches!(unmet.cause(), Cause::EndedWithin(text) if text == "data:ha"), "{unmet}");

    let broken = http_body_util::StreamBody::new(futures_util::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"data:1\n\n"))),
        Err(std::io::Error::other("the cable is cut")),
    ]));
    let mut stream = of_body(broken).open("/").await;
    let unmet = stream.rest().result().await.unwrap_err();
    let expected = "expected the end of the stream, but the body broke off: the cable is cut\n\
         1 event had come:\n  1. `message`, data \"1\"\n  and the connection was over";
    assert_eq!(unmet.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_ready_cannot_hang_a_test() {
    let comment = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(b":\n")));
    let endless = futures_util::stream::repeat_with(comment);
    let mut stream = of_body(http_body_util::StreamBody::new(endless)).open("/").await;
    let unmet = stream.next_event().result().await.unwrap_err();
    assert!(unmet.to_string().contains(&format!("{MAX_UNREAD} pieces")), "{unmet}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_or_fails_is_told_apart() {
    let client = TestClient::new(Router::new().route("/", get(std::future::pending::<()>)));
    let unmet = client.open("/").result().await.unwrap_err();
    assert!(matches!(unmet.cause(), Cause::TooLate(_)), "{unmet}");
    let unmet = client.get("/").result().await.unwrap_err();
    assert!(unmet.to_string().starts_with("expected the response to GET /, but"), "{unmet}");

    let fails = service_fn(|_: Request<()>| async {
        Err::<Response<String>, _>(std::io::Error::other("no database"))
    });
    let unmet = TestClient::for_body(fails).open("/").result().await.unwrap_err();
    assert!(unmet.to_string().ends_with("but the service failed: no database"), "{unmet}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_loses_nothing() {
    let emitter = SseEmitter::new();
    let mut stream = of(&emitter).open("/").await;
    for number in 0..3 {
        let waited = tokio::time::timeout(Duration::from_secs(1), stream.next_event()).await;
        assert!(waited.is_err());
        emitter.try_send(number.to_string()).unwrap();
        assert_eq!(stream.next_event().await.data, number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn streams_of_others_are_read_and_kept_alive_under_the_layer() {
    let context = common::context();
    let push = || async {
        let events = futures_util::stream::pending::<Result<Event, Infallible>>();
        Sse::new(events)
    };
    let app = Router::new().route("/", get(push)).layer(SseLayer::new(context.clone()));
    let mut stream = TestClient::new(app).open("/").await;
    assert_eq!(stream.headers()["x-accel-buffering"], "no");
    assert_eq!(stream.next_comment().within(Duration::from_secs(60)).await, "");
    drop(stream);
    assert!(context.streams().is_empty());
}

/// Says what it was asked with, as an event; sets and takes back a cookie.
fn mirror() -> Router {
    let push = |headers: http::HeaderMap| async move {
        let emitter = SseEmitter::new();
        let said = |name: &str| {
            let all = headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned());
            all.collect::<Vec<_>>().join("|")
        };
        emitter.try_send(format!("{} {}", said("x-user"), said("cookie"))).unwrap();
        (axum::response::AppendHeaders([("set-cookie", "seen=1")]), emitter)
    };
    let login = || async {
        axum::response::AppendHeaders([
            ("set-cookie", "session=7; Path=/; HttpOnly"),
            ("set-cookie", "theme=dark; Max-Age=3600"),
        ])
    };
    let logout = || async {
        axum::response::AppendHeaders([
            ("set-cookie", "session=; Max-Age=0"),
            ("set-cookie", "theme=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        ])
    };
    Router::new()
        .route("/push", get(push))
        .route("/login", get(login))
        .route("/logout", get(logout))
}

#[tokio::test]
async fn a_clients_header_goes_with_every_request_that_has_none_of_its_own() {
    let client = TestClient::new(mirror()).header("x-user", "alice");
    let mut stream = client.open("/push").await;
    assert_eq!(stream.next_event().await.data, "alice ");
    stream.reconnect().await;
    assert_eq!(stream.next_event().await.data, "alice ");
    stream.header("X-User", "bob").unwrap();
    stream.reconnect().await;
    assert_eq!(stream.next_event().await.data, "bob ");
    let own = Request::get("/push").header("x-user", "eve").body("".into()).unwrap();
    assert_eq!(client.open_with(own).await.next_event().await.data, "eve ");
}

#[tokio::test]
async fn a_header_that_is_none_fails_the_request() {
    let client = TestClient::new(mirror()).header("not a name", "x");
    client.get("/login").result().await.unwrap_err();
}

#[tokio::test]
async fn a_jar_keeps_cookies_until_they_are_taken_back() {
    let client = TestClient::new(mirror()).cookie_jar();
    let mut early = client.open("/push").await;
    assert_eq!(early.next_event().await.data, " ");
    client.get("/login").await;
    early.reconnect().await;
    assert_eq!(early.next_event().await.data, " seen=1; session=7; theme=dark");
    let own = Request::get("/push").header("cookie", "own=1").body("".into()).unwrap();
    let mut stream = client.open_with(own).await;
    assert_eq!(stream.next_event().await.data, " own=1; session=7; theme=dark; seen=1");
    client.clone().get("/logout").await;
    stream.reconnect().await;
    assert_eq!(stream.next_event().await.data, " own=1; seen=1");
    // Without a jar nothing is kept.
    let forgetful = TestClient::new(mirror());
    forgetful.get("/login").await;
    assert_eq!(forgetful.open("/push").await.next_event().await.data, " ");
}
