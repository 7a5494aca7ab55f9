//! Events for every process, over each engine: two processes as two contexts.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use sse_tower_backplane::{Backplane, open};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, EventMeta, EventOrigin, EventType, Listener,
};

use super::servers::{Server, on_each_engine};

#[derive(Serialize, Deserialize)]
struct Repriced {
    article: u32,
}

impl ApplicationEvent for Repriced {
    fn event_type() -> EventType<Self> {
        EventType::new().name("article.repriced").broadcast().json()
    }
}

type Seen = Arc<Mutex<Vec<(u32, EventOrigin)>>>;

async fn process(url: &str) -> (Backplane, ApplicationContext, Seen) {
    let backplane = open(url).await.unwrap();
    let seen = Seen::default();
    let note = seen.clone();
    let listener = Listener::on_with_meta(move |it: &Repriced, meta: EventMeta| {
        note.lock().unwrap().push((it.article, meta.origin()));
    });
    let context =
        ApplicationContext::bare().backplane(&backplane).listener(listener).build().unwrap();
    (backplane, context, seen)
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

on_each_engine! {
    a_broadcast_is_heard_once_by_each_process_in_one_order
}

async fn a_broadcast_is_heard_once_by_each_process_in_one_order(engine: &str) {
    let Some(server) = Server::start(engine).await else { return };
    let (_a, here, seen_here) = process(&server.url()).await;
    let (_b, _there, seen_there) = process(&server.url()).await;
    // A process hears what comes after its start: until the first one arrives.
    let mut article = 0;
    while seen_there.lock().unwrap().is_empty() {
        here.publish_event(Repriced { article }).await.unwrap();
        article += 1;
        assert!(article < 200, "nothing arrives");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let first = seen_there.lock().unwrap()[0].0;
    for article in article..article + 300 {
        let before = seen_here.lock().unwrap().len();
        let publication = here.publish_event(Repriced { article });
        assert_eq!(seen_here.lock().unwrap().len(), before + 1, "here at once");
        publication.await.unwrap();
    }
    let last = article + 300;
    until("everything arrives", || {
        seen_there.lock().unwrap().last().is_some_and(|it| it.0 + 1 == last)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let there = seen_there.lock().unwrap().clone();
    assert_eq!(there, (first..last).map(|it| (it, EventOrigin::Elsewhere)).collect::<Vec<_>>());
    let here = seen_here.lock().unwrap().clone();
    assert_eq!(here, (0..last).map(|it| (it, EventOrigin::Here)).collect::<Vec<_>>());
}
