//! What a node does with an engine, as little of it as can tell whether the engine kept its word: publishers that try again
//! until they know, and readers that follow, load and join, and notice every hole, repetition and wrong order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sse_tower_core::backplane::{
    Answer, Batch, Change, Engine, EngineErrorKind, Entry, Epoch, Feed, FeedItem, Keep, Mark,
    NodeId, Position, Record, Topic, Want,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

pub const KEEP: Keep = Keep { events: 100_000, bytes: 1 << 30, age: Duration::from_secs(3_600) };

/// What every fault has to be over in.
pub const HEALED: Duration = Duration::from_secs(6);

pub fn topics(count: usize) -> Vec<Topic> {
    (0..count).map(|index| Topic::new(format!("topic {index}")).unwrap()).collect()
}

pub fn event(body: &str) -> Change {
    Change::Event { body: body.to_owned().into(), once: None }
}

/// A node that only writes.
pub struct Writer {
    pub engine: Arc<dyn Engine>,
    node: NodeId,
    number: u64,
}

impl Writer {
    pub async fn start(engine: Arc<dyn Engine>) -> Self {
        engine.start(Feed::new(|_| {})).await.unwrap();
        Self { engine, node: NodeId::random(), number: 0 }
    }

    /// Stores events, and tries again until it knows that they are. The longest that one took comes with them.
    pub async fn store(&mut self, events: &[(Topic, String)]) -> Vec<Position> {
        self.number += 1;
        let entries = events.iter().map(|(topic, body)| Entry {
            topic: topic.clone(),
            change: event(body),
            keep: KEEP,
        });
        let (node, number) = (self.node, self.number);
        let batch = Batch { node, number, entries: entries.collect() };
        let answers = loop {
            match self.engine.append(batch.clone()).await {
                Ok(answers) => break answers,
                Err(error) if error.kind() == EngineErrorKind::Unavailable => {
                    sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("not stored: {error:?}"),
            }
        };
        let stored = answers.into_iter().map(|answer| match answer {
            Answer::Stored(position) => position,
            other => panic!("not stored: {other:?}"),
        });
        stored.collect()
    }
}

/// What was stored, by topic, in the order in which it was.
pub type Stored = BTreeMap<Topic, BTreeMap<Position, String>>;

/// Writers that store one batch after the other, until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Stored>>,
}

impl Load {
    pub async fn start(engines: Vec<Arc<dyn Engine>>, topics: &[Topic], padding: usize) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut tasks = Vec::new();
        for (index, engine) in engines.into_iter().enumerate() {
            let (stop, topics) = (stop.clone(), topics.to_vec());
            let mut writer = Writer::start(engine).await;
            tasks.push(tokio::spawn(async move {
                let mut stored = Stored::new();
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    let events: Vec<_> = (0..1 + round % 8)
                        .map(|entry| {
                            let topic = topics[(round + entry + index) % topics.len()].clone();
                            let padding = "x".repeat(padding * ((round + entry) % 4));
                            (topic, format!("{index}.{round}.{entry} {padding}"))
                        })
                        .collect();
                    let positions = writer.store(&events).await;
                    for (position, (topic, body)) in positions.into_iter().zip(events) {
                        let twice = stored.entry(topic).or_default().insert(position, body);
                        assert_eq!(twice, None);
                    }
                    // A rate at which a debug build can also read again what it missed for seconds.
                    sleep(Duration::from_millis(2)).await;
                }
                stored
            }));
        }
        Self { stop, tasks }
    }

    /// Ends it: all that was stored.
    pub async fn stop(self) -> Stored {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Stored::new();
        for task in self.tasks {
            for (topic, events) in task.await.unwrap() {
                all.entry(topic).or_default().extend(events);
            }
        }
        all
    }
}

/// What a reader knows.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub epoch: Option<Epoch>,
    /// Every epoch but the first.
    pub resets: usize,
    pub broke: usize,
    pub bells: usize,
    pub mark: Option<Mark>,
    /// The events of each topic in this epoch.
    pub events: BTreeMap<Topic, Vec<(Position, String)>>,
    /// What should never be.
    pub wrong: Vec<String>,
    /// When the newest event came.
    pub newest: Option<Instant>,
}

/// A node that only reads.
pub struct Reader {
    pub engine: Arc<dyn Engine>,
    pub known: watch::Receiver<Known>,
    task: JoinHandle<()>,
}

