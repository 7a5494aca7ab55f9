//! What these tests share.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use engine_servers::Postgres as Server;
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{
    Answer, Batch, Change, Engine, Entry, Feed, FeedItem, Keep, Mark, NodeId, Position, Record,
    Topic, Want,
};
use tokio_postgres::{Client, NoTls};

pub(crate) const KEEP: Keep =
    Keep { events: 100_000, bytes: 1 << 30, age: Duration::from_secs(3_600) };

pub(crate) fn topic(name: &str) -> Topic {
    Topic::new(name).unwrap()
}

pub(crate) fn event(name: &str, body: impl Into<String>) -> Entry {
    Entry {
        topic: topic(name),
        change: Change::Event { body: body.into().into(), once: None },
        keep: KEEP,
    }
}

pub(crate) fn change(name: &str, change: Change) -> Entry {
    Entry { topic: topic(name), change, keep: KEEP }
}

/// A node with its feed written down.
pub(crate) struct Node {
    pub(crate) engine: Arc<Postgres>,
    pub(crate) id: NodeId,
    pub(crate) number: Mutex<u64>,
    pub(crate) heard: Arc<Mutex<Vec<FeedItem>>>,
    pub(crate) first: Mark,
}

impl Node {
    pub(crate) async fn start(url: &str) -> Self {
        Self::start_in(url, "sse").await
    }

    pub(crate) async fn start_in(url: &str, namespace: &str) -> Self {
        let engine = Arc::new(Postgres::new(url, namespace).unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let feed = heard.clone();
        let first =
            engine.start(Feed::new(move |item| feed.lock().unwrap().push(item))).await.unwrap();
        Self { engine, id: NodeId::random(), number: Mutex::new(0), heard, first }
    }

    pub(crate) fn batch(&self, entries: Vec<Entry>) -> Batch {
        let mut number = self.number.lock().unwrap();
        *number += 1;
        Batch { node: self.id, number: *number, entries: entries.into() }
    }

    /// Stores, however often it has to be tried.
    pub(crate) async fn append(&self, entries: Vec<Entry>) -> Vec<Answer> {
        let batch = self.batch(entries);
        let begun = Instant::now();
        loop {
            match self.engine.append(batch.clone()).await {
                Ok(answers) => return answers,
                Err(error) if begun.elapsed() > Duration::from_secs(30) => panic!("{error:?}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(crate) async fn follow(&self, names: &[&str]) {
        self.engine.follow(names.iter().map(|name| topic(name)).collect()).await.unwrap();
    }

    pub(crate) async fn load(&self, name: &str) -> sse_tower_core::backplane::Loaded {
        let want = Want {
            topic: topic(name),
            after: Position::ZERO,
            events: usize::MAX,
            bytes: usize::MAX,
        };
        self.engine.load(vec![want]).await.unwrap().remove(0)
    }

    /// The records that the feed brought.
    pub(crate) fn records(&self) -> Vec<Record> {
        let heard = self.heard.lock().unwrap();
        let records = heard.iter().filter_map(|item| match item {
            FeedItem::Records { records, .. } => Some(records.clone()),
            _ => None,
        });
        records.flatten().collect()
    }

    /// Bodies of the events that the feed brought.
    pub(crate) fn bodies(&self) -> Vec<String> {
        bodies(&self.records())
    }

    pub(crate) fn has(&self, what: impl Fn(&FeedItem) -> bool) -> bool {
        self.heard.lock().unwrap().iter().any(what)
    }
}

pub(crate) fn bodies(records: &[Record]) -> Vec<String> {
    let bodies = records.iter().filter_map(|record| match &record.change {
        Change::Event { body, .. } => Some(String::from_utf8_lossy(body).into_owned()),
        _ => None,
    });
    bodies.collect()
}

/// Waits for it; how long that took.
pub(crate) async fn until(within: Duration, what: &str, mut is: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begun.elapsed()
}

pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A client of the application itself.
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A server that does not wait for the disk: what these tests show does not depend on it.
pub(crate) fn server() -> Server {
    Server::start_with(&["fsync=off"]).unwrap()
}

pub(crate) fn position(answer: &Answer) -> Position {
    match answer {
        Answer::Stored(position) => *position,
        other => panic!("{other:?}"),
    }
}
