//! Append, load, feed.

use std::time::Duration;

use sse_tower_core::backplane::{
    Answer, Change, Engine, EngineErrorKind, FeedItem, Keep, MAX_RECORD_BYTES, Position, Want,
};
use tokio_postgres::types::Type;

use crate::support::{Node, SOON, bodies, change, client, event, position, server, topic, until};

#[tokio::test]
async fn what_one_node_stores_another_is_fed_in_order() {
    engine_servers::only_with!("postgres");
    let server = server();
    let (a, b) = (Node::start(&server.url()).await, Node::start(&server.url()).await);
    assert_eq!(a.first.epoch, b.first.epoch);
    b.follow(&["x", "y"]).await;
    let mut stored = Vec::new();
    for round in 0..10 {
        let entries =
            vec![event("x", format!("x{round}")), event("z", "z"), event("y", format!("y{round}"))];
        stored.extend(a.append(entries).await);
    }
    let positions: Vec<Position> = stored.iter().map(position).collect();
    assert!(positions.is_sorted_by(|a, b| a < b));
    until(SOON, "20 records", || b.records().len() == 20).await;
    let expected: Vec<String> = (0..10).flat_map(|n| [format!("x{n}"), format!("y{n}")]).collect();
    assert_eq!(b.bodies(), expected);
    let loaded = b.load("x").await;
    assert_eq!(loaded.epoch, a.first.epoch);
    assert_eq!(loaded.head.unwrap().newest, positions[27]);
    assert_eq!(bodies(&loaded.records), (0..10).map(|n| format!("x{n}")).collect::<Vec<_>>());
    let previous: Vec<Position> = loaded.records.iter().map(|record| record.previous).collect();
    let own: Vec<Position> = loaded.records.iter().map(|record| record.position).collect();
    assert_eq!(previous, [&[Position::ZERO], &own[..9]].concat());
    assert_eq!(
        loaded.records,
        b.records().into_iter().filter(|r| r.topic == topic("x")).collect::<Vec<_>>()
    );
    assert!(a.records().is_empty());
    a.engine.close().await.unwrap();
    let error = a.engine.append(a.batch(vec![event("x", "late")])).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Closed);
}

#[tokio::test]
async fn a_batch_is_stored_once_and_answered_as_the_first_time() {
    engine_servers::only_with!("postgres");
    let mut server = server();
    let node = Node::start(&server.url()).await;
    let once =
        |key: &str| change("x", Change::Event { body: "once".into(), once: Some(key.into()) });
    let first = node.batch(vec![
        event("x", "1"),
        once("k"),
        once("k"),
        change("y", Change::Complete),
        event("y", "2"),
    ]);
    let answers = node.engine.append(first.clone()).await.unwrap();
    assert_eq!(answers[2], Answer::Repeated(position(&answers[1])));
    assert_eq!(answers[4], Answer::Closed);
    assert_eq!(node.engine.append(first.clone()).await.unwrap(), answers);
    server.restart().unwrap();
    let mut again = node.engine.append(first.clone()).await;
    while again.is_err() {
        again = node.engine.append(first.clone()).await;
    }
    assert_eq!(again.unwrap(), answers);
    assert_eq!(node.load("x").await.records.len(), 2);
    node.append(vec![event("x", "3")]).await;
    let late = node.engine.append(first).await.unwrap_err();
    assert_eq!(late.kind(), EngineErrorKind::Superseded);
}

#[tokio::test]
async fn heads_say_what_happened_to_a_topic() {
    engine_servers::only_with!("postgres");
    let server = server();
    let (a, b) = (Node::start(&server.url()).await, Node::start(&server.url()).await);
    b.follow(&["x"]).await;
    let claim = |holder| change("x", Change::Claim { holder });
    let answers = a
        .append(vec![
            event("x", "1"),
            claim(u64::MAX),
            claim(7),
            change("x", Change::Disconnect),
            change("x", Change::Complete),
            change("x", Change::Complete),
            event("x", "no"),
        ])
        .await;
    let at: Vec<Position> = answers[..5].iter().map(position).collect();
    assert_eq!(answers[5..], [Answer::Closed, Answer::Closed]);
    let head = a.load("x").await.head.unwrap();
    assert_eq!((head.last, head.newest), (at[4], at[0]));
    assert_eq!(head.claimed, Some((at[2], 7)));
    assert_eq!((head.disconnected, head.completed), (at[3], Some(at[4])));
    let more = a.append(vec![change("x", Change::Forget), event("x", "2")]).await;
    let loaded = a.load("x").await;
    assert_eq!(bodies(&loaded.records), ["2"]);
    assert_eq!(loaded.records[0].previous, at[0]);
    assert_eq!(loaded.head.unwrap().completed, None);
    assert_eq!(loaded.head.unwrap().last, position(&more[1]));
    until(SOON, "all changes", || b.records().len() == 7).await;
    let changes: Vec<Change> = b.records().into_iter().map(|record| record.change).collect();
    assert_eq!(changes[1], Change::Claim { holder: u64::MAX });
    assert_eq!(changes[5], Change::Forget);
}

