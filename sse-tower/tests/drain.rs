//! A thousand open streams, and a server that leaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    future::IntoFuture,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::Query, response::IntoResponse, routing::get};
use common::{PATIENCE, Wire};
use sse_tower::{
    ApplicationContext, Drain, DrainLast, Emitters, Lag, LastEventId, SseEmitter, SseLayer,
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout},
};

const STREAMS: usize = 1000;
const EVENTS: usize = 20;

/// Every stream that `/push` has opened.
#[derive(Clone, Default)]
struct Opened(Arc<Mutex<Vec<SseEmitter>>>);

impl Opened {
    fn app(&self, context: &ApplicationContext) -> Router {
        let opened = self.0.clone();
        let push = move || {
            let opened = opened.clone();
            async move {
                let emitter = SseEmitter::new();
                emitter.try_send("first").unwrap();
                opened.lock().unwrap().push(emitter.clone());
                emitter
            }
        };
        Router::new()
            .route("/push", get(push))
            .route("/foreign", get(common::hello))
            .layer(SseLayer::new(context.clone()))
    }

    fn send_to_all(&self) {
        for emitter in self.0.lock().unwrap().iter() {
            for number in 0..EVENTS {
                emitter.try_send(number.to_string()).unwrap();
            }
        }
    }
}

/// Opens so many streams, each with its first event read.
async fn connect(address: SocketAddr, context: &ApplicationContext) -> Vec<Wire> {
    let mut clients = Vec::new();
    for _ in 0..STREAMS {
        clients.push(Wire::event_source(address, "/push").await);
    }
    for client in &mut clients {
        client.until("data:first\n\n").await;
    }
    common::open(context, STREAMS).await;
    clients
}

/// Reads every stream to its end: all events in order, then the farewell, then a complete body.
async fn all_is_there(clients: Vec<Wire>) {
    let mut reading = JoinSet::new();
    for mut client in clients {
        reading.spawn(async move {
            client.at_body_end().await;
            events_of(&client.got)
        });
    }
    let mut expected = vec!["first".to_owned()];
    expected.extend((0..EVENTS).map(|number| number.to_string()));
    expected.push(r#"{"reason":"drained"}"#.to_owned());
    let mut retries = std::collections::HashSet::new();
    while let Some(read) = reading.join_next().await {
        let (events, retry) = read.unwrap();
        assert_eq!(events, expected);
        retries.insert(retry);
    }
    assert!(retries.len() > STREAMS / 3, "only {} different moments to return", retries.len());
}

/// The data of all events, and the last retry.
fn events_of(text: &str) -> (Vec<String>, Option<String>) {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::to_owned);
    let retry = text.lines().filter_map(|line| line.strip_prefix("retry:")).next_back();
    (data.collect(), retry.map(str::to_owned))
}

/// The last of 1,000 streams at 2,000 a second is told after 450 ms: ten slices of 100.
const DRAIN: Drain = Drain::new().slices(2000);
const SLICES: Duration = Duration::from_millis(450);

