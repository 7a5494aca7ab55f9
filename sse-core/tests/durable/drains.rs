//! Leaving while there is work.

use std::time::Duration;

use sse_tower_core::{Drain, backplane::MemoryStore};
use tokio::time::Instant;

use super::site::{HOUR, Handled, Process, eventually, notes, seconds};

#[tokio::test(start_paused = true)]
async fn what_runs_ends_what_has_not_begun_goes_back_and_nothing_is_counted() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let listener = || notes(&handled, seconds(3)).concurrency(4);
    let here = Process::start(&store, vec![listener().into()]);
    here.publish(0..40).await;
    eventually(seconds(5), "it runs", async || here.stats("mail").await.running > 0).await;
    here.context.drain().with(Drain::new().deadline(seconds(30))).await;
    let stats = here.stats("mail").await;
    assert_eq!(stats.running, 0, "{stats:?}");
    let before = handled.count();
    assert!((4..40).contains(&before), "{before}");
    let there = Process::start(&store, vec![listener().into()]);
    there.done("mail", seconds(120)).await;
    assert_eq!((handled.count(), handled.repeated()), (40, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_what_still_runs_is_cut_and_goes_on_elsewhere_at_once() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, seconds(25)).into()]);
    here.publish(0..3).await;
    tokio::time::sleep(seconds(1)).await;
    let there = Process::start(&store, vec![notes(&handled, seconds(25)).into()]);
    here.context.drain().with(Drain::new().deadline(seconds(5))).await;
    let left = Instant::now();
    eventually(seconds(5), "another has them", async || there.stats("mail").await.running == 3)
        .await;
    assert!(left.elapsed() < seconds(3), "{:?}", left.elapsed());
    there.done("mail", seconds(60)).await;
    assert_eq!((handled.count(), handled.repeated()), (3, 0));
    let letters = there.context.dead_letters("mail").await.unwrap();
    assert!(letters.is_empty(), "{letters:?}");
}

#[tokio::test(start_paused = true)]
async fn a_context_that_is_dropped_leaves_at_once() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let there = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    let here = Process::start(&store, vec![notes(&handled, seconds(20)).concurrency(1).into()]);
    drop(here);
    there.publish(0..20).await;
    there.done("mail", seconds(5)).await;
    assert_eq!(handled.count(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_not_done_again_where_its_context_goes_right_after() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let there = Process::start(&store, vec![]);
    let here = Process::start(&store, vec![notes(&handled, Duration::from_millis(5)).into()]);
    here.faults.slow_settles(Duration::from_millis(50));
    here.publish([1]).await;
    while handled.count() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // It is on its way.
    assert_eq!(there.stats("mail").await.running, 1);
    drop(here);
    let again = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    tokio::time::sleep(HOUR).await;
    assert_eq!(handled.lock()[&1], 1);
    assert_eq!(again.stats("mail").await.running, 0);
}
