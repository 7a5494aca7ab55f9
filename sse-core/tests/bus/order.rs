//! Which listeners run, and in what order.

use std::sync::Arc;

use sse_tower_core::{ApplicationContext, Listener};

use crate::{Journal, Paid};

#[tokio::test]
async fn synchronous_listeners_have_run_when_the_call_returns() {
    let journal = Journal::default();
    let context = ApplicationContext::bare().build().unwrap();
    let log = journal.clone();
    context.on(move |_: &Paid| log.write("heard")).forever();
    let publication = context.publish_event(Paid(1));
    assert_eq!(journal.lines(), ["heard"]);
    let outcome = publication.await.unwrap();
    assert_eq!((outcome.ran(), outcome.skipped(), outcome.failures().len()), (1, 0, 0));
}

#[tokio::test]
async fn order_holds_across_synchronous_and_asynchronous_listeners() {
    let journal = Journal::default();
    let sync = |name: &'static str| {
        let log = journal.clone();
        Listener::on(move |_: &Paid| log.write(name))
    };
    let log = journal.clone();
    let second = Listener::on_async(move |_: Arc<Paid>| {
        let log = log.clone();
        async move {
            tokio::task::yield_now().await;
            log.write("second");
        }
    });
    let context = ApplicationContext::bare()
        .listener(sync("third").order(3))
        .listener(second.order(2).id("second"))
        .listener(sync("fourth").order(-9).after(&["second"]).id("fourth"))
        .listener(sync("first").order(1))
        .build()
        .unwrap();
    context.publish_event(Paid(1)).await.unwrap();
    // `after` is stronger than `order`, and among those that may run the lowest order comes first.
    assert_eq!(journal.lines(), ["first", "second", "fourth", "third"]);
}

#[tokio::test]
async fn ties_are_broken_by_place() {
    let journal = Journal::default();
    let (a, b) = (journal.clone(), journal.clone());
    let upper = Listener::on(move |_: &Paid| a.write("upper"));
    let lower = Listener::on(move |_: &Paid| b.write("lower"));
    let context = ApplicationContext::bare().listener(lower).listener(upper).build().unwrap();
    context.publish_event(Paid(1)).await.unwrap();
    assert_eq!(journal.lines(), ["upper", "lower"]);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_a_skip() {
    let journal = Journal::default();
    let log = journal.clone();
    let large = Listener::on(move |_: &Paid| log.write("large")).condition(|paid| paid.0 > 100);
    let context = ApplicationContext::bare().listener(large).build().unwrap();
    let outcome = context.publish_event(Paid(1)).await.unwrap();
    assert_eq!((outcome.ran(), outcome.skipped()), (0, 1));
    let outcome = context.publish_event(Paid(101)).await.unwrap();
    assert_eq!((outcome.ran(), outcome.skipped()), (1, 0));
    assert_eq!(journal.lines(), ["large"]);
}
