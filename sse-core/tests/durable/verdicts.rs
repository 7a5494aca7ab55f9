//! While the store is told what became of events.

use std::time::Duration;

use sse_tower_core::backplane::MemoryStore;

use super::site::{Handled, Process, notes, seconds};

#[tokio::test(start_paused = true)]
async fn what_is_taken_next_does_not_wait_until_the_store_knows_what_is_done() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    here.faults.slow_settles(seconds(1));
    for order in 0..3 {
        here.publish([order]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(handled.count(), 1 + order as usize);
    }
    assert_eq!(here.stats("mail").await.running, 3);
    here.done("mail", seconds(5)).await;
    assert_eq!((handled.count(), handled.repeated()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn in_order_the_next_begins_when_the_store_knows_what_became_of_the_last() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).ordered().into()]);
    here.faults.slow_settles(seconds(1));
    here.publish(0..3).await;
    for done in 1..=3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(handled.count(), done);
        tokio::time::sleep(Duration::from_millis(510)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_takes_up_room_until_the_store_knows() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).concurrency(4).into()]);
    here.faults.slow_settles(seconds(1));
    here.publish(0..40).await;
    let mut most = 0;
    while handled.count() < 40 {
        most = most.max(here.stats("mail").await.running);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Four that run, and four that are taken ahead.
    assert_eq!(most, 8);
}