/// A bound that a loaded machine keeps; the time itself is written for whoever looks.
fn in_time(what: &str, start: Instant) {
    let over = start.elapsed().checked_sub(SLICES).expect("goodbyes are said at the set rate");
    eprintln!("{what}: {:?} after the last slice", over);
    assert!(over < Duration::from_secs(5), "{over:?} after the last slice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_1_axum_serve_returns_with_a_thousand_streams_open_and_nothing_is_lost() {
    let (context, opened) = (common::context(), Opened::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let leaving = context.drain_on(async { drop(stopped.await) }).with(DRAIN);
    let app = opened.app(&context);
    let server =
        tokio::spawn(axum::serve(listener, app).with_graceful_shutdown(leaving).into_future());
    let clients = connect(address, &context).await;
    opened.send_to_all();
    let start = Instant::now();
    stop.send(()).unwrap();
    let reading = tokio::spawn(all_is_there(clients));
    timeout(PATIENCE, server).await.expect("axum::serve returns").unwrap().unwrap();
    in_time("axum::serve", start);
    reading.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_1_serve_returns_with_a_thousand_streams_open_and_nothing_is_lost() {
    let (context, opened) = (common::context(), Opened::default());
    let mut server =
        common::serve_with(opened.app(&context), context.clone(), |s| s.drain(DRAIN)).await;
    let clients = connect(server.address, &context).await;
    opened.send_to_all();
    let start = Instant::now();
    server.leave();
    let reading = tokio::spawn(all_is_there(clients));
    server.over().await;
    in_time("sse_tower::serve", start);
    reading.await.unwrap();
}

#[tokio::test]
async fn pain_7_clients_are_told_goodbye_in_slices_and_come_back_at_moments_of_their_own() {
    let (context, opened) = (common::context(), Opened::default());
    let mut server = common::serve_with(opened.app(&context), context.clone(), |s| {
        s.drain(Drain::new().slices(40))
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Wire::event_source(server.address, "/push").await;
        client.until("data:first\n\n").await;
        clients.push(client);
    }
    server.leave();
    // Two in each slice: when the first have left, the last have not heard of it.
    clients[0].at_body_end().await;
    clients[1].at_body_end().await;
    let waiting = timeout(Duration::from_millis(20), clients[9].at_body_end()).await;
    assert!(waiting.is_err());
    for client in &mut clients {
        client.at_body_end().await;
    }
    server.over().await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_resumed_finishes_by_itself_while_there_is_time() {
    let (context, opened) = (common::context(), Opened::default());
    let kept = opened.0.clone();
    let answer = move || async move {
        let emitter = SseEmitter::new();
        emitter.try_send("word").unwrap();
        kept.lock().unwrap().push(emitter.clone());
        (axum::Extension(DrainLast), emitter).into_response()
    };
    let app = Router::new()
        .route("/answer", get(answer))
        .layer(SseLayer::new(context.clone()))
        .merge(opened.app(&context));
    let mut server = common::serve(app, context.clone()).await;
    let mut answer = Wire::event_source(server.address, "/answer").await;
    answer.until("data:word\n\n").await;
    let mut other = Wire::event_source(server.address, "/push").await;
    other.until("data:first\n\n").await;
    server.leave();
    assert!(other.at_end().await.contains("stream-bye"));
    let emitter = opened.0.lock().unwrap()[0].clone();
    emitter.try_send("last word").unwrap();
    emitter.complete();
    answer.at_end().await;
    assert_eq!(events_of(&answer.got).0, ["word", "last word"]);
    server.over().await;
}

/// Two servers before one set of logs, as two processes before one backplane are.
#[tokio::test]
async fn clients_that_come_back_to_a_second_server_resume_without_loss() {
    #[derive(serde::Deserialize)]
    struct Key {
        key: u64,
    }
    let emitters = Emitters::<u64>::builder().lag(Lag::Gap).build();
    let app = |context: &ApplicationContext| {
        let emitters = emitters.clone();
        let push = move |Query(Key { key }): Query<Key>, last: LastEventId| async move {
            emitters.connect(key, last)
        };
        Router::new().route("/push", get(push)).layer(SseLayer::new(context.clone()))
    };
    let (first, second) = (common::context(), common::context());
    let mut leaving = common::serve(app(&first), first.clone()).await;
    let staying = common::serve(app(&second), second.clone()).await;

    let mut clients = Vec::new();
    for key in 0..50_u64 {
        let client = Wire::event_source(leaving.address, &format!("/push?key={key}")).await;
        clients.push((key, client));
    }
    common::open(&first, 50).await;
    let say = |from: u64, to: u64| {
        for key in 0..50 {
            for number in from..to {
                drop(emitters.send(&key, number.to_string()));
            }
        }
    };
    say(0, 10);
    leaving.leave();
    // While nobody listens, and on both sides of the goodbye.
    say(10, 20);
    let mut back = Vec::new();
    for (key, mut client) in clients {
        client.at_body_end().await;
        let last = client.got.lines().filter_map(|line| line.strip_prefix("id:")).next_back();
        back.push((key, events_of(&client.got).0, last.unwrap_or_default().to_owned()));
    }
    leaving.over().await;
    say(20, 30);
    for (key, before, last) in back {
        let headers = format!("Accept: text/event-stream\r\nLast-Event-ID: {last}\r\n");
        let path = format!("/push?key={key}");
        let mut client = Wire::get(staying.address, &path, &headers).await;
        client.until("data:29\n").await;
        let mut all = before;
        all.retain(|data| !data.starts_with('{'));
        all.extend(events_of(&client.got).0);
        let expected: Vec<_> = (0..30).map(|number| number.to_string()).collect();
        assert_eq!(all, expected, "key {key}");
    }
}
