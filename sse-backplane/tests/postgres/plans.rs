//! What the functions of the schema look at. They are planned while their tables are empty, and those plans stay.

use std::time::{Duration, SystemTime};

use sse_tower_core::backplane::{Engine, NodeId};
use tokio_postgres::{Client, Transaction, types::Type};

use crate::{
    queue::{enqueue, register},
    support::{Node, client, server},
};

/// A connection that calls the functions as a node's does.
struct Session {
    client: Client,
    node: NodeId,
    ordered: bool,
    /// What the next claim need not look under.
    floor: Option<SystemTime>,
}

/// What is settled how.
const FINISHED: i16 = 0;
const FAILED: i16 = 1;

impl Session {
    async fn new(url: &str, node: NodeId, ordered: bool) -> Self {
        let client = client(url).await;
        // So it is known to be empty when each statement is planned.
        client.batch_execute("vacuum analyze sse.held").await.unwrap();
        Self { client, node, ordered, floor: None }
    }

    /// Takes so many, and says this of each of them.
    async fn cycle(&mut self, count: usize, verdict: i16) -> usize {
        let tx = self.client.transaction().await.unwrap();
        let floor = self.floor;
        let (done, floor) = within(&tx, self.node, self.ordered, floor, count, verdict).await;
        tx.commit().await.unwrap();
        self.floor = floor;
        done
    }

    /// The same; and how many index entries were read of what is held.
    async fn cost(&mut self, count: usize, verdict: i16) -> i64 {
        let tx = self.client.transaction().await.unwrap();
        // Of what this session has not yet reported, the transactions before among it.
        let read = async || -> i64 {
            let read = "select sum(pg_stat_get_xact_tuples_returned(i.indexrelid))::bigint from pg_index i \
                        where i.indrelid = 'sse.held'::regclass";
            tx.query_one(read, &[]).await.unwrap().get(0)
        };
        let before = read().await;
        let (done, _) = within(&tx, self.node, self.ordered, self.floor, count, verdict).await;
        assert_eq!(done, count);
        let read = read().await - before;
        tx.commit().await.unwrap();
        read
    }

    /// Everything was long ago.
    async fn later(&mut self) {
        let now = self.client.query_one("select clock_timestamp()", &[]).await.unwrap();
        self.floor = Some(now.get(0));
    }
}

async fn within(
    tx: &Transaction<'_>,
    node: NodeId,
    ordered: bool,
    floor: Option<SystemTime>,
    count: usize,
    verdict: i16,
) -> (usize, Option<SystemTime>) {
    let node = format!("{:032x}", node.get());
    let claim = format!(
        "select pos, failures, floor from sse.claim('{node}', '{{mail}}', '{{{count}}}', '{{{ordered}}}', '{{1}}', '{{paid}}', '{{1}}', array[$1])",
    );
    let mut taken = tx.query_typed(&claim, &[(&floor, Type::TIMESTAMPTZ)]).await.unwrap();
    let floor = taken.pop().unwrap().get("floor");
    if taken.is_empty() {
        return (0, floor);
    }
    let one = |text: String| vec![text; taken.len()].join(",");
    let all = |column: &str| -> String {
        let values = taken.iter().map(|row| match column {
            "pos" => row.get::<_, i64>(column).to_string(),
            _ => row.get::<_, i32>(column).to_string(),
        });
        values.collect::<Vec<_>>().join(",")
    };
    let settle = format!(
        "select sse.settle('{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}', '{{{}}}')",
        one("mail".into()),
        all("pos"),
        one(node),
        all("failures"),
        one("0".into()),
        one(verdict.to_string()),
        one("null".into()),
        one("0".into()),
        one("null".into()),
    );
    let settled: Vec<bool> = tx.query_one(&settle, &[]).await.unwrap().get(0);
    assert!(settled.iter().all(|fits| *fits));
    (taken.len(), floor)
}

