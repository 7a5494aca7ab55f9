//! The file of `redb:` when its process is killed, when two want it, and when much goes through it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use sse_tower_backplane::redb::{self, RedbEngine};
use sse_tower_core::backplane::{
    Answer, Batch, Change, Claim, Claimed, Engine, EngineErrorKind, Entry, EventKind, Feed, Keep,
    Loaded, NodeId, Position, QueuedEvent, Registration, Since, Topic, Want,
};

/// Set for a process that this test starts: the file that it writes until it is killed.
const WRITES: &str = "SSE_TEST_REDB_WRITES";

const KEEP: Keep = Keep { events: 100_000, bytes: usize::MAX, age: Duration::from_secs(3_600) };
const NODE: NodeId = NodeId::new(7);

fn topic(index: u64) -> Topic {
    Topic::new(format!("topic{}", index % 3)).unwrap()
}

fn kind() -> EventKind {
    EventKind { name: "paid".into(), version: 1 }
}

/// The batch with this number: four events in three topics, and one for listeners.
fn batch(number: u64) -> Batch {
    let events = (0..4).map(|index| Entry {
        topic: topic(number + index),
        change: Change::Event { body: Bytes::from(format!("{number}.{index}")), once: None },
        keep: KEEP,
    });
    let event =
        QueuedEvent { kind: kind(), id: number.into(), head: Bytes::new(), body: Bytes::new() };
    let queued = Entry { topic: topic(0), change: Change::Enqueue(event), keep: KEEP };
    Batch { node: NODE, number, entries: events.chain([queued]).collect() }
}

fn claim() -> Vec<Claim> {
    vec![Claim { listener: "mail".into(), kinds: vec![kind()], count: 1, ordered: false }]
}

async fn start(path: &Path) -> RedbEngine {
    let engine = redb::open(path, "test").unwrap();
    engine.start(Feed::new(|_| {})).await.unwrap();
    engine
}

async fn load(engine: &RedbEngine, index: u64) -> Loaded {
    let (after, events) = (Position::ZERO, usize::MAX);
    let want = Want { topic: topic(index), after, events, bytes: usize::MAX };
    engine.load(vec![want]).await.unwrap().remove(0)
}

/// Writes until it is killed, and says what it has begun and what is stored. Does nothing unless it was started for that.
#[tokio::test]
async fn a_process_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(WRITES) else { return };
    let engine = start(Path::new(&path)).await;
    let queue = engine.queue().unwrap();
    let hears = vec!["paid".into()];
    let mail = Registration { listener: "mail".into(), hears, since: Since::Earliest };
    queue.register(vec![mail]).await.unwrap();
    let life = NodeId::random();
    queue.beat(life, Duration::from_secs(3_600)).await.unwrap();
    let first = engine.mark().await.unwrap().position.get() + 1;
    let mut out = std::io::stdout();
    for number in first.. {
        writeln!(out, "begun {number}").unwrap();
        let answers = engine.append(batch(number)).await.unwrap();
        let Answer::Stored(position) = answers[0] else { panic!("{answers:?}") };
        writeln!(out, "stored {number} {position}").unwrap();
        if number % 8 == 0 {
            let claimed = queue.claim(life, claim()).await.unwrap();
            let Claimed::Deliveries(deliveries) = claimed else { panic!("reaped") };
            for delivery in deliveries.now {
                writeln!(out, "held {}", delivery.event.id).unwrap();
            }
        }
    }
}

/// A process that writes, ended by its own process id.
struct Writer(Child);

impl Writer {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_process_that_writes_until_it_is_killed", "--nocapture"]);
        command.env(WRITES, path).stdout(Stdio::piped()).stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.0.stdout.take().unwrap()).lines().map_while(Result::ok)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // One that is gone already is what was wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Eight times: what was said to be stored is there, in one chain without holes; what was in flight is there whole or not at