impl Reader {
    pub async fn start(engine: Arc<dyn Engine>, topics: &[Topic]) -> Self {
        let (put, mut items) = mpsc::unbounded_channel();
        let feed = Feed::new(move |item| {
            let _ = put.send(item);
        });
        let mark = engine.start(feed).await.unwrap();
        let (told, known) = watch::channel(Known { epoch: Some(mark.epoch), ..Known::default() });
        // Follow, then load.
        engine.follow(topics.to_vec()).await.unwrap();
        let mut reading = Reading {
            engine: engine.clone(),
            topics: topics.to_vec(),
            last: BTreeMap::new(),
            known: Known { epoch: Some(mark.epoch), ..Known::default() },
            broken: false,
        };
        // As a node does, to know how far the store is.
        let probed = engine.clone();
        let probe = async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                let _ = probed.mark().await;
            }
        };
        let read = async move {
            reading.load().await;
            while let Some(item) = items.recv().await {
                reading.take(item).await;
                while let Ok(item) = items.try_recv() {
                    reading.take(item).await;
                }
                told.send_replace(reading.known.clone());
            }
        };
        let task = tokio::spawn(async move {
            tokio::join!(probe, read);
        });
        Self { engine, known, task }
    }

    /// Waits until something is known.
    pub async fn until(&self, what: &str, within: Duration, done: impl Fn(&Known) -> bool) {
        let mut known = self.known.clone();
        let begun = Instant::now();
        if timeout(within, known.wait_for(|known| done(known))).await.is_err() {
            let known = self.known.borrow();
            let counts: Vec<_> = known.events.values().map(Vec::len).collect();
            panic!(
                "{what}: not within {within:?} ({:?}); {} resets, {} times broken, events {counts:?}, wrong: {:?}",
                begun.elapsed(),
                known.resets,
                known.broke,
                known.wrong
            );
        }
    }

    /// Has exactly what was stored, each once, in its order.
    pub async fn has(&self, stored: &Stored, within: Duration) {
        let expected: usize = stored.values().map(BTreeMap::len).sum();
        self.until("everything that was stored", within, |known| {
            known.events.values().map(Vec::len).sum::<usize>() >= expected
        })
        .await;
        let known = self.known.borrow();
        assert_eq!(known.wrong, [""; 0]);
        for (topic, events) in stored {
            let read = known.events.get(topic).map_or(&[][..], Vec::as_slice);
            let events: Vec<_> = events.iter().map(|(at, body)| (*at, body.clone())).collect();
            assert!(
                read == events,
                "{topic:?}: {} stored, {} read, or another order",
                events.len(),
                read.len()
            );
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Reading {
    engine: Arc<dyn Engine>,
    topics: Vec<Topic>,
    /// The newest event of each topic.
    last: BTreeMap<Topic, Position>,
    known: Known,
    broken: bool,
}

impl Reading {
    async fn take(&mut self, item: FeedItem) {
        match item {
            FeedItem::Records { epoch, records } => {
                self.life(epoch).await;
                for record in records {
                    self.record(record);
                }
            }
            FeedItem::Mark(mark) => {
                self.life(mark.epoch).await;
                self.known.mark = Some(mark);
            }
            FeedItem::Broke => {
                self.known.broke += 1;
                self.broken = true;
            }
            FeedItem::Whole => {
                if self.broken {
                    self.load().await;
                    self.broken = false;
                }
            }
            FeedItem::Bell => self.known.bells += 1,
            other => panic!("{other:?}"),
        }
    }

    /// A store that lost its past begins again, and so does who reads from it.
    async fn life(&mut self, epoch: Epoch) {
        if self.known.epoch != Some(epoch) {
            self.known.epoch = Some(epoch);
            self.known.resets += 1;
            self.known.events.clear();
            self.last.clear();
            self.load().await;
        }
    }

    async fn load(&mut self) {
        let wants: Vec<_> = self
            .topics
            .iter()
            .map(|topic| {
                let after = self.last.get(topic).copied().unwrap_or(Position::ZERO);
                Want { topic: topic.clone(), after, events: KEEP.events, bytes: KEEP.bytes }
            })
            .collect();
        let loaded = loop {
            match self.engine.load(wants.clone()).await {
                Ok(loaded) => break loaded,
                Err(error) if error.kind() == EngineErrorKind::Unavailable => {
                    sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("not loaded: {error:?}"),
            }
        };
        for loaded in loaded {
            if Some(loaded.epoch) != self.known.epoch {
                // What the feed brings next says so as well.
                return;
            }
            for record in loaded.records {
                self.push(record);
            }
        }
    }

    fn record(&mut self, record: Record) {
        let last = self.last.get(&record.topic).copied().unwrap_or(Position::ZERO);
        // What was loaded comes once more through the feed, or what came while it was broken.
        if record.position > last {
            if record.previous > last && !self.broken {
                self.known
                    .wrong
                    .push(format!("a hole in {:?} before {}", record.topic, record.position));
            }
            // While it is broken, what comes is found again by the load, with what is missing before it.
            if !self.broken {
                self.push(record);
            }
        }
    }

    fn push(&mut self, record: Record) {
        let last = self.last.entry(record.topic.clone()).or_default();
        if record.position <= *last {
            self.known
                .wrong
                .push(format!("{} of {:?} after {last}", record.position, record.topic));
        }
        *last = record.position;
        let Change::Event { body, .. } = record.change else { return };
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.known.events.entry(record.topic).or_default().push((record.position, body));
        self.known.newest = Some(Instant::now());
    }
}
