//! The public names, used as programs use them: what compiles here keeps compiling.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nodes;

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::State, routing::get};
use bytes::Bytes;
use sse_tower::{
    ApplicationContext, ApplicationEvent, BoxError, CloseReason, CommitError, Component,
    ContextClosed, ContextDraining, ContextStarted, Drain, Emitters, EventId, EventMeta, EventName,
    EventStream, Failure, History, IntoEvent, InvalidEvent, Lag, LastEventId, Lease, Limits,
    Outcome, Publication, PublishError, Publisher, Receipt, Second, SendError, Sent, SseEmitter,
    SseEvent, SseEventBuilder, SseLayer, Subscription, Transaction, TrySendError, WiringError,
    component, endpoints, event_listener, serve, sse_endpoint,
};

const NAME: EventName = EventName::from_static("finish");
const ID: EventId = EventId::from_static("6666");

#[test]
fn one_event_on_the_wire() -> Result<(), InvalidEvent> {
    let _: SseEvent = SseEvent::data("text");
    let _: SseEvent = SseEvent::data(String::from("text"));
    let _: SseEvent = SseEvent::json(&serde_json::json!({"paid": true}))?;
    let _: SseEvent = SseEvent::comment("text");
    let builder: SseEventBuilder = SseEvent::builder().name(NAME).id(ID);
    let event = builder.retry(Duration::from_secs(3)).comment("c").data("d").json(&1);
    let _: Result<SseEvent, InvalidEvent> = event.build();
    let _: Result<SseEvent, InvalidEvent> =
        SseEvent::builder().name("a").id(String::from("b")).data("c").build();
    let _ = (EventName::try_from("a")?, EventName::try_from(String::from("a"))?);
    let _ = (EventId::try_from("a")?, EventId::try_from(String::from("a"))?);

    struct Own;
    impl IntoEvent for Own {
        fn into_event(self) -> Result<SseEvent, InvalidEvent> {
            "own".into_event()
        }
    }
    Own.into_event()?;
    Ok(())
}

#[tokio::test]
async fn one_connection() {
    let emitter = SseEmitter::builder()
        .timeout(Duration::from_secs(60))
        .keep_alive(Duration::from_secs(15))
        .retry(Duration::from_secs(3))
        .capacity(16, 1024)
        .build();
    let sent: Result<(), SendError> = emitter.send("text").await;
    sent.unwrap();
    let tried: Result<(), TrySendError> = emitter.try_send(SseEvent::data("text"));
    tried.unwrap();
    emitter.on_timeout(|| ());
    emitter.on_error(|_: &BoxError| ());
    emitter.on_completion(|_: CloseReason| ());
    let token: tokio_util::sync::CancellationToken = emitter.cancellation();
    assert!(!emitter.is_closed() && !token.is_cancelled());
    let stream: EventStream = emitter.clone().into_stream();
    fn is_stream(_: &impl futures_core::Stream<Item = Bytes>) {}
    fn is_body(_: &impl http_body::Body<Data = Bytes>) {}
    is_stream(&stream);
    is_body(&stream);
    drop(stream);
    let _: CloseReason = emitter.closed().await;

    let response: http::Response<EventStream> = SseEmitter::new().into_http();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    SseEmitter::new().complete();
    SseEmitter::new().complete_with_error("text");
    SseEmitter::default().complete_with_error(std::io::Error::other("typed"));
}

#[tokio::test]
async fn many_connections() -> Result<(), SendError> {
    let _ = Emitters::<u64>::new();
    let _ = Emitters::<(u8, String)>::default();
    let emitters: Emitters<String> = Emitters::builder()
        .history(History::events(100).age(Duration::from_secs(60)).bytes(1 << 20))
        .lag(Lag::Gap)
        .one_per_key(Second::Replaces)
        .timeout(Duration::from_secs(60))
        .keep_alive(Duration::from_secs(15))
        .retry(Duration::from_secs(3))
        .ready_event()
        .build();
    let _ = (History::none(), Lag::Close, Lag::Latest, Second::Refused);
    let emitter: SseEmitter = emitters.connect("a".to_owned(), LastEventId::default());
    let _: SseEmitter =
        emitters.connect_many(["b".to_owned(), "c".to_owned()], LastEventId::from(ID));
    emitters.insert("d".to_owned(), &emitter);
    let sent: Sent = emitters.send("a", "text");
    let Receipt { id, receivers } = sent.await?;
    assert_eq!((receivers, emitters.position()), (1, id));
    emitters.send_all(SseEvent::data("text")).await?;
    emitters.send(&"a".to_owned(), SseEvent::builder().data("text")).await?;
    assert!(emitters.contains("a") && emitters.len() == 2 && emitters.keys().len() == 2);
    emitters.complete("a");
    emitters.disconnect("d");
    Ok(())
}

trait Auditable: Send + Sync {
    fn what(&self) -> String;
}

#[derive(ApplicationEvent)]
#[event(name = "pay.completed", version = 1, as = "dyn Auditable")]
struct Paid {
    record: u64,
}

impl Auditable for Paid {
    fn what(&self) -> String {
        format!("paid {}", self.record)
    }
}

