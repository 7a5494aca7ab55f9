//! One node of the suite: an engine, its batches, and all that its feed brought.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, time::timeout};

use super::Harness;
use crate::{
    backplane::{
        Answer, Batch, Change, Engine, EngineError, EngineFuture, Entry, Feed, FeedItem, Keep,
        Loaded, Mark, NodeId, Position, Record, Topic, Want,
    },
    sync::plain::{self, Mutex},
};

/// How long a rule waits for something that has to come.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// More than any rule stores, unless it is about retention.
pub const KEEP: Keep =
    Keep { events: 10_000, bytes: 256 * 1024 * 1024, age: Duration::from_secs(3_600) };

/// An event with this body.
pub fn event(body: impl AsRef<[u8]>) -> Change {
    Change::Event { body: Bytes::copy_from_slice(body.as_ref()), once: None }
}

/// The topic of this name.
pub fn topic(name: &str) -> Topic {
    Topic::new(name).unwrap()
}

/// An engine that was started, with what its feed brought.
pub struct Node {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Its name in batches.
    pub id: NodeId,
    batch: AtomicU64,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    items: Mutex<Vec<FeedItem>>,
    more: Notify,
}

impl Node {
    /// One more node of the harness's namespace, started.
    pub async fn join(harness: &impl Harness) -> Self {
        let heard = Arc::<Heard>::default();
        let feed = Feed::new({
            let heard = heard.clone();
            move |item| {
                plain::lock(&heard.items).push(item);
                heard.more.notify_waiters();
            }
        });
        let engine = harness.engine().await;
        engine.start(feed).await.expect("the engine starts");
        Self { engine, id: NodeId::random(), batch: AtomicU64::new(0), heard }
    }

    /// One more node that follows these topics.
    pub async fn following(harness: &impl Harness, topics: &[Topic]) -> Self {
        let node = Self::join(harness).await;
        node.engine.follow(topics.to_vec()).await.expect("topics are followed");
        node
    }

    /// Its next batch: these changes, with these settings.
    pub fn batch(&self, changes: impl IntoIterator<Item = (Topic, Change)>, keep: Keep) -> Batch {
        let entries = changes.into_iter().map(|(topic, change)| Entry { topic, change, keep });
        let number = self.batch.fetch_add(1, Ordering::Relaxed) + 1;
        Batch { node: self.id, number, entries: entries.collect() }
    }

    /// Stores changes as one batch.
    pub async fn store(&self, changes: impl IntoIterator<Item = (Topic, Change)>) -> Vec<Answer> {
        self.begin(changes).await.expect("the batch is stored")
    }

