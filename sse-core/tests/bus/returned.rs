//! Events that listeners return, and how far that may go.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::StreamExt as _;
use sse_tower_core::{
    ApplicationContext, Emitters, LastEventId, Listener, ListenerError, MAX_PUBLICATION_DEPTH,
    Publisher, RepublishedTooDeep,
};

use crate::{Billed, Journal, Paid, Shipped};

#[tokio::test]
async fn returned_events_are_published_in_turn() {
    let journal = Journal::default();
    let (a, b) = (journal.clone(), journal.clone());
    let context = ApplicationContext::bare()
        .listener(Listener::on(|paid: &Paid| {
            Ok::<_, ListenerError>((vec![Shipped, Shipped], (paid.0 > 1).then_some(Billed)))
        }))
        .listener(Listener::on_async(move |_: Arc<Shipped>| {
            let log = a.clone();
            async move { log.write("shipped") }
        }))
        .listener(Listener::on(move |_: &Billed| b.write("billed")))
        .build()
        .unwrap();
    let outcome = context.publish_event(Paid(1)).await.unwrap();
    assert_eq!(outcome.ran(), 1, "listeners of the event itself");
    assert_eq!(journal.lines(), ["shipped", "shipped"]);
    context.publish_event(Paid(2)).await.unwrap();
    assert_eq!(journal.lines()[2..], ["shipped", "shipped", "billed"], "in the order returned");
}

/// The numbers that each of two listeners hears, each after one that answers.
/// What each of some listeners heard, in order.
type Heard = Arc<Mutex<Vec<(u8, u64)>>>;

fn numbers(asynchronous: bool) -> (ApplicationContext, Heard) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let answer = |paid: u64| match paid {
        1 => vec![Paid(2), Paid(3)],
        2 => vec![Paid(4)],
        _ => Vec::new(),
    };
    let mut builder = ApplicationContext::bare();
    builder = if asynchronous {
        builder.listener(
            Listener::on_async(move |paid: Arc<Paid>| async move {
                tokio::task::yield_now().await;
                answer(paid.0)
            })
            .order(-1),
        )
    } else {
        builder.listener(Listener::on(move |paid: &Paid| answer(paid.0)).order(-1))
    };
    for who in [1, 2] {
        let heard = Arc::clone(&heard);
        builder = builder
            .listener(Listener::on(move |paid: &Paid| heard.lock().unwrap().push((who, paid.0))));
    }
    (builder.build().unwrap(), heard)
}

#[tokio::test]
async fn every_listener_hears_an_event_before_what_was_returned_for_it() {
    for asynchronous in [false, true] {
        let (context, heard) = numbers(asynchronous);
        let publication = context.publish_event(Paid(1));
        let in_the_call = heard.lock().unwrap().len();
        publication.await.unwrap();
        // Breadth first: what an answer led to comes after everything that was there before it.
        let expected: Vec<_> = [1, 2, 3, 4].into_iter().flat_map(|n| [(1, n), (2, n)]).collect();
        assert_eq!(*heard.lock().unwrap(), expected, "asynchronous: {asynchronous}");
        assert_eq!(in_the_call, if asynchronous { 0 } else { 8 });
    }
}

#[tokio::test]
async fn returned_events_are_in_order_also_where_nobody_waits() {
    let (context, heard) = numbers(true);
    context.publish_event(Paid(1)).detach();
    context.settled().await;
    let expected: Vec<_> = [1, 2, 3, 4].into_iter().flat_map(|n| [(1, n), (2, n)]).collect();
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_page_that_listens_shows_an_event_before_its_answer() {
    let pages = Emitters::<u64>::new();
    let stream = pages.connect(7, LastEventId::default()).into_stream();
    let page = pages.clone();
    let context = ApplicationContext::bare()
        .listener(Listener::on(|paid: &Paid| (paid.0 == 1).then_some(Paid(2))).order(-1))
        .listener(Listener::on(move |paid: &Paid| page.send(&7, paid.0.to_string())))
        .build()
        .unwrap();
    context.publish_event(Paid(1)).await.unwrap();
    pages.complete(&7);
    let bytes: Vec<_> = stream.collect().await;
    let text = String::from_utf8(bytes.concat()).unwrap();
    let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    assert!(data.starts_with(&["1", "2"]), "{text}");
}

#[tokio::test]
async fn first_error_publishes_nothing_more_of_what_was_returned() {
    let journal = Journal::default();
    let log = journal.clone();
    let context = ApplicationContext::bare()
        .listener(Listener::on(|_: &Paid| Shipped).order(-1))
        .listener(Listener::on(|_: &Paid| Err::<(), _>("no")))
        .listener(Listener::on(move |_: &Shipped| log.write("shipped")))
        .build()
        .unwrap();
    context.publish_event(Paid(1)).first_error().await.unwrap_err();
    assert!(journal.lines().is_empty());
    context.publish_event(Paid(1)).await.unwrap_err();
    assert_eq!(journal.lines(), ["shipped"], "but it does where every listener runs");
}

#[tokio::test]
async fn failures_of_returned_events_are_failures_of_the_publication() {
    let declared = line!() + 1;
    let ship = Listener::on(|_: &Paid| Shipped).id("ship");
    let context = ApplicationContext::bare()
        .listener(ship)
        .listener(Listener::on_async(async |_: Arc<Shipped>| Err::<(), _>("no van")).id("van"))
        .build()
        .unwrap();
    let error = context.publish_event(Paid(1)).await.unwrap_err();
    let [failure] = error.failures() else { panic!("{error:?}") };
    assert_eq!((failure.listener, failure.published_at.line()), ("van", declared));
    assert_ne!(failure.event_id, error.id());
    assert_eq!(error.ran(), 1, "`ship` itself ran");
}

#[tokio::test]
async fn endless_republication_is_bounded_and_its_cycle_named() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rounds);
    let context = ApplicationContext::bare()
        .listener(Listener::on(move |_: &Paid| {
            count.fetch_add(1, Ordering::Relaxed);
            Shipped
        }))
        .listener(Listener::on(|_: &Shipped| Paid(1)))
        .build()
        .unwrap();
    let error = context.publish_event(Paid(1)).await.unwrap_err();
    assert_eq!(rounds.load(Ordering::Relaxed), MAX_PUBLICATION_DEPTH / 2);
    let [failure] = error.failures() else { panic!("{error:?}") };
    let too_deep = failure.source.downcast_ref::<RepublishedTooDeep>().unwrap();
    assert_eq!(&*too_deep.cycle, "Paid → Shipped → Paid");
    // And the bus works on.
    context.publish_event(Billed).await.unwrap();
}

#[tokio::test]
async fn endless_republication_is_bounded_across_awaits_and_tasks() {
    let rounds = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rounds);
    let context = ApplicationContext::bare().build().unwrap();
    let publisher: Publisher<Paid> = context.publisher();
    context
        .on_async(move |_: Arc<Paid>| {
            let (publisher, count) = (publisher.clone(), Arc::clone(&count));
            async move {
                tokio::task::yield_now().await;
                // A bound of the test's own, so that it fails instead of running for ever.
                if count.fetch_add(1, Ordering::Relaxed) < 2 * MAX_PUBLICATION_DEPTH {
                    publisher.publish_event(Paid(1)).detach();
                }
            }
        })
        .forever();
    context.publish_event(Paid(1)).detach();
    context.settled().await;
    assert_eq!(rounds.load(Ordering::Relaxed), MAX_PUBLICATION_DEPTH);
}