#[tokio::test]
async fn a_mark_comes_after_what_it_covers() {
    engine_servers::only_with!("postgres");
    let server = server();
    let (a, b) = (Node::start(&server.url()).await, Node::start(&server.url()).await);
    b.follow(&["x"]).await;
    for round in 0..20 {
        let stored = position(&a.append(vec![event("x", round.to_string())]).await[0]);
        let mark = b.engine.mark().await.unwrap();
        assert!(mark.position >= stored);
        let heard = b.heard.lock().unwrap();
        let marked = heard
            .iter()
            .position(|item| matches!(item, FeedItem::Mark(m) if m.position >= stored))
            .unwrap();
        let record = heard.iter().position(|item| {
            matches!(item, FeedItem::Records { records, .. } if records.iter().any(|r| r.position == stored))
        });
        assert!(record.unwrap() < marked);
    }
}

#[tokio::test]
async fn a_load_is_bounded_by_events_bytes_and_position() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    let stored =
        node.append((0..10).map(|n| event("x", format!("{n}{}", "b".repeat(99)))).collect()).await;
    let want = |after, events, bytes| Want { topic: topic("x"), after, events, bytes };
    let wants = vec![
        want(Position::ZERO, 3, usize::MAX),
        want(Position::ZERO, usize::MAX, 450),
        want(position(&stored[7]), usize::MAX, usize::MAX),
        want(Position::ZERO, 5, 1),
        Want { topic: topic("unknown"), ..want(Position::ZERO, 5, 5) },
    ];
    let loaded = node.engine.load(wants).await.unwrap();
    let sizes: Vec<usize> = loaded.iter().map(|one| one.records.len()).collect();
    assert_eq!(sizes, [3, 4, 2, 1, 0]);
    assert!(loaded[..4].iter().all(|one| one.head.unwrap().newest == position(&stored[9])));
    assert_eq!(loaded[4].head, None);
}

#[tokio::test]
async fn any_name_is_a_topic_of_its_own() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    let long = "ä".repeat(512);
    let names = [
        "*",
        ">",
        "a.b",
        "a b",
        "a:b",
        "%",
        "_",
        "'; drop table x; --",
        "\0",
        "a\0b",
        "A",
        "a",
        &long,
    ];
    node.follow(&names).await;
    node.append(names.iter().map(|name| event(name, *name)).collect()).await;
    for name in names {
        assert_eq!(bodies(&node.load(name).await.records), [name]);
    }
    until(SOON, "all of them", || node.records().len() == names.len()).await;
    assert!(
        node.records()
            .iter()
            .all(|record| record.topic.as_str() == bodies(std::slice::from_ref(record))[0])
    );
}

#[tokio::test]
async fn a_body_has_at_most_its_limit() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    node.append(vec![event("x", "b".repeat(MAX_RECORD_BYTES))]).await;
    let over = node.batch(vec![event("x", "b".repeat(MAX_RECORD_BYTES + 1))]);
    let error = node.engine.append(over).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Refused);
    assert_eq!(
        node.load("x").await.records[0].change,
        Change::Event { body: "b".repeat(MAX_RECORD_BYTES).into(), once: None }
    );
}

#[tokio::test]
async fn ten_thousand_topics_come_over_one_connection() {
    engine_servers::only_with!("postgres");
    let server = server();
    let (a, b) = (Node::start(&server.url()).await, Node::start(&server.url()).await);
    let names: Vec<String> = (0..10_000).map(|n| format!("key {n}")).collect();
    b.engine.follow(names.iter().map(|name| topic(name)).collect()).await.unwrap();
    for names in names.chunks(500) {
        a.append(names.iter().map(|name| event(name, name.as_str())).collect()).await;
    }
    until(SOON, "10,000 records", || b.records().len() == 10_000).await;
    assert_eq!(b.bodies(), names);
    let wants = names.iter().map(|name| Want {
        topic: topic(name),
        after: Position::ZERO,
        events: 1,
        bytes: 1,
    });
    let loaded = b.engine.load(wants.collect()).await.unwrap();
    assert!(loaded.iter().zip(&names).all(|(one, name)| bodies(&one.records) == [name.as_str()]));
}

