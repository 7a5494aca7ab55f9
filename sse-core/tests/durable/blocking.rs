//! A listener that blocks the only thread of its program's runtime. In real time, since that is what it blocks.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use sse_tower_core::{
    ApplicationContext, Listener,
    backplane::{MemoryStore, Mutant, Node, NodeOptions},
};

use super::site::{Handled, Paid};

/// Longer than a lease, and than it takes until somebody looks for those who are late, and takes over.
const BLOCKS: Duration = Duration::from_secs(15);

/// How many processes run an event that the first blocks its runtime with.
fn runs(mutant: Option<Mutant>) -> u32 {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let (begun, has_begun) = mpsc::channel();
    let until = Instant::now() + BLOCKS + Duration::from_secs(2);
    let process = |blocks: Duration, publishes: bool| {
        let (engine, handled, begun) = (store.engine(), handled.clone(), begun.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut options = NodeOptions::default();
                options.mutant = mutant;
                let listener = Listener::on_async(move |paid: Arc<Paid>| {
                    let (handled, begun) = (handled.clone(), begun.clone());
                    async move {
                        handled.note(paid.order);
                        begun.send(()).unwrap();
                        thread::sleep(blocks);
                    }
                });
                let context = ApplicationContext::bare()
                    .backplane(&Node::new(engine, options))
                    .listener(listener.durable().id("mail"))
                    .build()
                    .unwrap();
                if publishes {
                    context.publish_event(Paid { order: 1 }).await.unwrap();
                }
                tokio::time::sleep_until(until.into()).await;
            });
        })
    };
    let here = process(BLOCKS, true);
    has_begun.recv_timeout(Duration::from_secs(60)).unwrap();
    let there = process(Duration::ZERO, false);
    assert!(here.join().is_ok() && there.join().is_ok());
    handled.lock()[&1]
}

#[test]
fn who_blocks_its_runtime_keeps_what_it_has() {
    assert_eq!(runs(None), 1);
}

#[test]
fn leases_that_are_renewed_on_a_blocked_runtime_are_found() {
    assert_eq!(runs(Some(Mutant::LeasesOnTheRuntime)), 2);
}
