//! Events for every node.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sse_tower_core::{
    ApplicationEvent, BroadcastGap, EventMeta, EventOrigin, EventType, EventUid, Listener,
    backplane::{Epoch, MemoryStore},
};

use super::site::{Process, eventually, seconds};

#[derive(Clone, Serialize, Deserialize)]
struct Repriced {
    article: u32,
}

impl ApplicationEvent for Repriced {
    fn event_type() -> EventType<Self> {
        EventType::new().name("article.repriced").broadcast().json()
    }
}

type Seen = Arc<Mutex<Vec<(u32, EventOrigin, EventUid)>>>;

fn listener(seen: &Seen) -> Listener {
    let seen = seen.clone();
    let note = move |it: &Repriced, meta: EventMeta| {
        seen.lock().unwrap().push((it.article, meta.origin(), meta.event_id()));
    };
    Listener::on_with_meta(note).into()
}

fn process(store: &MemoryStore) -> (Process, Seen) {
    let seen = Seen::default();
    (Process::start(store, vec![listener(&seen)]), seen)
}

#[tokio::test(start_paused = true)]
async fn the_graph_shows_what_survives_and_what_goes_to_every_node() {
    let store = MemoryStore::new();
    let mail = Listener::on(|_: &Repriced| ()).durable().id("mail");
    let here = Process::start(&store, vec![listener(&Seen::default()), mail.into()]);
    let graph = here.context.graph();
    let durable = graph.lines().find(|line| line.contains("-- durable -->"));
    let listener = durable.and_then(|line| line.rsplit(' ').next()).expect("an arrow");
    assert!(graph.contains(&format!("{listener}[(\"mail")), "{graph}");
    assert!(graph.contains("article.repriced, to every node"), "{graph}");
    assert_eq!(graph.matches("-- durable -->").count(), 1, "{graph}");
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_heard_here_at_once_and_on_every_other_node_once() {
    let store = MemoryStore::new();
    let (here, seen_here) = process(&store);
    let (_there, seen_there) = process(&store);
    tokio::time::sleep(seconds(1)).await;
    let publication = here.context.publish_event(Repriced { article: 7 });
    assert_eq!(seen_here.lock().unwrap().len(), 1, "at once");
    let outcome = publication.await.unwrap();
    assert_eq!(outcome.ran(), 1);
    tokio::time::sleep(seconds(5)).await;
    let (here, there) = (seen_here.lock().unwrap().clone(), seen_there.lock().unwrap().clone());
    assert_eq!((here.len(), there.len()), (1, 1), "once");
    assert_eq!((here[0].0, here[0].1), (7, EventOrigin::Here));
    assert_eq!((there[0].0, there[0].1), (7, EventOrigin::Elsewhere));
    assert_eq!(here[0].2, there[0].2, "one id everywhere");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_catches_up_in_order() {
    let store = MemoryStore::new();
    let (here, _) = process(&store);
    let (there, seen) = process(&store);
    tokio::time::sleep(seconds(1)).await;
    here.context.publish_event(Repriced { article: 0 }).await.unwrap();
    there.faults.break_feed();
    for article in 1..100 {
        here.context.publish_event(Repriced { article }).await.unwrap();
    }
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(seen.lock().unwrap().len(), 1);
    there.faults.mend(Default::default());
    eventually(seconds(10), "it catches up", async || seen.lock().unwrap().len() == 100).await;
    let articles: Vec<u32> = seen.lock().unwrap().iter().map(|it| it.0).collect();
    assert_eq!(articles, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_node_begins_with_what_is_broadcast_after_it_came() {
    let store = MemoryStore::new();
    let (here, _) = process(&store);
    here.context.publish_event(Repriced { article: 1 }).await.unwrap();
    let (_there, seen) = process(&store);
    tokio::time::sleep(seconds(1)).await;
    here.context.publish_event(Repriced { article: 2 }).await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(seen.lock().unwrap().iter().map(|it| it.0).collect::<Vec<_>>(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_missed_some_is_told_so() {
    let store = MemoryStore::new();
    let (here, _) = process(&store);
    let gaps = Arc::new(Mutex::new(0));
    let told = gaps.clone();
    let seen = Seen::default();
    let gap = Listener::on(move |_: &BroadcastGap| *told.lock().unwrap() += 1);
    let there = Process::start(&store, vec![listener(&seen), gap.into()]);
    tokio::time::sleep(seconds(1)).await;
    here.context.publish_event(Repriced { article: 1 }).await.unwrap();
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(*gaps.lock().unwrap(), 0);
    // The store loses its past, and with it what may have been on its way.
    store.faults().new_epoch(Epoch::new(7));
    here.context.publish_event(Repriced { article: 2 }).await.unwrap();
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(*gaps.lock().unwrap(), 1);
    here.context.publish_event(Repriced { article: 3 }).await.unwrap();
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(seen.lock().unwrap().last().map(|it| it.0), Some(3));
    drop(there);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_a_failure_of_the_publication_and_listeners_here_ran() {
    let store = MemoryStore::new();
    let (here, seen) = process(&store);
    here.faults.away();
    let failed = here.context.publish_event(Repriced { article: 1 }).await.unwrap_err();
    assert_eq!((failed.ran(), failed.failures().len()), (1, 1));
    assert_eq!(failed.failures()[0].listener, "the bus");
    assert_eq!(seen.lock().unwrap().len(), 1);
}
