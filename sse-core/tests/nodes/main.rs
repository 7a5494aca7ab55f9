//! What each call means with a backplane: emitters of two and three nodes over one store.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod ending;
mod failing;
mod resuming;
mod sending;
mod state;
mod storm;
mod waiting;

use common::{data, next, read_now};
use sse_tower_core::{
    Emitters, EmittersBuilder, EventId, EventStream, LastEventId,
    backplane::{MemoryEngine, MemoryStore, Node, NodeOptions, memory::NodeFaults},
};

fn node(store: &MemoryStore) -> Node {
    Node::new(store.engine(), NodeOptions::default())
}

fn builder(node: &Node) -> EmittersBuilder<u64> {
    Emitters::builder().without_keep_alive().backplane(node, "payments")
}

fn emitters(node: &Node) -> Emitters<u64> {
    builder(node).build()
}

/// Emitters on so many nodes over one store.
fn nodes<const N: usize>() -> [Emitters<u64>; N] {
    let store = MemoryStore::new();
    [(); N].map(|()| emitters(&node(&store)))
}

fn engine_and_emitters(store: &MemoryStore) -> (NodeFaults, Node) {
    let engine: MemoryEngine = store.engine();
    (engine.faults(), Node::new(engine, NodeOptions::default()))
}

/// Lets everything that can happen now happen.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn open(emitters: &Emitters<u64>, key: u64, last: LastEventId) -> EventStream {
    let stream = emitters.connect(key, last).into_stream();
    settle().await;
    stream
}

fn none() -> LastEventId {
    LastEventId::default()
}

/// What comes next and is more than a comment.
async fn next_event(stream: &mut EventStream) -> String {
    loop {
        let text = next(stream).await.unwrap();
        if text != ":\n" {
            return text;
        }
    }
}

async fn read(stream: &mut EventStream) -> Vec<String> {
    settle().await;
    data(&read_now(stream))
}

async fn send(emitters: &Emitters<u64>, key: u64, text: &str) -> EventId {
    emitters.send(&key, text).await.unwrap().id
}
