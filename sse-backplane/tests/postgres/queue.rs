//! What of the queue is this engine's own: rows that stay behind, and transactions that stay open.

use std::time::{Duration, Instant};

use sse_tower_core::backplane::{
    Change, Claim, Claimed, DeadReason, Engine, Entry, EventKind, Fence, NodeId, QueuedEvent,
    Registration, Since, Verdict,
};
use tokio_postgres::IsolationLevel;

use crate::support::{KEEP, Node, client, server, topic};

pub(crate) fn enqueue(id: u128) -> Entry {
    let kind = EventKind { name: "paid".into(), version: 1 };
    let event = QueuedEvent { kind, id, head: "{}".into(), body: "body".into() };
    Entry { topic: topic("unused"), change: Change::Enqueue(event), keep: KEEP }
}

pub(crate) async fn register(node: &Node) {
    let hears = vec!["paid".into()];
    let one = Registration { listener: "mail".into(), hears, since: Since::Now };
    node.engine.queue().unwrap().register(vec![one]).await.unwrap();
}

/// Claims and finishes; how many, and how long that took.
pub(crate) async fn cycle(node: &Node, worker: NodeId, count: usize) -> (usize, Duration) {
    let queue = node.engine.queue().unwrap();
    let kinds = vec![EventKind { name: "paid".into(), version: 1 }];
    let claim = Claim { listener: "mail".into(), kinds, count, ordered: false };
    let begun = Instant::now();
    let Claimed::Deliveries(taken) = queue.claim(worker, vec![claim]).await.unwrap() else {
        panic!("reaped")
    };
    let fences = taken.now.iter().map(|delivery| {
        let fence = Fence {
            listener: delivery.listener.clone(),
            position: delivery.position,
            owner: worker,
            failures: delivery.failures,
            losses: delivery.losses,
        };
        (fence, Verdict::Finished)
    });
    let settled = queue.settle(fences.collect()).await.unwrap();
    assert!(settled.iter().all(|one| *one));
    (taken.now.len(), begun.elapsed())
}

/// Rows that are dead and cannot be cleared away, because somebody's transaction stays open, do not make claims slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_stays_open_does_not_make_claims_slow() {
    engine_servers::only_with!("postgres");
    const EVENTS: usize = 12_000;
    let server = server();
    let node = Node::start(&server.url()).await;
    register(&node).await;
    let worker = NodeId::random();
    node.engine.queue().unwrap().beat(worker, Duration::from_secs(300)).await.unwrap();
    let mut holder = client(&server.url()).await;
    let open = holder
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()
        .await
        .unwrap();
    open.query("select count(*) from sse.held", &[]).await.unwrap();
    for first in (0..EVENTS).step_by(500) {
        node.append((first..first + 500).map(|id| enqueue(id as u128)).collect()).await;
    }
    let (mut done, mut times) = (0, Vec::new());
    while done < EVENTS {
        let (count, took) = cycle(&node, worker, 16).await;
        assert_eq!(count, 16);
        done += count;
        times.push(took);
    }
    let median = |times: &[Duration]| {
        let mut times = times.to_vec();
        times.sort();
        times[times.len() / 2]
    };
    let (early, late) = (median(&times[20..120]), median(&times[times.len() - 100..]));
    assert!(late < early * 3, "{early:?} at first, {late:?} after {EVENTS}");
    drop(open);
}

/// What everybody has passed goes, after its hour; what falls off before it was taken is a dead letter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_passed_goes_and_what_falls_off_is_a_dead_letter() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    register(&node).await;
    let worker = NodeId::random();
    let queue = node.engine.queue().unwrap();
    queue.beat(worker, Duration::from_secs(300)).await.unwrap();
    node.append((0..30).map(enqueue).collect()).await;
    assert_eq!(cycle(&node, worker, 10).await.0, 10);
    assert_eq!(cycle(&node, worker, 10).await.0, 10);
    let sql = client(&server.url()).await;
    let count = async |what: &str| -> i64 { sql.query_one(what, &[]).await.unwrap().get(0) };
    // Two hours ago: passed ones go, others stay.
    let back = |micros: i64| {
        format!(
            "update sse.bus set pos = pos - {micros}; update sse.lane set pos = pos - {micros}; \
             update sse.hears set since = since - {micros}; update sse.held set pos = pos - {micros}",
        )
    };
    sql.batch_execute(&back(7_200_000_000)).await.unwrap();
    sql.query_one("select sse.prune(1000)", &[]).await.unwrap();
    assert_eq!(count("select count(*) from sse.bus").await, 10);
    assert_eq!(count("select count(*) from sse.lane").await, 1);
    // Fifteen days ago: nobody took them.
    sql.batch_execute(&back(15 * 86_400_000_000)).await.unwrap();
    for _ in 0..2 {
        sql.query_one("select sse.prune(1000)", &[]).await.unwrap();
    }
    assert_eq!(count("select count(*) from sse.bus").await, 0);
    let letters = queue.dead("mail".into(), 0, 99).await.unwrap();
    assert_eq!(letters.len(), 10);
    assert!(letters.iter().all(|letter| letter.reason == DeadReason::Expired));
    assert_eq!(&letters[9].event.body[..], b"body");
    assert_eq!(cycle(&node, worker, 10).await.0, 0);
    assert_eq!(
        queue.revive("mail".into(), sse_tower_core::backplane::Letters::Oldest(3)).await.unwrap(),
        3
    );
    assert_eq!(cycle(&node, worker, 10).await.0, 3, "a revived one has its event with it");
}
