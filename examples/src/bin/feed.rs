//! A feed with numbers of its own: whoever was away gets all that was missed, in order, once.
//!
//! `GET /test/sse` is the stream: an event every five seconds, on the clock's fives, or `--every 1s`; for
//! `--timeout 30s`, then the browser dials again with `Last-Event-ID`. Pages from
//! `--origin http://localhost:8080` may read it with credentials; `GET /` is one from here.
//!
//! With `--backplane URL` several processes are one feed: one of them makes the events. Its ids start at 1 with
//! every start of the program, and where another process takes over. Leave them out, and each event gets one that
//! no other has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, Method};
use axum::{Router, routing::get};
use sse_tower::{
    ApplicationContext, Component, Emitters, History, LastEventId, Schedule, SseEmitter, SseEvent,
    SseLayer, scheduled,
};
use sse_tower_examples::{Arguments, Failure, Page};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// A day of events, one every five seconds, and some more.
const A_DAY: History =
    History::events(20_000).age(Duration::from_secs(24 * 60 * 60)).bytes(8 * 1024 * 1024);

struct Feed {
    clients: Emitters<()>,
    made: AtomicU64,
}

/// Goes on whether somebody listens or not.
#[scheduled(cron = "0/5 * * * * ?", once = "feed")]
async fn trigger(feed: Component<Feed>) {
    let n = feed.made.fetch_add(1, Ordering::Relaxed) + 1;
    let event = SseEvent::builder().data(format!("data{n}")).id(n.to_string());
    feed.clients.send(&(), event.retry(Duration::from_secs(3)));
}

async fn sse(last: LastEventId, State(clients): State<Emitters<()>>) -> SseEmitter {
    clients.connect((), last)
}

async fn index() -> Page {
    Page::new(include_str!("../../pages/feed.html")).text("server", "")
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::from_env()?;
    let every = arguments.take_time("--every")?;
    let timeout = arguments.take_time("--timeout")?.unwrap_or(Duration::from_secs(30));
    let origin: Option<HeaderValue> = arguments.take("--origin")?;
    let origin = origin.unwrap_or(HeaderValue::from_static("http://localhost:8080"));
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list([origin]))
        .allow_methods([Method::POST, Method::GET, Method::PUT, Method::OPTIONS, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
        .max_age(Duration::from_secs(3600));

    let backplane = arguments.backplane().await?;
    let clients = Emitters::builder()
        .history(A_DAY)
        .timeout(timeout)
        .backplane_with(&backplane, "feed", |()| "all")
        .build();
    let feed = Feed { clients: clients.clone(), made: AtomicU64::new(0) };
    let builder = ApplicationContext::bare().backplane(&backplane).component(feed);
    let builder = match every {
        None => builder.listener(trigger::LISTENER),
        // The same function, by another clock.
        Some(every) => {
            let schedule = Schedule::every(every).initial_delay(every).once("feed");
            builder.schedule(schedule.run_on(trigger))
        }
    };
    let context = builder.build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/test/sse", get(sse))
        .layer(SseLayer::new(context.clone()))
        .layer(cors)
        .with_state(clients);
    let listener = arguments.listen(([127, 0, 0, 1], 8000).into()).await?;
    sse_tower::serve(listener, app, context).await?;
    backplane.close().await;
    Ok(())
}