#[tokio::test]
async fn retention_leaves_what_is_kept_and_what_was_not_yet_read() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    let keep = Keep { events: 5, bytes: 1_000, age: Duration::from_secs(60) };
    let mut entries: Vec<_> = (0..100).map(|n| event("few", n.to_string())).collect();
    entries.extend((0..20).map(|_| event("small", "b".repeat(300))));
    entries.extend((0..3).map(|n| event("old", n.to_string())));
    let once = Change::Event { body: "once".into(), once: Some("k".into()) };
    entries.push(change("old", once.clone()));
    entries.iter_mut().for_each(|entry| entry.keep = keep);
    let stored = node.append(entries).await;
    // As if all of that had been long ago; `old` more than its age.
    let sql = client(&server.url()).await;
    let back = "set session_replication_role = replica; \
                update sse.log set pos = pos - 30000000, prev = prev - 30000000 where prev > 0; \
                update sse.log set pos = pos - 30000000 where prev = 0; \
                update sse.log set pos = pos - 60000000 where topic = (select id from sse.topic where name = 'old'); \
                update sse.once set pos = pos - 90000000; \
                update sse.batch set pos = pos - 30000000;";
    sql.batch_execute(back).await.unwrap();
    let count = async |name: &str| node.load(name).await.records.len();
    let begun = std::time::Instant::now();
    while count("few").await > 21 || count("small").await > 5 || count("old").await > 0 {
        assert!(begun.elapsed() < SOON, "it goes in the background");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bodies(&node.load("few").await.records)[16..], ["95", "96", "97", "98", "99"]);
    assert!(count("small").await >= 3);
    let head = node.load("old").await.head.unwrap();
    assert_eq!(head.newest.get(), position(stored.last().unwrap()).get() - 90_000_000);
    let again = node.append(vec![change("old", once), event("old", "new")]).await;
    assert_eq!(again[0], Answer::Repeated(head.newest));
    assert_eq!(node.load("old").await.records[0].previous, head.newest);
    // What is new stays at first, whatever is asked for.
    let none = Keep { events: 0, bytes: 0, age: Duration::ZERO };
    let mut entry = event("none", "1");
    entry.keep = none;
    node.append(vec![entry]).await;
    sql.query_one("select sse.trim(100)", &[]).await.unwrap();
    assert_eq!(count("none").await, 1);
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    engine_servers::only_with!("postgres");
    let server = server();
    let (a, b) =
        (Node::start_in(&server.url(), "shop").await, Node::start_in(&server.url(), "sse").await);
    assert_ne!(a.first.epoch, b.first.epoch);
    b.follow(&["x"]).await;
    a.append(vec![event("x", "1")]).await;
    assert_eq!(b.load("x").await.head, None);
    b.append(vec![event("x", "2")]).await;
    until(SOON, "its own", || !b.records().is_empty()).await;
    assert_eq!(b.bodies(), ["2"]);
    assert_eq!(bodies(&a.load("x").await.records), ["1"]);
}

#[tokio::test]
async fn a_read_of_the_log_looks_at_no_topic_but_those_of_its_records() {
    engine_servers::only_with!("postgres");
    let server = server();
    let node = Node::start(&server.url()).await;
    for part in 0..4 {
        let topics = (0..500).map(|n| event(&format!("topic {}", part * 500 + n), "x"));
        node.append(topics.collect()).await;
    }
    let mut sql = client(&server.url()).await;
    sql.batch_execute("analyze sse.topic, sse.log").await.unwrap();
    // As on the connection of a feed.
    sql.batch_execute(
        "set enable_seqscan = off; set jit = off; set plan_cache_mode = force_generic_plan",
    )
    .await
    .unwrap();
    let newest = sql.query_one("select max(pos) from sse.batch", &[]).await.unwrap();
    let after = newest.get::<_, i64>(0) - 3;
    let types = [Type::INT8, Type::BYTEA, Type::INT4, Type::INT8];
    let read = include_str!("../../src/postgres/feed.sql");
    let read = sql.prepare_typed(read, &types).await.unwrap();
    let tx = sql.transaction().await.unwrap();
    let all = vec![0xff_u8; 1024];
    let found = tx.query(&read, &[&after, &all, &1_000_i32, &4_194_304_i64]).await.unwrap();
    let records = i64::try_from(found.len()).unwrap();
    assert_eq!(records, 3);
    let looked = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables \
                  where schemaname = 'sse' and relname = 'topic'";
    let looked: i64 = tx.query_one(looked, &[]).await.unwrap().get(0);
    assert!(looked <= records, "{looked} topics were looked at");
}
