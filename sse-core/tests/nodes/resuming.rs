//! Clients that come for the first time, go on elsewhere, and are told what they do not get.

use std::time::Duration;

use sse_tower_core::{CloseReason, History, Lag, MAX_STALL, backplane::MemoryStore};
use tokio::time::sleep;

use crate::{
    builder,
    common::{data, events, ids, read_all, read_now},
    node, nodes, none, open, read, send, settle,
};

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_at_another_node() {
    let [a, b, c] = nodes();
    let mut stream = open(&a, 7, none()).await;
    let seen = send(&c, 7, "seen").await;
    assert_eq!(read(&mut stream).await, ["seen"]);
    drop(stream);
    send(&c, 7, "missed").await;
    let mut stream = open(&b, 7, seen.into()).await;
    send(&a, 7, "new").await;
    assert_eq!(read(&mut stream).await, ["missed", "new"]);
}

#[tokio::test(start_paused = true)]
async fn one_number_resumes_several_keys_on_a_node_that_never_saw_the_client() {
    let [a, b] = nodes();
    let mut stream = a.connect_many([1, 2, 3], none()).into_stream();
    settle().await;
    send(&a, 1, "a").await;
    let seen = send(&b, 2, "b").await;
    assert_eq!(read(&mut stream).await, ["a", "b"]);
    for (key, text) in [(3, "c"), (1, "d"), (3, "e"), (2, "f")] {
        send(&a, key, text).await;
    }
    let mut resumed = b.connect_many([3, 2, 1], seen.into()).into_stream();
    settle().await;
    send(&a, 2, "g").await;
    settle().await;
    let text = read_now(&mut resumed);
    assert_eq!(data(&text), ["c", "d", "e", "f", "g"]);
    assert!(ids(&text).is_sorted(), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_first_visit_gets_the_history() {
    let store = MemoryStore::new();
    let build = || builder(&node(&store)).history(History::events(3)).build();
    let (a, b) = (build(), build());
    for n in 0..5 {
        send(&a, 7, &n.to_string()).await;
    }
    // By then the other node knows how far the store is.
    sleep(Duration::from_secs(3)).await;
    let mut stream = open(&b, 7, none()).await;
    assert_eq!(read(&mut stream).await, ["2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_with_its_count_where_the_store_still_knows() {
    let store = MemoryStore::new();
    let build = || builder(&node(&store)).history(History::events(3)).build();
    let (a, b) = (build(), build());
    let seen = send(&a, 7, "seen").await;
    for n in 0..7 {
        send(&a, 7, &n.to_string()).await;
    }
    sleep(Duration::from_secs(3)).await;
    let mut stream = open(&b, 7, seen.clone().into()).await;
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"history","missed":4}"#, "4", "5", "6"]);
    for n in 7..100 {
        send(&a, 7, &n.to_string()).await;
    }
    let c = build();
    let mut stream = open(&c, 7, seen.into()).await;
    let text = read_now(&mut stream);
    assert_eq!(data(&text), [r#"{"reason":"history","missed":null}"#, "97", "98", "99"]);
}

#[tokio::test(start_paused = true)]
async fn what_one_of_several_keys_has_lost_is_told_before_what_stands_behind_it_at_another() {
    let store = MemoryStore::new();
    let build = || builder(&node(&store)).history(History::events(2)).build();
    let (a, b) = (build(), build());
    let seen = send(&a, 1, "seen").await;
    for (key, text) in [(1, "lost"), (2, "x"), (1, "lost too"), (2, "y"), (1, "c"), (1, "d")] {
        send(&a, key, text).await;
    }
    // By then the other node knows how far the store is.
    sleep(Duration::from_secs(3)).await;
    let mut stream = b.connect_many([1, 2], seen.into()).into_stream();
    settle().await;
    let text = read_now(&mut stream);
    let gap = r#"{"reason":"history","missed":1}"#;
    assert_eq!(data(&text), [gap, "x", gap, "y", "c", "d"], "whoever leaves in between knows");
    assert!(ids(&text).is_sorted(), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_key_tells_no_gap() {
    let [a, b] = nodes();
    let seen = send(&a, 7, "seen").await;
    for n in 0..1000 {
        drop(a.send(&(n + 100), "other"));
    }
    settle().await;
    let mut stream = open(&b, 7, seen.into()).await;
    assert_eq!(events(&read_now(&mut stream)), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn slow_readers_are_told_as_without_a_backplane() {
    let store = MemoryStore::new();
    let build =
        |lag| builder(&node(&store)).history(History::none()).backlog(2, 1 << 20).lag(lag).build();
    let (a, gap, close) = (build(Lag::Gap), build(Lag::Gap), build(Lag::Close));
    let mut told = open(&gap, 7, none()).await;
    let ended = open(&close, 7, none()).await;
    for n in 0..5 {
        send(&a, 7, &n.to_string()).await;
    }
    settle().await;
    assert_eq!(data(&read_now(&mut told)), [r#"{"reason":"lagged","missed":3}"#, "3", "4"]);
    assert_eq!(data(&read_all(ended).await), [r#"{"reason":"lagged"}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_nobody_polls_is_over_as_without_a_backplane() {
    for (lag, patience) in [(Lag::Close, Duration::from_secs(2)), (Lag::Gap, MAX_STALL)] {
        let emitters = builder(&node(&MemoryStore::new()));
        let emitters = emitters.history(History::events(1)).backlog(2, 1 << 20).lag(lag).build();
        let stalled = emitters.connect(7, none());
        let mut stream = stalled.clone().into_stream();
        settle().await;
        read_now(&mut stream);
        for n in 0..5 {
            send(&emitters, 7, &n.to_string()).await;
        }
        sleep(patience + Duration::from_millis(10)).await;
        assert_eq!(emitters.len(), 0, "{lag:?}");
        assert_eq!(stalled.closed().await, CloseReason::Lagged);
        assert_eq!(data(&read_all(stream).await), [r#"{"reason":"lagged"}"#]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_rendered_on_one_node_goes_on_at_another() {
    let [a, b] = nodes();
    send(&a, 7, "in the page").await;
    let rendered = a.position();
    send(&a, 7, "after").await;
    let mut stream = open(&b, 7, rendered.into()).await;
    assert_eq!(read(&mut stream).await, ["after"]);
    // A node that only listens is never older than its probe.
    sleep(Duration::from_secs(3)).await;
    let rendered = b.position();
    let mut stream = open(&a, 7, rendered.into()).await;
    assert!(read(&mut stream).await.is_empty());
}
