//! One node: streams, somebody who says something now and then, and what it knows of itself.

use std::collections::BTreeMap;
use std::io::{Read, stdin};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sse_tower::backplane::{Backplane, Engine, Health};
use sse_tower::{
    ApplicationContext, Emitters, History, LastEventId, SendError, SocketListener, SseEmitter,
    SseEvent, SseLayer,
};
use sse_tower_examples::{Arguments, Failure};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::cut::{Cuttable, Switch};

/// What is kept for tabs that were away.
const HISTORY: History = History::events(1_000);
/// How soon a tab dials again: soon enough to be watched.
const RETRY: Duration = Duration::from_millis(500);
/// The longest cut, and the longest name of a tab in characters.
const MAX_CUT_SECONDS: u64 = 60;
const MAX_NAME: usize = 40;

/// What everybody hears. A node numbers what it says from 1 on, in each of its lives.
#[derive(Serialize)]
struct Said<'a> {
    node: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    life: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// What a node says of itself.
#[derive(Serialize)]
struct Status {
    node: u8,
    process: u32,
    health: &'static str,
    /// For how long, where it is not well.
    seconds: Option<u64>,
    tabs: Vec<String>,
    stored: u64,
    failed: u64,
    durability: &'static str,
}

struct Node {
    number: u8,
    everybody: Emitters<()>,
    backplane: Backplane,
    switch: Switch,
    tabs: Mutex<BTreeMap<u64, String>>,
    streams: AtomicU64,
    stored: AtomicU64,
    failed: AtomicU64,
}

impl Node {
    fn tabs(&self) -> MutexGuard<'_, BTreeMap<u64, String>> {
        self.tabs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn say(&self, said: &Said<'_>) -> Result<(), SendError> {
        let sent = self.everybody.send(&(), SseEvent::builder().json(said)).await;
        let count = if sent.is_ok() { &self.stored } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
        sent.map(drop)
    }

    /// Says something now and then. What is perhaps not stored ends a life: the numbers of each have no hole.
    async fn talk(&self, every: Duration) {
        loop {
            let life = format!("{:08x}", fastrand::u32(..));
            for number in 1.. {
                sleep(every).await;
                let (life, number) = (Some(life.as_str()), Some(number));
                let said = Said { node: self.number, life, number, text: None };
                if self.say(&said).await.is_err() {
                    break;
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Tab {
    tab: String,
}

async fn events(
    Query(Tab { tab }): Query<Tab>,
    last: LastEventId,
    State(node): State<Arc<Node>>,
) -> SseEmitter {
    let emitter = node.everybody.connect((), last);
    // For this tab alone: who holds it. Refused only by a connection that is over already.
    let _ = emitter
        .try_send(SseEvent::builder().name("node").data(node.number.to_string()).retry(RETRY));
    let stream = node.streams.fetch_add(1, Ordering::Relaxed);
    node.tabs().insert(stream, tab.chars().take(MAX_NAME).collect());
    emitter.on_completion(move |_| drop(node.tabs().remove(&stream)));
    emitter
}

#[derive(Deserialize)]
struct Say {
    text: String,
}

async fn say(
    Query(Say { text }): Query<Say>,
    State(node): State<Arc<Node>>,
) -> Result<StatusCode, (StatusCode, String)> {
    let said = Said { node: node.number, life: None, number: None, text: Some(&text) };
    match node.say(&said).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

async fn status(State(node): State<Arc<Node>>) -> (StatusCode, Json<Status>) {
    let health = *node.backplane.health().borrow();
    let (word, since) = match health {
        Health::Up => ("up", None),
        Health::Degraded { since } => ("degraded", Some(since)),
        Health::Down { since } => ("down", Some(since)),
    };
    let status = Status {
        node: node.number,
        process: std::process::id(),
        health: word,
        seconds: since.map(|since| since.elapsed().as_secs()),
        tabs: node.tabs().values().cloned().collect(),
        stored: node.stored.load(Ordering::Relaxed),
        failed: node.failed.load(Ordering::Relaxed),
        durability: node.backplane.durability(),
    };
    // As a load balancer asks: is it a good place for somebody new?
    let code = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status))
}

#[derive(Deserialize)]
struct Cut {
    seconds: u64,
}

async fn cut(Query(Cut { seconds }): Query<Cut>, State(node): State<Arc<Node>>) -> StatusCode {
    let time = Duration::from_secs(seconds.min(MAX_CUT_SECONDS));
    tokio::spawn(async move { node.switch.cut(time).await });
    StatusCode::NO_CONTENT
}

/// Runs until `end`. Dropping it before is how a node in this process is killed.
pub(crate) async fn run(
    number: u8,
    every: Duration,
    engine: Arc<dyn Engine>,
    listener: impl SocketListener,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let switch = Switch::default();
    let backplane = Backplane::new(Cuttable::new(engine, switch.clone()));
    let everybody = Emitters::builder()
        .history(HISTORY)
        .backplane_with(&backplane, "everybody", |()| "all")
        .build();
    let context = ApplicationContext::bare().backplane(&backplane).build()?;
    let node = Arc::new(Node {
        number,
        everybody,
        backplane: backplane.clone(),
        switch,
        tabs: Mutex::default(),
        streams: AtomicU64::new(0),
        stored: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let app = Router::new()
        .route("/events", get(events))
        .route("/say", post(say))
        .layer(SseLayer::new(context.clone()))
        .route("/status", get(status))
        .route("/cut", post(cut))
        .with_state(node.clone());
    let serve = sse_tower::serve(listener, app, context).with_graceful_shutdown(end);
    tokio::select! {
        served = serve => served?,
        () = node.talk(every) => {}
    }
    backplane.close().await;
    Ok(())
}

/// A node that is a process: until its parent lets go of it, or is gone itself.
pub(crate) async fn process(
    number: u8,
    every: Duration,
    url: &str,
    arguments: Arguments,
) -> Result<(), Failure> {
    let (gone, parent) = oneshot::channel();
    // A thread, since nobody can stop a task that reads standard input.
    std::thread::spawn(move || {
        let _ = stdin().read(&mut [0]);
        gone.send(())
    });
    let engine = crate::store::engine(url).await?;
    let listener = arguments.listen((Ipv4Addr::LOCALHOST, 0).into()).await?;
    run(number, every, engine, listener, async { drop(parent.await) }).await
}
