//! Transactions that stay open, so that nothing dead is cleared away: they make nothing slow, and nothing waits for them.
//!
//! What has had many events beside them is compared with a namespace that is new, call by call in turns: so it does not
//! matter how busy the machine is.
//!
//! `SSE_HOLDER_EVENTS=200000 cargo test -p sse-tower-backplane --all-features --test postgres holders -- --nocapture`
//! is the full size, which takes minutes and fails if something is twice as slow; without it a small one shows that
//! nothing waits.

use std::time::{Duration, Instant};

use sse_tower_core::backplane::{Engine as _, NodeId, StoreIn as _};
use tokio_postgres::{Client, IsolationLevel};

use crate::{
    queue::{cycle, enqueue, register},
    support::{Node, client, server},
};

/// How many events go through by default, half beside each of the holders.
const EVENTS: usize = 4_000;
/// How many more go through in turns with as many of a new namespace.
const MEASURED: usize = 1_000;
/// How many are stored in one transaction of the program.
const STORED: usize = 500;
/// How many are claimed at once.
const CLAIMED: usize = 16;

/// A namespace, and who works in it.
struct Site {
    name: &'static str,
    node: Node,
    worker: NodeId,
    program: Client,
    mover: Client,
    seen: Option<String>,
    stored: u128,
    claims: Vec<Duration>,
    moves: Vec<Duration>,
}

impl Site {
    async fn new(url: &str, name: &'static str) -> Self {
        let (node, worker) = (Node::start_in(url, name).await, NodeId::random());
        register(&node).await;
        node.engine.queue().unwrap().beat(worker, Duration::from_secs(3_600)).await.unwrap();
        let (program, mover) = (client(url).await, client(url).await);
        let (claims, moves) = (Vec::new(), Vec::new());
        Self { name, node, worker, program, mover, seen: None, stored: 0, claims, moves }
    }

    /// Events are stored in a transaction of the program, moved, claimed and finished.
    async fn through(&mut self) {
        let first = self.stored;
        self.stored += STORED as u128;
        let entries: Vec<_> = (first..self.stored).map(enqueue).collect();
        let mut tx = self.program.transaction().await.unwrap();
        tx.store(self.name, &entries).await.unwrap();
        tx.commit().await.unwrap();
        let schema =
            if self.name == "sse" { "sse".to_owned() } else { format!("sse_{}", self.name) };
        let step = format!("select seen from {schema}.move($1, 1000)");
        let begun = Instant::now();
        let row = self.mover.query_one(&step, &[&self.seen]).await.unwrap();
        self.moves.push(begun.elapsed());
        self.seen = row.get(0);
        let mut left = STORED;
        while left > 0 {
            let (count, took) = cycle(&self.node, self.worker, CLAIMED).await;
            assert!(count > 0, "{left} wait for somebody");
            self.claims.push(took);
            left -= count;
        }
    }

    /// So many go through; then more, in turns with a new namespace.
    async fn measure(&mut self, url: &str, events: usize, beside: &'static str, full: bool) {
        for _ in 0..events / STORED {
            self.through().await;
        }
        let mut new = Self::new(url, beside).await;
        // Its connections are new as well.
        new.through().await;
        for site in [&mut *self, &mut new] {
            (site.claims, site.moves) = (Vec::new(), Vec::new());
        }
        for _ in 0..MEASURED * (1 + 4 * usize::from(full)) / STORED {
            self.through().await;
            new.through().await;
        }
        let at = |times: &[Duration], percent: usize| {
            let mut times = times.to_vec();
            times.sort();
            times[(times.len() - 1) * percent / 100]
        };
        for (what, old, new) in
            [("claim", &self.claims, &new.claims), ("move", &self.moves, &new.moves)]
        {
            let [(half, half_new), (late, late_new)] =
                [50, 99].map(|percent| (at(old, percent), at(new, percent)));
            eprintln!(
                "{what} beside a {beside}, after {} events: p50 {half:?} (new {half_new:?}), p99 {late:?} (new \
                 {late_new:?})",
                self.stored
            );
            // Of few calls on a busy machine times say little.
            let slower = full && late > late_new * 2;
            assert!(!slower, "{what} beside a {beside}: {late:?}, where it is new {late_new:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_an_open_reader_nor_an_idle_writer_makes_claims_or_moves_slow() {
    engine_servers::only_with!("postgres");
    let full = std::env::var("SSE_HOLDER_EVENTS").ok().map(|it| it.parse::<usize>().unwrap());
    let events = full.unwrap_or(EVENTS);
    let server = server();
    let url = server.url();
    let mut site = Site::new(&url, "sse").await;

    let mut reader = client(&url).await;
    let reads = reader.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
    let reads = reads.start().await.unwrap();
    reads.query("select count(*) from sse.held", &[]).await.unwrap();
    site.measure(&url, events / 2, "reader", full.is_some()).await;
    drop(reads);

    let writer = client(&url).await;
    writer.batch_execute("begin; create table unrelated (n int)").await.unwrap();
    site.measure(&url, events / 2, "writer", full.is_some()).await;
    writer.batch_execute("rollback").await.unwrap();
}