/// Of what is done nothing is looked at again, whether it can be cleared away or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_and_a_verdict_walk_nothing_that_is_done() {
    engine_servers::only_with!("postgres");
    const DONE: usize = 3_000;
    let server = server();
    let node = Node::start(&server.url()).await;
    register(&node).await;
    let worker = NodeId::random();
    node.engine.queue().unwrap().beat(worker, Duration::from_secs(300)).await.unwrap();
    let mut session = Session::new(&server.url(), worker, false).await;
    node.append((0..2).map(enqueue).collect()).await;
    for verdict in [FAILED, FINISHED] {
        assert_eq!(session.cycle(1, verdict).await, 1);
    }
    let mut holder = client(&server.url()).await;
    let open = holder.transaction().await.unwrap();
    open.query("select pg_current_xact_id()", &[]).await.unwrap();
    for first in (2..DONE).step_by(100) {
        node.append((first..first + 100).map(|id| enqueue(id as u128)).collect()).await;
        while session.cycle(100, FINISHED).await > 0 {}
    }
    node.append((0..4).map(|id| enqueue((DONE + id) as u128)).collect()).await;
    for verdict in [FINISHED, FAILED] {
        let read = session.cost(1, verdict).await;
        assert!(read < 50, "verdict {verdict}: {read} entries were read");
    }
    drop(open);
}

/// The time of what runs in order, and of what waits, tells what is done from what is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_in_order_and_what_failed_is_walked_no_more_once_it_is_done() {
    engine_servers::only_with!("postgres");
    const DONE: usize = 1_000;
    for ordered in [true, false] {
        let server = server();
        let node = Node::start(&server.url()).await;
        register(&node).await;
        let worker = NodeId::random();
        node.engine.queue().unwrap().beat(worker, Duration::from_secs(300)).await.unwrap();
        let mut session = Session::new(&server.url(), worker, ordered).await;
        let mut holder = client(&server.url()).await;
        let open = holder.transaction().await.unwrap();
        open.query("select pg_current_xact_id()", &[]).await.unwrap();
        for first in (0..DONE).step_by(100) {
            node.append((first..first + 100).map(|id| enqueue(id as u128)).collect()).await;
            assert_eq!(session.cycle(100, FAILED).await, 100);
            assert_eq!(session.cycle(100, FINISHED).await, 100);
        }
        session.later().await;
        node.append((0..4).map(|id| enqueue((DONE + id) as u128)).collect()).await;
        for verdict in [FINISHED, FAILED, FINISHED] {
            let read = session.cost(1, verdict).await;
            assert!(read < 50, "ordered {ordered}, verdict {verdict}: {read} entries were read");
        }
        drop(open);
    }
}

/// What runs, and what waits, is never under the floor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_floor_is_under_whatever_runs_in_order_or_waits() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    register(&node).await;
    let worker = NodeId::random();
    node.engine.queue().unwrap().beat(worker, Duration::from_secs(300)).await.unwrap();
    node.append((0..4).map(enqueue).collect()).await;
    let mut session = Session::new(&server.url(), worker, true).await;
    let held = |column: &str| {
        format!(
            "select min({column}) - interval '5 seconds' from sse.held where {column} is not null"
        )
    };
    // One waits, due long ago; one runs, since before that.
    assert_eq!(session.cycle(1, FAILED).await, 1);
    for (column, age) in [("due", "1 hour"), ("taken", "2 hours")] {
        let old = format!("update sse.held set {column} = now() - interval '{age}'");
        session.client.batch_execute(&old).await.unwrap();
        let expected = session.client.query_one(&held(column), &[]).await.unwrap();
        let claim = format!(
            "select floor from sse.claim('{:032x}', '{{mail}}', '{{0}}', '{{true}}', '{{1}}', '{{paid}}', '{{1}}')",
            worker.get(),
        );
        let floor = session.client.query_one(&claim, &[]).await.unwrap();
        assert_eq!(floor.get::<_, SystemTime>(0), expected.get::<_, SystemTime>(0), "{column}");
        let runs = "update sse.held set owner = (select id from sse.node), due = null";
        session.client.batch_execute(runs).await.unwrap();
    }
}
