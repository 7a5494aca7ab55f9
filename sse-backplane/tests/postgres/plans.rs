//! What the functions of the schema look at. They are planned while their tables are empty, and those plans stay.

use std::time::Duration;

use sse_tower_core::backplane::{Engine, NodeId};
use tokio_postgres::{Client, Transaction};

use crate::{
    queue::{enqueue, register},
    support::{Node, client, server},
};

/// A connection that calls the functions as a node's does.
struct Session {
    client: Client,
    node: NodeId,
}

/// What is settled how.
const FINISHED: i16 = 0;
const FAILED: i16 = 1;

impl Session {
    /// Takes so many, and says this of each of them.
    async fn cycle(&mut self, count: usize, verdict: i16) -> usize {
        let node = self.node;
        let tx = self.client.transaction().await.unwrap();
        let done = within(&tx, node, count, verdict).await;
        tx.commit().await.unwrap();
        done
    }

    /// The same; and how many index entries were read of what is held.
    async fn cost(&mut self, count: usize, verdict: i16) -> i64 {
        let node = self.node;
        let tx = self.client.transaction().await.unwrap();
        // Of what this session has not yet reported, the transactions before among it.
        let read = async || -> i64 {
            let read = "select sum(pg_stat_get_xact_tuples_returned(i.indexrelid))::bigint from pg_index i \
                        where i.indrelid = 'sse.held'::regclass";
            tx.query_one(read, &[]).await.unwrap().get(0)
        };
        let before = read().await;
        assert_eq!(within(&tx, node, count, verdict).await, count);
        let read = read().await - before;
        tx.commit().await.unwrap();
        read
    }
}

async fn within(tx: &Transaction<'_>, node: NodeId, count: usize, verdict: i16) -> usize {
    let node = format!("{:032x}", node.get());
    let claim = format!(
        "select pos, failures from sse.claim('{node}', '{{mail}}', '{{{count}}}', '{{false}}', '{{1}}', '{{paid}}', '{{1}}') \
         where pos is not null",
    );
    let taken = tx.query(&claim, &[]).await.unwrap();
    if taken.is_empty() {
        return 0;
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
    taken.len()
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
    let mut session = Session { client: client(&server.url()).await, node: worker };
    // So it is known to be empty when each statement is planned.
    session.client.batch_execute("vacuum analyze sse.held").await.unwrap();
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
