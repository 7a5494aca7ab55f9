//! What a followed key takes on a node, without events: `cargo bench -p sse-tower-core --all-features --bench followed`.
//!
//! Counted by the allocator, on one thread, so that it is the same on every run. The store is in this process, and
//! what it takes to know who follows what is printed apart.

#![allow(clippy::expect_used, reason = "a program that measures")]

use allocation_counter::measure;
use sse_tower_core::{
    Emitters, LastEventId, SseEmitter,
    backplane::{Engine, Feed, MemoryStore, Node, NodeOptions, Topic},
};
use tokio::runtime::{Builder, Runtime};

const KEYS: u64 = 100_000;
/// How many keys each connection has, where few connections follow many.
const AT_ONCE: u64 = 1_000;
/// What a followed key takes at most, without its connection.
const AIM: u64 = 1_024;

fn main() {
    // `cargo test` runs benches too, with an argument that says so.
    let keys = if std::env::args().any(|arg| arg == "--bench") { KEYS } else { AT_ONCE };
    let store = of_the_store(keys);
    println!("{keys} keys followed on one node, bytes for each");
    println!("  the store in memory, who follows what   {store:>6}");
    let few = on_a_node(keys, AT_ONCE.min(keys)) - store;
    println!("  a key, {AT_ONCE} for each connection          {few:>6}   aim {AIM}");
    let each = on_a_node(keys, 1) - store;
    println!("  a key and a connection of its own       {each:>6}");
    assert!(few < AIM, "a followed key takes {few} bytes");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

fn of_the_store(keys: u64) -> u64 {
    let runtime = runtime();
    let store = MemoryStore::new();
    let (engine, names) = (store.engine(), 0..keys);
    let topics: Vec<_> = names.filter_map(|key| Topic::new(format!("pages/{key}")).ok()).collect();
    let follow = || {
        runtime.block_on(async {
            engine.start(Feed::new(|_| {})).await.expect("a store in memory");
            engine.follow(topics.clone()).await.expect("a store in memory");
        });
    };
    measure(follow).bytes_current.unsigned_abs() / keys
}

fn on_a_node(keys: u64, at_once: u64) -> u64 {
    let runtime = runtime();
    let store = MemoryStore::new();
    let mut open: Vec<SseEmitter> = Vec::with_capacity((keys / at_once) as usize);
    let (mut node, mut kept) = (None, None);
    let connect = || {
        runtime.block_on(async {
            let node = node.insert(Node::new(store.engine(), NodeOptions::default()));
            // Kept: streams end with the last handle that could send to them.
            let pages: Emitters<u64> = Emitters::builder().backplane(node, "pages").build();
            let pages = kept.insert(pages);
            for first in (0..keys).step_by(at_once as usize) {
                open.push(pages.connect_many(first..first + at_once, LastEventId::default()));
            }
            // Followed, loaded and live by then, and nobody waits any more.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let live = format!("{node:?}");
            let all = format!("topics: [{0}, {0}, 0, 0,", keys + 1);
            assert!(live.contains(&all), "not all keys are live: {live}");
        });
    };
    let taken = measure(connect).bytes_current.unsigned_abs();
    assert!(open.iter().all(|emitter| !emitter.is_closed()), "somebody was turned away");
    taken / keys
}