#[derive(ApplicationEvent)]
struct Shipped;

#[derive(Default)]
struct Desk {
    emitters: Emitters<u64>,
}

#[component]
impl Desk {
    #[event_listener(order = 10, id = "desk", condition = |paid: &Paid| paid.record > 0)]
    async fn on_paid(&self, paid: &Paid, meta: EventMeta) -> Option<Shipped> {
        let _ = (meta.event_id, meta.published_at, meta.depth, meta.parent);
        self.emitters.send(&paid.record, "支付成功");
        Some(Shipped)
    }
}

#[event_listener(after = "desk", timeout = "5s")]
async fn ship(paid: Arc<Paid>, desk: Component<Desk>, out: Publisher<Shipped>) {
    let _ = (paid.record, desk.emitters.len());
    out.publish_event(Shipped).detach();
}

#[event_listener]
fn audit(event: &dyn Auditable) -> Result<(), std::io::Error> {
    if event.what().is_empty() { Err(std::io::Error::other("nothing")) } else { Ok(()) }
}

#[tokio::test]
async fn the_bus() -> Result<(), Box<dyn std::error::Error>> {
    let built: Result<ApplicationContext, WiringError> = ApplicationContext::bare()
        .component(Desk::default())
        .listener(ship::LISTENER)
        .listener(audit::LISTENER)
        .on_failure(|failure: &Failure| println!("{failure}"))
        .build();
    let context = built?;
    context.assert_wired();
    let publication: Publication<Paid> = context.publish_event(Paid { record: 1 });
    let outcome: Outcome = publication.await?;
    let _ = (outcome.id(), outcome.skipped());
    assert_eq!((outcome.ran(), outcome.failures().len()), (3, 0));
    let failing = context.on(|_: &Shipped| Err::<(), _>(std::io::Error::other("no")));
    let error: PublishError = context.publish_event(Shipped).first_error().await.unwrap_err();
    for failure in error.failures() {
        println!(
            "{:?} {:?} {:?} {:?} {:?}",
            failure.listener,
            failure.declared_at,
            failure.failed_at,
            failure.published_at,
            failure.source
        );
    }
    drop(failing);
    let kept: Subscription = context.on_async(|_: Arc<Shipped>| async {});
    kept.forever();
    let publisher: Publisher<Shipped> = context.publisher::<Shipped>();
    publisher.publish_event(Shipped).detach();
    let desk: Option<Component<Desk>> = context.component::<Desk>();
    assert!(desk.is_some() && context.graph().contains("pay.completed"));

    let transaction: Transaction = context.transaction();
    transaction.publish_event(Shipped);
    match transaction.commit().await {
        Ok(outcome) => assert_eq!(outcome.failures().len(), 0),
        Err(CommitError::RolledBack { cause, .. }) => println!("{cause}"),
        Err(CommitError::Committed { outcome, .. }) => println!("{:?}", outcome.failures()),
    }
    drop(context.transaction().rollback());
    context.settled().await;

    let heard = |_: &ContextDraining| ();
    context.on(heard).forever();
    context.on(|_: &ContextStarted| ()).forever();
    context.on(|_: &ContextClosed| ()).forever();
    context.drain().await;
    Ok(())
}

#[derive(Clone)]
struct AppState;

#[sse_endpoint(timeout = "60s", keep_alive = "15s", retry = "3s", path = "/push", method = "GET")]
async fn push(_: State<AppState>, last: LastEventId, desk: Component<Desk>) -> SseEmitter {
    desk.emitters.connect(1, last)
}

#[sse_endpoint]
async fn tokens(emitter: SseEmitter) -> Result<(), SendError> {
    emitter.send("token").await
}

#[tokio::test]
async fn http() -> Result<(), Box<dyn std::error::Error>> {
    let context = ApplicationContext::builder()
        .component(Desk::default())
        .component(nodes::Desk::default())
        .component(AppState)
        .build()?;
    let layer = SseLayer::new(context.clone())
        .keep_alive(Duration::from_secs(15))
        .limit(Limits::new().total(100))
        .lease(|_| Some(Lease::new()));
    let collected: Router<AppState> = endpoints(&context)?;
    let app: Router = collected
        .route("/by-hand", get(push))
        .route("/tokens", get(tokens))
        .with_state(AppState)
        .layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    serve(listener, app, context.clone())
        .http2(true)
        .drain(Drain::new().slices(1000).deadline(Duration::from_secs(5)))
        .with_graceful_shutdown(async {})
        .await?;
    context.drain_on(async {}).await;
    Ok(())
}

/// Users of `sse-tower` read the examples of the core's items on its pages, and do not have the core.
#[test]
fn examples_on_items_import_nothing_from_the_core_before_the_readers_eyes() {
    fn look(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else if !path.ends_with("src/lib.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().map(str::trim_start);
                let shown = lines.filter(|line| {
                    line.starts_with("/// use sse_tower_core")
                        || line.starts_with("//! use sse_tower_core")
                });
                found.extend(shown.map(|line| format!("{}: {line}", path.display())));
            }
        }
    }
    let mut found = Vec::new();
    look(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../sse-core/src"), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
