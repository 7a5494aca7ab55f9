//! A store that is away, that lost its past, and feeds that lose something.

use std::time::Duration;

use sse_tower_core::backplane::{Epoch, Health, MemoryStore, memory::Mend};
use tokio::time::sleep;

use crate::{
    common::{data, events, ids, read_now},
    emitters, engine_and_emitters, node, none, open, read, send, settle,
};

#[tokio::test(start_paused = true)]
async fn streams_stay_while_the_engine_is_away_and_get_what_was_stored_meanwhile() {
    let store = MemoryStore::new();
    let (faults, cut) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&cut));
    let mut stream = open(&b, 7, none()).await;
    let health = cut.health();
    faults.away();
    send(&a, 7, "meanwhile").await;
    let waits = b.send(&7, "from the node that is cut off");
    settle().await;
    assert!(matches!(*health.borrow(), Health::Degraded { .. }));
    sleep(Duration::from_secs(3)).await;
    assert!(read(&mut stream).await.is_empty());
    faults.back();
    assert!(waits.await.is_ok());
    assert_eq!(read(&mut stream).await, ["meanwhile", "from the node that is cut off"]);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(*health.borrow(), Health::Up);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_its_past_is_told_to_every_connection_then_it_is_live() {
    let store = MemoryStore::new();
    let [a, b] = [(); 2].map(|()| emitters(&node(&store)));
    let mut one = open(&a, 7, none()).await;
    let mut both = b.connect_many([7, 8], none()).into_stream();
    settle().await;
    let seen = send(&a, 7, "old").await;
    assert_eq!((read(&mut one).await.len(), read(&mut both).await.len()), (1, 1));
    store.faults().new_epoch(Epoch::new(77));
    let new = send(&b, 7, "new").await;
    for stream in [&mut one, &mut both] {
        settle().await;
        let text = read_now(stream);
        assert_eq!(events(&text), ["stream-reset"], "{text}");
        assert_eq!(data(&text), [r#"{"reason":"epoch"}"#, "new"]);
        assert_eq!(ids(&text), ["1.4d.0".to_owned(), new.to_string()], "it has seen nothing of it");
    }
    let mut back = open(&a, 7, seen.into()).await;
    assert_eq!(events(&read_now(&mut back)), ["stream-reset"]);
    let mut back = open(&a, 7, new.into()).await;
    send(&a, 7, "newer").await;
    assert_eq!(read(&mut back).await, ["newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_last_message_that_the_feed_lost_is_noticed() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let mut stream = open(&b, 7, none()).await;
    faults.lose(1);
    send(&a, 7, "the last").await;
    assert!(read(&mut stream).await.is_empty());
    sleep(Duration::from_secs(13)).await;
    assert_eq!(read(&mut stream).await, ["the last"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_feed_lost_of_one_key_does_not_come_behind_a_later_event_of_another() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let mut both = b.connect_many([1, 2], none()).into_stream();
    let mut one = open(&b, 1, none()).await;
    faults.lose(1);
    send(&a, 1, "lost").await;
    let last = send(&a, 2, "later").await;
    assert_eq!(read(&mut both).await, ["later"]);
    sleep(Duration::from_secs(13)).await;
    let text = read_now(&mut both);
    assert_eq!(data(&text), [r#"{"reason":"history","missed":1}"#]);
    assert_eq!(ids(&text), [last.to_string()], "it does not come back for what it has");
    assert_eq!(read(&mut one).await, ["lost"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_from_before_what_a_node_never_heard_is_told() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let mut stream = open(&b, 7, none()).await;
    let seen = send(&a, 7, "seen").await;
    faults.lose(1);
    send(&a, 7, "lost").await;
    // It is found by this, too late for the place of the other one.
    a.send_all("to all").await.unwrap();
    assert_eq!(read(&mut stream).await, ["seen", "to all"]);
    sleep(Duration::from_secs(13)).await;
    let gap = r#"{"reason":"history","missed":null}"#;
    assert_eq!(read(&mut stream).await, [gap]);
    let mut back = open(&b, 7, seen.into()).await;
    assert_eq!(read(&mut back).await, [gap, "to all"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_had_lost_does_not_come_once_more_to_who_has_it_from_another() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let other = open(&b, 7, none()).await;
    faults.lose(1);
    let seen = send(&a, 7, "lost").await;
    // Its key is followed there, and what stands here is known.
    sleep(Duration::from_secs(3)).await;
    let mut back = open(&b, 7, seen.into()).await;
    send(&a, 7, "next").await;
    assert_eq!(read(&mut back).await, ["next"]);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_seen_by_what_comes_after_it() {
    let store = MemoryStore::new();
    let (faults, shaky) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&shaky));
    let mut stream = open(&b, 7, none()).await;
    faults.lose(1);
    send(&a, 7, "lost").await;
    send(&a, 7, "next").await;
    assert_eq!(read(&mut stream).await, ["lost", "next"]);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_hears_nothing_any_more_is_replaced_within_six_seconds() {
    let store = MemoryStore::new();
    let (faults, deaf) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&deaf));
    let mut stream = open(&b, 7, none()).await;
    faults.deafen();
    send(&a, 7, "x").await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(read(&mut stream).await, ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_feed_loses_nothing() {
    let store = MemoryStore::new();
    let (faults, broken) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&broken));
    let mut one = open(&b, 1, none()).await;
    let mut both = b.connect_many([1, 2], none()).into_stream();
    settle().await;
    send(&a, 1, "a").await;
    faults.break_feed();
    send(&a, 2, "b").await;
    send(&a, 1, "c").await;
    a.send_all("d").await.unwrap();
    send(&a, 2, "e").await;
    settle().await;
    faults.mend(Mend::default());
    send(&a, 1, "f").await;
    assert_eq!(read(&mut one).await, ["a", "c", "d", "f"]);
    settle().await;
    let text = read_now(&mut both);
    assert_eq!(data(&text), ["a", "b", "c", "d", "e", "f"]);
    assert!(ids(&text).is_sorted());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_forgotten_while_the_feed_was_broken_is_forgotten() {
    let store = MemoryStore::new();
    let (faults, broken) = engine_and_emitters(&store);
    let (a, b) = (emitters(&node(&store)), emitters(&broken));
    let keep = open(&b, 7, none()).await;
    send(&a, 7, "old").await;
    settle().await;
    faults.break_feed();
    a.forget(&7);
    settle().await;
    faults.mend(Mend::default());
    settle().await;
    let mut stream = open(&b, 7, none()).await;
    assert!(read(&mut stream).await.is_empty());
    drop(keep);
}
