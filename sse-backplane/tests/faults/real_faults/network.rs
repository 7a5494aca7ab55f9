//! What happens to connections.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::store::{Store, hears_again, relay, two};
use crate::oracle::{HEALED, Load, Reader, topics};

pub(crate) async fn a_feed_that_goes_silent_is_noticed_and_healed<S: Store>() {
    let store = S::start().await;
    let relay = relay(&store).await;
    let topics = topics(4);
    let reader = Reader::start(S::engine(relay.address()).await, &topics).await;
    let load = Load::start(two::<S>(store.address()).await, &topics, 100).await;
    sleep(Duration::from_millis(300)).await;
    relay.silence();
    let silent = Instant::now();
    reader.until("the feed says that it broke", HEALED, |known| known.broke >= 1).await;
    // What was on its way was heard by now, so what comes next comes by another connection.
    let broke = Instant::now();
    let left = HEALED.saturating_sub(silent.elapsed());
    reader.until("an event after the silence", left, |known| known.newest > Some(broke)).await;
    reader.has(&load.stop().await, HEALED).await;
    assert_eq!(reader.known.borrow().resets, 0);
}

pub(crate) async fn writers_whose_connections_go_silent_write_on_and_double_nothing<S: Store>() {
    let store = S::start().await;
    let relay = relay(&store).await;
    let topics = topics(4);
    let reader = Reader::start(S::engine(store.address()).await, &topics).await;
    let load = Load::start(two::<S>(relay.address()).await, &topics, 100).await;
    for _ in 0..2 {
        sleep(Duration::from_millis(300)).await;
        relay.silence();
        sleep(Duration::from_millis(50)).await;
        hears_again(&reader, Instant::now()).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert_eq!((known.resets, known.broke), (0, 0));
}

pub(crate) async fn connections_that_are_cut_within_a_frame_lose_and_double_nothing<S: Store>() {
    let store = S::start().await;
    let (reads, writes) = (relay(&store).await, relay(&store).await);
    let topics = topics(4);
    let reader = Reader::start(S::engine(reads.address()).await, &topics).await;
    let load = Load::start(two::<S>(writes.address()).await, &topics, 3_000).await;
    for round in 0..12 {
        let relay = if round % 2 == 0 { &reads } else { &writes };
        relay.cut_after(5_000 + round * 613);
        let cut = Instant::now();
        while relay.will_cut() {
            assert!(cut.elapsed() < HEALED, "round {round}: nothing came that could be cut");
            sleep(Duration::from_millis(5)).await;
        }
        hears_again(&reader, Instant::now()).await;
    }
    reader.has(&load.stop().await, HEALED).await;
    let known = reader.known.borrow();
    assert!(known.broke >= 6, "{}", known.broke);
    assert_eq!(known.resets, 0);
}
