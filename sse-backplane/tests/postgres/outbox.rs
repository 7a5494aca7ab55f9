//! What is stored in transactions of the application.

use std::{
    future::poll_fn,
    pin::Pin,
    time::{Duration, Instant},
};

use futures_core::Stream;
use sse_tower_backplane::{
    Backplane,
    postgres::{TokioPostgres, outbox_sql},
};
use sse_tower_core::backplane::{
    Change, Claim, Claimed, Engine, Entry, EventKind, FeedItem, NodeId, OnceIn, QueuedEvent,
    Registration, Since, StoreIn,
};
use sse_tower_core::{Emitters, LastEventId};
use tokio_postgres::IsolationLevel;

use crate::support::{KEEP, Node, SOON, bodies, change, client, event, server, topic, until};

/// Stores through any driver, as what is generic over drivers does.
async fn store<D, T: StoreIn<D>>(tx: &mut T, entries: &[Entry]) {
    tx.store("sse", entries).await.unwrap();
}

fn enqueue(id: u128) -> Entry {
    let kind = EventKind { name: "order.paid".into(), version: 1 };
    let event = QueuedEvent { kind, id, head: "{\"a\":\"'\\\"}".into(), body: "body\0".into() };
    Entry { topic: topic("unused"), change: Change::Enqueue(event), keep: KEEP }
}

#[tokio::test]
async fn a_commit_delivers_and_a_rollback_leaves_nothing() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    node.follow(&["x", "y"]).await;
    let mut sql = client(&server.url()).await;
    let mut tx = sql.transaction().await.unwrap();
    store(&mut tx, &[event("x", "gone")]).await;
    tx.rollback().await.unwrap();
    let mut tx = sql.transaction().await.unwrap();
    let once = Change::Event { body: "once".into(), once: Some("k\0".into()) };
    store(&mut tx, &[event("x", "1"), change("y", once.clone()), change("y", once)]).await;
    store(&mut tx, &[]).await;
    store(
        &mut tx,
        &[
            event("x", "2"),
            change("x", Change::Claim { holder: u64::MAX }),
            change("x", Change::Complete),
        ],
    )
    .await;
    let mut inner = tx.transaction().await.unwrap();
    store(&mut inner, &[event("y", "in a savepoint that is rolled back")]).await;
    inner.rollback().await.unwrap();
    assert!(node.records().is_empty());
    tx.commit().await.unwrap();
    node.engine.outbox_filled();
    until(SOON, "five changes", || node.records().len() >= 5).await;
    assert_eq!(node.bodies(), ["1", "once", "2"]);
    assert_eq!(bodies(&node.load("x").await.records), ["1", "2"]);
    let head = node.load("x").await.head.unwrap();
    assert!(head.completed.is_some());
    assert_eq!(head.claimed.unwrap().1, u64::MAX);
}

#[tokio::test]
async fn nobody_who_rings_is_needed_and_another_node_delivers() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    node.follow(&["x"]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut sql = client(&server.url()).await;
    let mut tx = sql.transaction().await.unwrap();
    store(&mut tx, &[event("x", "1")]).await;
    tx.commit().await.unwrap();
    // As the end of the process right after the commit: nothing else is done.
    drop(sql);
    let took = until(Duration::from_secs(4), "the sweep", || !node.records().is_empty()).await;
    assert!(took < Duration::from_millis(2_500), "{took:?}");
}

/// Nobody says when that transaction is committed; the process that stored something in it knows that it soon may be.
#[tokio::test]
async fn what_is_sent_in_a_transaction_comes_soon_after_its_commit() {
    engine_servers::only_with!("postgres");
    let server = server();
    let mut shops = Vec::new();
    for namespace in ["a", "b", "c"] {
        let backplane = Backplane::builder(server.url()).namespace(namespace);
        let backplane = backplane.open().await.unwrap();
        shops.push(Emitters::<u64>::builder().backplane(&backplane, "orders").build());
    }
    let mut sql = client(&server.url()).await;
    // So long that each outbox is looked at every two seconds.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for orders in shops {
        let mut stream = orders.connect(7, LastEventId::default()).into_stream();
        let mut tx = sql.transaction().await.unwrap();
        orders.send_in(&mut tx, &7, "paid").await.unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        tx.commit().await.unwrap();
        let (committed, mut text) = (Instant::now(), String::new());
        while !text.contains("data:paid\n") {
            let next = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx));
            let bytes = tokio::time::timeout(SOON, next).await.unwrap().unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        let took = committed.elapsed();
        assert!(took < Duration::from_millis(700), "{took:?}");
    }
}

