//! Many clients that move to a node which has heard of none of their keys, and many senders at one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use sse_tower_core::backplane::{
    Answer, Batch, Engine, EngineFuture, Feed, Loaded, Mark, MemoryEngine, MemoryStore, Node,
    NodeOptions, Position, Topic, Want,
};

use crate::{common::data, emitters, next_event, node, none, send, settle};

/// Counts what is asked of the store.
#[derive(Debug)]
struct Counting {
    engine: MemoryEngine,
    asked: Arc<Mutex<Asked>>,
    /// How long it takes to store something.
    takes: Duration,
}

#[derive(Debug, Default)]
struct Asked {
    /// How often each topic was loaded.
    loads: BTreeMap<String, usize>,
    /// In how many calls.
    calls: usize,
    /// How much was stored in each call.
    batches: Vec<usize>,
}

impl Engine for Counting {
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        self.engine.start(feed)
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        self.asked.lock().unwrap().batches.push(batch.entries.len());
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            self.engine.append(batch).await
        })
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        let mut asked = self.asked.lock().unwrap();
        asked.calls += 1;
        for want in &wants {
            *asked.loads.entry(want.topic.as_str().to_owned()).or_default() += 1;
        }
        self.engine.load(wants)
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        self.engine.follow(topics)
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        self.engine.unfollow(topics);
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        self.engine.mark()
    }

    fn restart_feed(&self) {
        self.engine.restart_feed();
    }

    fn changed(&self, after: Position, limit: usize) -> EngineFuture<'_, Vec<(Topic, Position)>> {
        self.engine.changed(after, limit)
    }

    fn durability(&self) -> &'static str {
        self.engine.durability()
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        self.engine.close()
    }
}

#[tokio::test(start_paused = true)]
async fn two_thousand_clients_of_a_thousand_keys_make_a_fresh_node_load_each_key_once() {
    const KEYS: u64 = 1_000;
    let store = MemoryStore::new();
    let old = emitters(&node(&store));
    let mut last = Vec::new();
    for key in 0..KEYS {
        last.push(send(&old, key, "seen").await);
        drop(old.send(&key, "missed"));
    }
    settle().await;
    let asked = Arc::<Mutex<Asked>>::default();
    let (engine, takes) = (store.engine(), Duration::ZERO);
    let engine = Counting { engine, asked: asked.clone(), takes };
    let fresh = emitters(&Node::new(engine, NodeOptions::default()));
    let clients = (0..2 * KEYS).map(|client| {
        let key = client % KEYS;
        fresh.connect(key, last[key as usize].clone().into()).into_stream()
    });
    let mut clients: Vec<_> = clients.collect();
    // Some of them while the first are being loaded.
    settle().await;
    clients.extend((0..KEYS).map(|key| fresh.connect(key, none()).into_stream()));
    for stream in &mut clients[..2 * KEYS as usize] {
        assert_eq!(data(&next_event(stream).await), ["missed"]);
    }
    let asked = asked.lock().unwrap();
    assert_eq!(asked.loads.len(), KEYS as usize + 1, "the keys, and what goes to all");
    assert!(asked.loads.values().all(|loads| *loads == 1), "{asked:?}");
    assert!(asked.calls <= 4, "in {} round trips", asked.calls);
}

#[tokio::test(start_paused = true)]
async fn who_was_answered_sends_along_with_those_who_waited_meanwhile() {
    const SENDERS: usize = 8;
    const EACH: usize = 10;
    let asked = Arc::<Mutex<Asked>>::default();
    let takes = Duration::from_millis(5);
    let engine = Counting { engine: MemoryStore::new().engine(), asked: asked.clone(), takes };
    let emitters = emitters(&Node::new(engine, NodeOptions::default()));
    send(&emitters, 7, "the node has begun").await;
    let sender = || {
        let emitters = emitters.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                emitters.send(&7, "paid").await.unwrap();
            }
        })
    };
    let mut senders = vec![sender()];
    settle().await;
    senders.extend((1..SENDERS).map(|_| sender()));
    for sender in senders {
        sender.await.unwrap();
    }
    // The first was alone; from then on they go all together, until it is done.
    let batches = &asked.lock().unwrap().batches;
    let expected = [&[1, 1][..], &[SENDERS; EACH - 1], &[SENDERS - 1]].concat();
    assert_eq!(*batches, expected);
}