    /// Begins to store changes as one batch.
    pub fn begin(
        &self,
        changes: impl IntoIterator<Item = (Topic, Change)>,
    ) -> EngineFuture<'_, Vec<Answer>> {
        self.engine.append(self.batch(changes, KEEP))
    }

    /// Stores one change, and expects that it is.
    pub async fn change(&self, topic: &Topic, change: Change) -> Position {
        stored(self.store([(topic.clone(), change)]).await[0])
    }

    /// Stores one event.
    pub async fn send(&self, topic: &Topic, body: impl AsRef<[u8]>) -> Position {
        self.change(topic, event(body)).await
    }

    /// All of a topic.
    pub async fn load(&self, topic: &Topic) -> Loaded {
        self.load_after(topic, Position::ZERO).await
    }

    /// All of a topic after a position.
    pub async fn load_after(&self, topic: &Topic, after: Position) -> Loaded {
        let topic = topic.clone();
        let want = Want { topic, after, events: KEEP.events, bytes: KEEP.bytes };
        self.load_one(want).await
    }

    /// One want.
    pub async fn load_one(&self, want: Want) -> Loaded {
        let mut loaded = self.engine.load(vec![want]).await.expect("a load is answered");
        assert_eq!(loaded.len(), 1, "one answer for one want");
        loaded.remove(0)
    }

    /// Asks for a mark, and waits for it to come through the feed.
    pub async fn barrier(&self) -> Mark {
        let before = plain::lock(&self.heard.items).len();
        let mark = self.engine.mark().await.expect("a mark is answered");
        self.until("the mark that was asked for", |items| {
            items[before..].iter().any(|item| {
                matches!(item, FeedItem::Mark(heard)
                    if heard.epoch == mark.epoch && heard.position >= mark.position)
            })
        })
        .await;
        mark
    }

    /// Waits until what the feed brought fulfils something.
    pub async fn until(&self, what: &str, mut done: impl FnMut(&[FeedItem]) -> bool) {
        let wait = async {
            loop {
                let more = self.heard.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if done(&plain::lock(&self.heard.items)) {
                    return;
                }
                more.await;
            }
        };
        if timeout(DEADLINE, wait).await.is_err() {
            let items = plain::lock(&self.heard.items);
            let newest = &items[items.len().saturating_sub(5)..];
            panic!(
                "{what} did not come within {DEADLINE:?}; {} items, at last {newest:?}",
                items.len()
            );
        }
    }

    /// How many items the feed brought.
    pub fn heard(&self) -> usize {
        plain::lock(&self.heard.items).len()
    }

    /// The items that the feed brought, from the given one on.
    pub fn items(&self, from: usize) -> Vec<FeedItem> {
        plain::lock(&self.heard.items)[from..].to_vec()
    }

    /// The records that the feed brought of a topic, from the given item on. Fails as [`records`](Self::records) does.
    pub fn records_from(&self, from: usize, topic: &Topic) -> Vec<Record> {
        check(&self.items(from), topic)
    }

    /// The records that the feed brought of a topic. Fails if the feed broke, or brought anything in a wrong order.
    pub fn records(&self, topic: &Topic) -> Vec<Record> {
        check(&plain::lock(&self.heard.items), topic)
    }

    /// Closes it.
    pub async fn close(self) {
        self.engine.close().await.expect("an engine closes");
    }
}

/// The records of a topic among items that are in order.
fn check(items: &[FeedItem], topic: &Topic) -> Vec<Record> {
    let mut newest = Position::ZERO;
    let mut found = Vec::new();
    for item in items {
        match item {
            FeedItem::Records { records, .. } => {
                for record in records {
                    let position = record.position;
                    assert!(position > newest, "{position} came after {newest}");
                    newest = position;
                    found.extend((record.topic == *topic).then(|| record.clone()));
                }
            }
            FeedItem::Mark(mark) => {
                assert!(mark.position >= newest, "mark {} after {newest}", mark.position);
            }
            FeedItem::Broke => panic!("the feed broke in a store that is well"),
            FeedItem::Whole | FeedItem::Bell => {}
        }
    }
    found
}

/// The position of something that has to be stored.
pub(super) fn stored(answer: Answer) -> Position {
    match answer {
        Answer::Stored(position) => position,
        other => panic!("not stored: {other:?}"),
    }
}

/// The body of an event.
pub(super) fn body(record: &Record) -> &[u8] {
    match &record.change {
        Change::Event { body, .. } => body,
        other => panic!("no event: {other:?}"),
    }
}

/// What went wrong, of a call that has to fail.
pub(super) fn error<T: fmt::Debug>(result: Result<T, EngineError>) -> EngineError {
    result.expect_err("this call has to fail")
}

/// Asks until the answer is right.
pub(super) async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let wait = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match timeout(DEADLINE, wait).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what}: not within {DEADLINE:?}"),
    }
}

/// Asserts that records follow one another without a hole, each naming the one before.
pub(super) fn assert_chain(records: &[Record], mut previous: Position) {
    for record in records {
        assert_eq!(record.previous, previous, "predecessor of {record:?}");
        if matches!(record.change, Change::Event { .. }) {
            previous = record.position;
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("engine", &self.engine).finish_non_exhaustive()
    }
}