#[tokio::test]
async fn events_for_listeners_come_with_the_commit_and_ring() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    let queue = node.engine.queue().unwrap();
    let hears = vec!["order.paid".into()];
    queue
        .register(vec![Registration { listener: "mail".into(), hears, since: Since::Now }])
        .await
        .unwrap();
    let worker = NodeId::random();
    queue.beat(worker, Duration::from_secs(60)).await.unwrap();
    until(SOON, "the bell of the registration", || node.has(|item| matches!(item, FeedItem::Bell)))
        .await;
    node.heard.lock().unwrap().clear();
    let mut sql = client(&server.url()).await;
    let mut tx = sql.transaction().await.unwrap();
    store(&mut tx, &[enqueue(u128::MAX), event("x", "with it")]).await;
    tx.commit().await.unwrap();
    node.engine.outbox_filled();
    until(SOON, "the bell", || node.has(|item| matches!(item, FeedItem::Bell))).await;
    let kinds = vec![EventKind { name: "order.paid".into(), version: 1 }];
    let claim = Claim { listener: "mail".into(), kinds, count: 9, ordered: false };
    let Claimed::Deliveries(taken) = queue.claim(worker, vec![claim]).await.unwrap() else {
        panic!()
    };
    let Change::Enqueue(expected) = enqueue(u128::MAX).change else { panic!() };
    assert_eq!(taken.now[0].event, expected);
    assert_eq!(taken.now.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opposite_orders_of_keys_never_deadlock_and_a_third_rolled_back_is_not_there() {
    engine_servers::only_with!("postgres");
    const EACH: usize = 40;
    let server = server();
    let (a, b) = (Node::start(&server.url()).await, Node::start(&server.url()).await);
    a.follow(&["x", "y"]).await;
    b.follow(&["x", "y"]).await;
    client(&server.url())
        .await
        .batch_execute("create table orders (name text primary key)")
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for writer in 0..6 {
        let mut sql = client(&server.url()).await;
        let node = a.engine.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..EACH {
                let name = format!("{writer}.{round}");
                let keys = if writer % 2 == 0 { ["x", "y"] } else { ["y", "x"] };
                let mut tx = sql.transaction().await.unwrap();
                tx.execute("insert into orders values ($1)", &[&name]).await.unwrap();
                for key in keys {
                    store(&mut tx, &[event(key, name.as_str())]).await;
                    // Both have stored their first before either stores its second.
                    tokio::task::yield_now().await;
                }
                if round % 3 == 2 {
                    tx.rollback().await.unwrap();
                } else {
                    tx.commit().await.unwrap();
                    node.outbox_filled();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let sql = client(&server.url()).await;
    let rows = sql.query("select name from orders", &[]).await.unwrap();
    let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    rows.sort();
    assert_eq!(rows.len(), 6 * (EACH - EACH / 3));
    for node in [&a, &b] {
        until(SOON, "all events", || node.records().len() >= 2 * rows.len()).await;
        for key in ["x", "y"] {
            let of_key: Vec<_> =
                node.records().into_iter().filter(|record| record.topic == topic(key)).collect();
            let mut events = bodies(&of_key);
            // Each writer's own order is kept.
            for writer in 0..6 {
                let own = events.iter().filter_map(|name| name.strip_prefix(&format!("{writer}.")));
                assert!(own.map(|round| round.parse::<usize>().unwrap()).is_sorted());
            }
            events.sort();
            assert_eq!(events, rows);
        }
    }
    assert_eq!(a.records(), b.records());
}

#[tokio::test]
async fn a_transaction_that_stays_open_holds_up_nobody() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    node.follow(&["x"]).await;
    // One that reads, one that has written, and one that has stored here and does not end.
    let (mut reader, mut writer, mut late) =
        (client(&server.url()).await, client(&server.url()).await, client(&server.url()).await);
    let reading = reader
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()
        .await
        .unwrap();
    reading.query("select count(*) from pg_class", &[]).await.unwrap();
    let writing = writer.transaction().await.unwrap();
    writing.batch_execute("create table unrelated (n int)").await.unwrap();
    let mut storing = late.transaction().await.unwrap();
    store(&mut storing, &[event("x", "late")]).await;
    let mut sql = client(&server.url()).await;
    for round in 0..50 {
        let mut tx = sql.transaction().await.unwrap();
        store(&mut tx, &[event("x", round.to_string())]).await;
        tx.commit().await.unwrap();
        node.engine.outbox_filled();
        let begun = Instant::now();
        until(SOON, "the event", || node.records().len() > round).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "round {round}: {:?}", begun.elapsed());
    }
    storing.commit().await.unwrap();
    until(SOON, "what was committed late", || node.records().len() == 51).await;
    assert_eq!(node.bodies()[50], "late");
    drop((reading, writing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_happens_once_in_its_database() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    let mut sql = client(&server.url()).await;
    let once = async |tx: &mut tokio_postgres::Transaction<'_>, id| {
        tx.once("sse", "mail", id).await.unwrap()
    };
    let mut tx = sql.transaction().await.unwrap();
    assert!(once(&mut tx, 1).await);
    assert!(!once(&mut tx, 1).await);
    assert!(tx.once("sse", "log", 1).await.unwrap());
    tx.rollback().await.unwrap();
    let mut tx = sql.transaction().await.unwrap();
    assert!(once(&mut tx, 1).await, "what was rolled back was not done");
    // A second attempt at the same time waits for the first one's end.
    let url = server.url();
    let second = tokio::spawn(async move {
        let mut sql = client(&url).await;
        let mut tx = sql.transaction().await.unwrap();
        tx.once("sse", "mail", 1).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    tx.commit().await.unwrap();
    assert!(!second.await.unwrap());
    node.engine.close().await.unwrap();
}

#[tokio::test]
async fn a_role_that_may_only_insert_can_store() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    node.follow(&["x"]).await;
    let owner = client(&server.url()).await;
    owner
        .batch_execute(
            "create role shop login; grant usage on schema sse to shop; grant insert on sse.outbox, sse.inbox to shop; \
             grant select on sse.inbox to shop; create role stranger login",
        )
        .await
        .unwrap();
    let mut sql = client(&server.url().replace("postgres@", "shop@")).await;
    let mut tx = sql.transaction().await.unwrap();
    store::<TokioPostgres, _>(&mut tx, &[event("x", "1"), enqueue(1)]).await;
    assert!(tx.once("sse", "mail", 1).await.unwrap());
    tx.commit().await.unwrap();
    until(SOON, "the event", || !node.records().is_empty()).await;
    let mut sql = client(&server.url().replace("postgres@", "stranger@")).await;
    let mut tx = sql.transaction().await.unwrap();
    let error = tx.store("sse", &[event("x", "2")]).await.unwrap_err();
    assert!(error.to_string().contains("grant usage"), "{error:?}");
    tx.rollback().await.unwrap();
    let mut tx = sql.transaction().await.unwrap();
    let error = tx.store("nowhere", &[event("x", "2")]).await.unwrap_err();
    assert!(error.to_string().contains("open the backplane there"), "{error:?}");
}

/// Any other driver: one text and one parameter, here by the simple protocol, in which everything is text.
#[tokio::test]
async fn any_driver_can_store() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    node.follow(&["x"]).await;
    let sql = outbox_sql("sse", &[event("x", "it's"), event("x", "\0\u{1f600}\"")]).unwrap();
    let statement = sql.text.replace("$1", &format!("'{}'", sql.parameter));
    let other = client(&server.url()).await;
    other.simple_query(&format!("begin; {statement}; commit")).await.unwrap();
    until(SOON, "both", || node.records().len() == 2).await;
    assert_eq!(node.bodies(), ["it's", "\0\u{1f600}\""]);
}

#[cfg(feature = "sqlx")]
#[tokio::test]
async fn a_transaction_of_sqlx_stores_and_does_things_once() {
    engine_servers::only_with!("postgres");
    use sqlx::{Acquire, ConnectOptions, postgres::PgConnectOptions};

    let server = server();
    let node = Node::start(&server.url()).await;
    node.follow(&["x"]).await;
    let options: PgConnectOptions = server.url().parse().unwrap();
    let mut sql = options.connect().await.unwrap();
    let mut tx = sql.begin().await.unwrap();
    store(&mut tx, &[event("x", "gone")]).await;
    assert!(tx.once("sse", "mail", 7).await.unwrap());
    tx.rollback().await.unwrap();
    let mut tx = sql.begin().await.unwrap();
    store(&mut tx, &[event("x", "1"), event("x", "2")]).await;
    assert!(tx.once("sse", "mail", 7).await.unwrap());
    assert!(!tx.once("sse", "mail", 7).await.unwrap());
    let error = tx.store("nowhere", &[event("x", "3")]).await.unwrap_err();
    assert!(error.to_string().contains("open the backplane there"), "{error:?}");
    tx.rollback().await.unwrap();
    let mut tx = sql.begin().await.unwrap();
    store(&mut tx, &[event("x", "1"), event("x", "2")]).await;
    tx.commit().await.unwrap();
    until(SOON, "both", || node.records().len() == 2).await;
    assert_eq!(node.bodies(), ["1", "2"]);
}
