//! Connections whose logs are not complete yet, and keys that nobody is at.

use std::time::Duration;

use sse_tower_core::{
    EventId, History,
    backplane::{Epoch, MAX_WAIT, MemoryStore, Node},
};
use tokio::time::{Instant, sleep};

use crate::{
    builder,
    common::{data, events, ids, read_all, read_now},
    emitters, engine_and_emitters, next_event, node, nodes, none, open, read, send, settle,
};

#[tokio::test(start_paused = true)]
async fn who_looks_sees_this_node() {
    let [a, b] = nodes();
    let waiting = a.connect(7, none());
    assert!(a.contains(&7) && a.len() == 1 && a.keys() == [7], "one that waits counts");
    assert!(!b.contains(&7) && b.is_empty());
    settle().await;
    assert_eq!(a.len(), 1);
    drop(waiting);
    assert!(a.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_handles_are_gone_while_it_waits_goes_on() {
    let store = MemoryStore::new();
    let (faults, slow) = engine_and_emitters(&store);
    faults.slow_loads(Duration::from_millis(300));
    let (a, b) = (emitters(&node(&store)), emitters(&slow));
    let emitter = b.connect(7, none());
    let mut stream = emitter.into_stream();
    assert_eq!(read(&mut stream).await, Vec::<String>::new());
    send(&a, 7, "x").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(read(&mut stream).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_while_a_connection_waits_is_not_lost_without_a_history() {
    let store = MemoryStore::new();
    let (faults, slow) = engine_and_emitters(&store);
    faults.slow_loads(Duration::from_millis(300));
    let build = |node: &Node| builder(node).history(History::none()).build();
    let (a, b) = (build(&node(&store)), build(&slow));
    send(&a, 7, "before").await;
    sleep(Duration::from_secs(3)).await;
    let mut stream = b.connect(7, none()).into_stream();
    send(&a, 7, "before it follows").await;
    sleep(Duration::from_millis(100)).await;
    send(&a, 7, "while it loads").await;
    sleep(Duration::from_secs(1)).await;
    send(&a, 7, "live").await;
    assert_eq!(read(&mut stream).await, ["before it follows", "while it loads", "live"]);
}

#[tokio::test(start_paused = true)]
async fn a_first_visit_is_told_what_the_store_dropped_while_it_waited_and_not_what_was_dropped_before()
 {
    const MANY: usize = 40;
    let store = MemoryStore::new();
    let (faults, late) = engine_and_emitters(&store);
    let build = |node: &Node| builder(node).history(History::events(2)).build();
    let (a, b) = (build(&node(&store)), build(&late));
    for key in [7, 8] {
        for n in 0..MANY {
            send(&a, key, &format!("before {n}")).await;
        }
    }
    sleep(Duration::from_secs(3)).await;
    faults.away();
    let [mut busy, mut quiet] = [7, 8].map(|key| b.connect(key, none()).into_stream());
    for n in 0..MANY {
        send(&a, 7, &format!("while it waits {n}")).await;
    }
    faults.back();
    sleep(Duration::from_secs(2)).await;
    let text = read_now(&mut busy);
    assert_eq!(events(&text).first().map(String::as_str), Some("stream-gap"), "{text}");
    assert_eq!(data(&text).last().unwrap(), "while it waits 39");
    let text = read_now(&mut quiet);
    assert_eq!(
        (events(&text), data(&text)),
        (vec![], vec!["before 38".into(), "before 39".into()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_ahead_of_its_node_waits_and_is_not_reset() {
    let store = MemoryStore::new();
    let (faults, late) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&late));
    let keep = open(&b, 7, none()).await;
    faults.hold_feed();
    send(&a, 7, "seen elsewhere").await;
    let seen = send(&a, 7, "seen too").await;
    let mut stream = open(&b, 7, seen.into()).await;
    send(&a, 7, "new").await;
    assert!(read(&mut stream).await.is_empty());
    faults.release_feed();
    assert_eq!(read(&mut stream).await, ["new"]);
    drop(keep);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_the_store_has_not_reached_is_a_reset() {
    let [a, b] = nodes();
    let seen = send(&a, 7, "x").await;
    let (epoch, position) = seen.as_str().rsplit_once('.').unwrap();
    let ahead = format!("{epoch}.{}", position.parse::<u64>().unwrap() + 1_000_000);
    let mut stream = open(&b, 7, EventId::try_from(ahead).unwrap().into()).await;
    assert_eq!(events(&read_now(&mut stream)), ["stream-reset"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_the_store_begins_a_new_life_has_seen_nothing_of_it() {
    let store = MemoryStore::new();
    let (faults, slow) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&slow));
    let seen = send(&a, 7, "old").await;
    sleep(Duration::from_secs(3)).await;
    faults.slow_loads(Duration::from_millis(300));
    let mut stream = b.connect(7, seen.into()).into_stream();
    assert_eq!(read_now(&mut stream), ":\n", "it has begun, and knows what its client holds");
    store.faults().new_epoch(Epoch::new(77));
    sleep(Duration::from_secs(5)).await;
    let text = read_now(&mut stream);
    assert_eq!(
        (events(&text), ids(&text)),
        (vec!["stream-reset".to_owned()], vec!["1.4d.0".to_owned()])
    );
    send(&a, 7, "new").await;
    assert_eq!(read(&mut stream).await, ["new"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_had_is_refused_politely_after_five_seconds() {
    let store = MemoryStore::new();
    let (faults, cut) = engine_and_emitters(&store);
    let b = emitters(&cut);
    settle().await;
    faults.away();
    let began = Instant::now();
    let text = read_all(b.connect(7, none()).into_stream()).await;
    assert_eq!(began.elapsed(), MAX_WAIT);
    assert!(text.contains("retry:") && text.contains(r#"{"reason":"refused"}"#), "{text}");
    assert!(b.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_is_followed_for_a_while_after_its_last_connection_left() {
    let store = MemoryStore::new();
    let (faults, watched) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&watched));
    let stream = open(&b, 7, none()).await;
    let seen = send(&a, 7, "seen").await;
    drop(stream);
    send(&a, 7, "missed").await;
    sleep(Duration::from_secs(20)).await;
    // Nothing has to be loaded.
    faults.fail_loads(1000);
    let mut stream = open(&b, 7, seen.clone().into()).await;
    assert_eq!(read(&mut stream).await, ["missed"]);
    drop(stream);
    faults.fail_loads(0);
    sleep(Duration::from_secs(61)).await;
    send(&a, 7, "much later").await;
    let mut stream = open(&b, 7, seen.into()).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(read(&mut stream).await, ["missed", "much later"]);
}

#[tokio::test(start_paused = true)]
async fn two_thousand_keys_are_loaded_in_a_few_round_trips() {
    let store = MemoryStore::new();
    let (faults, slow) = engine_and_emitters(&store);
    faults.slow_loads(Duration::from_millis(100));
    let (a, b) = (emitters(&node(&store)), emitters(&slow));
    settle().await;
    sleep(Duration::from_secs(1)).await;
    for key in 0..2000 {
        drop(a.send(&key, "x"));
    }
    let began = Instant::now();
    let mut streams: Vec<_> = (0..2000).map(|key| b.connect(key, none()).into_stream()).collect();
    for stream in &mut streams {
        assert_eq!(data(&next_event(stream).await), ["x"]);
    }
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}