/// all, and once when it is brought again; what was held is lost, counted, and comes again.
#[tokio::test]
async fn kill_minus_9_loses_nothing_that_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.redb");
    let mut epoch = None;
    let mut held = BTreeMap::<u128, u32>::new();
    for round in 1..=8_u64 {
        let mut writer = Writer::start(&path);
        let mut lines = writer.lines();
        let (mut begun, mut stored) = (0, BTreeMap::new());
        let mut read = |line: &str| {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("begun"), Some(number), _) => begun = number.parse().unwrap(),
                (Some("stored"), Some(number), Some(position)) => {
                    stored.insert(number.parse::<u64>().unwrap(), position.parse::<u64>().unwrap());
                }
                (Some("held"), Some(id), _) => *held.entry(id.parse().unwrap()).or_default() += 1,
                _ => {}
            }
            stored.len()
        };
        for line in lines.by_ref() {
            if read(&line) as u64 >= 20 + round * 3 {
                break;
            }
        }
        writer.0.kill().unwrap();
        writer.0.wait().unwrap();
        for line in lines {
            read(&line);
        }
        assert!(stored.len() >= 20, "it wrote: {}", stored.len());

        let engine = start(&path).await;
        let mark = engine.mark().await.unwrap();
        assert_eq!(*epoch.get_or_insert(mark.epoch), mark.epoch, "round {round}");
        assert!(stored.values().all(|position| *position <= mark.position.get()));
        let answers = engine.append(batch(begun)).await.unwrap();
        assert_eq!(engine.append(batch(begun)).await.unwrap(), answers);
        if let Some(position) = stored.get(&begun) {
            assert_eq!(answers[0], Answer::Stored(Position::new(*position)));
        }
        stored.insert(begun, 0);
        let mut bodies = BTreeMap::<String, usize>::new();
        for index in 0..3 {
            let loaded = load(&engine, index).await;
            let mut previous = Position::ZERO;
            for record in &loaded.records {
                assert_eq!(record.previous, previous, "no hole");
                previous = record.position;
                let Change::Event { body, .. } = &record.change else { panic!("{record:?}") };
                *bodies.entry(String::from_utf8(body.to_vec()).unwrap()).or_default() += 1;
            }
            assert_eq!(loaded.head.unwrap().newest, previous);
        }
        for number in stored.keys() {
            for index in 0..4 {
                assert_eq!(bodies.get(&format!("{number}.{index}")), Some(&1), "round {round}");
            }
        }
        assert!(bodies.values().all(|times| *times == 1), "nothing twice");
        lost(&engine, &held).await;
        engine.close().await.unwrap();
    }
}

/// What the killed process held is due, alone, with its losses counted.
async fn lost(engine: &RedbEngine, held: &BTreeMap<u128, u32>) {
    let queue = engine.queue().unwrap();
    let stats = queue.stats().await.unwrap().remove(0);
    assert_eq!(stats.running, 0);
    assert!(stats.waiting >= held.len(), "{stats:?}");
    let node = NodeId::random();
    queue.beat(node, Duration::from_secs(60)).await.unwrap();
    let mut waiting = BTreeMap::new();
    for _ in 0..stats.waiting {
        let Claimed::Deliveries(deliveries) = queue.claim(node, claim()).await.unwrap() else {
            panic!("reaped")
        };
        assert_eq!(deliveries.now.len(), 1);
        waiting.insert(deliveries.now[0].event.id, deliveries.now[0].losses);
    }
    for (id, times) in held {
        assert!(waiting.get(id) >= Some(times), "event {id}");
    }
    queue.leave(node).await.unwrap();
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.redb");
    let mut writer = Writer::start(&path);
    let mut lines = writer.lines();
    assert!(lines.any(|line| line.starts_with("stored")), "the first process has it");
    let error = redb::open(&path, "test").unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Refused);
    let text = error.to_string();
    assert!(text.starts_with(&path.display().to_string()), "{text}");
    assert!(text.contains("a file belongs to one process at a time: end the other one"), "{text}");
    drop(writer);
    redb::open(&path, "test").expect("the file is free when its process is gone");
}

#[tokio::test]
async fn a_closed_file_is_free_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.redb");
    for number in 1..5 {
        let engine = start(&path).await;
        engine.append(batch(number)).await.unwrap();
        drop(engine.load(Vec::new()));
        engine.close().await.unwrap();
    }
    assert_eq!(load(&start(&path).await, 0).await.records.len(), 5);
}

#[tokio::test]
async fn a_file_that_cannot_be_had_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let text = |path: PathBuf| redb::open(path, "test").unwrap_err().to_string();
    let nowhere = text(folder.path().join("nowhere/events.redb"));
    assert!(nowhere.ends_with("its folder does not exist: make it"), "{nowhere}");
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "not a database. ".repeat(1_000)).unwrap();
    let other = text(other);
    assert!(other.contains("no file of this engine: use another name"), "{other}");
}

/// Ten times what is kept goes through the file: it grows to what is kept, and not beyond.
#[tokio::test]
async fn retention_bounds_the_file() {
    const TOPICS: u64 = 16;
    const KEPT: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.redb");
    let engine = Arc::new(start(&path).await);
    let keep = Keep { events: KEPT, bytes: usize::MAX, age: Duration::from_secs(3_600) };
    let body = Bytes::from(vec![7; 4_096]);
    let mut sizes = Vec::new();
    let mut number = 0;
    for _ in 0..10 {
        for _ in 0..KEPT {
            number += 1;
            let entries = (0..TOPICS).map(|index| Entry {
                topic: Topic::new(format!("topic{index}")).unwrap(),
                change: Change::Event { body: body.clone(), once: Some(number.to_string().into()) },
                keep,
            });
            let batch = Batch { node: NODE, number, entries: entries.collect() };
            engine.append(batch).await.unwrap();
        }
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    let kept = TOPICS * KEPT as u64 * body.len() as u64;
    assert!(sizes[9] <= sizes[2], "no more than after three times: {sizes:?}");
    assert!(sizes[9] <= 6 * kept, "{sizes:?} where {kept} are kept");
    let loaded = load(&engine, 0).await.records.len();
    assert!((KEPT..=KEPT + KEPT / 4).contains(&loaded), "{loaded}");
}
