//! What a publication does, and what it says of it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, Emitters, EventType, LastEventId, Listener,
    ListenerError, ListenerPanicked, ListenerTimedOut, MAX_PUBLICATION_DEPTH, Publisher,
    RepublishedTooDeep, SseEvent,
};

#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<&'static str>>>);

impl Journal {
    fn write(&self, line: &'static str) {
        self.0.lock().unwrap().push(line);
    }
    fn lines(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

struct Paid(u64);
impl ApplicationEvent for Paid {}
struct Shipped;
impl ApplicationEvent for Shipped {}
struct Billed;
impl ApplicationEvent for Billed {}

#[derive(Debug, thiserror::Error)]
#[error("card {0} is expired")]
struct CardExpired(u64);

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

#[tokio::test]
async fn every_listener_runs_after_failures_and_panics() {
    let journal = Journal::default();
    let log = journal.clone();
    let context = ApplicationContext::bare()
        .listener(Listener::on(|paid: &Paid| Err::<(), _>(CardExpired(paid.0))).id("typed"))
        .listener(Listener::on(|_: &Paid| -> () { panic!("out of paper") }).id("printer"))
        .listener(
            Listener::on_async(async |_: Arc<Paid>| -> () { panic!("async {}", 7) }).id("later"),
        )
        .listener(Listener::on(move |_: &Paid| log.write("last")))
        .build()
        .unwrap();
    let error = context.publish_event(Paid(4)).await.unwrap_err();
    assert_eq!(journal.lines(), ["last"]);
    assert_eq!((error.ran(), error.failures().len(), error.not_run()), (1, 3, 0));
    let [typed, printer, later] = error.failures() else { panic!("{error:?}") };
    assert_eq!(typed.source.downcast_ref::<CardExpired>().unwrap().0, 4);
    assert_eq!(typed.listener, "typed");
    assert_eq!(typed.failed_at, typed.declared_at);
    assert_eq!(printer.source.downcast_ref::<ListenerPanicked>().unwrap().message, "out of paper");
    assert_eq!(later.source.downcast_ref::<ListenerPanicked>().unwrap().message, "async 7");
    // The chain of causes: publication, listener, its own error.
    let failure = error.source().unwrap();
    assert!(failure.to_string().contains("listener `typed`"), "{failure}");
    assert_eq!(failure.source().unwrap().to_string(), "card 4 is expired");
}

#[tokio::test]
async fn a_failure_knows_the_line_of_its_question_mark() {
    let question_mark = line!() + 3;
    let listener = Listener::on_async(async |_: Arc<Paid>| {
        tokio::task::yield_now().await;
        let _: u8 = "300".parse()?;
        Ok::<(), ListenerError>(())
    });
    let context = ApplicationContext::bare().listener(listener).build().unwrap();
    let published = line!() + 1;
    let error = context.publish_event(Paid(1)).await.unwrap_err();
    let failure = &error.failures()[0];
    assert_eq!(failure.failed_at.line(), question_mark);
    assert_eq!(failure.declared_at.line(), question_mark - 2);
    assert_eq!(failure.published_at.line(), published);
    assert!(failure.source.is::<std::num::ParseIntError>());
}

#[tokio::test]
async fn first_error_starts_nothing_more() {
    let journal = Journal::default();
    let (a, b) = (journal.clone(), journal.clone());
    let context = ApplicationContext::bare()
        .listener(Listener::on(move |_: &Paid| a.write("before")))
        .listener(Listener::on(|_: &Paid| Err::<(), _>("no")))
        .listener(Listener::on(move |_: &Paid| b.write("after")))
        .build()
        .unwrap();
    let error = context.publish_event(Paid(1)).first_error().await.unwrap_err();
    assert_eq!((error.ran(), error.failures().len(), error.not_run()), (1, 1, 1));
    assert_eq!(journal.lines(), ["before"]);
    drop(context.publish_event(Paid(1)));
    assert_eq!(journal.lines(), ["before", "before", "after"], "dropped: all of them, at once");
}

#[tokio::test]
async fn first_error_stops_after_an_asynchronous_failure() {
    let context = ApplicationContext::bare()
        .listener(Listener::on_async(async |_: Arc<Paid>| Err::<(), _>("no")))
        .listener(Listener::on_async(async |_: Arc<Paid>| ()))
        .build()
        .unwrap();
    let error = context.publish_event(Paid(1)).first_error().await.unwrap_err();
    assert_eq!((error.ran(), error.not_run()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_takes_too_long_is_stopped_and_the_next_runs() {
    struct OnDrop(Journal);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.write("stopped");
        }
    }
    let journal = Journal::default();
    let (a, b) = (journal.clone(), journal.clone());
    let slow = Listener::on_async(move |_: Arc<Paid>| {
        let guard = OnDrop(a.clone());
        async move {
            std::future::pending::<()>().await;
            drop(guard);
        }
    });
    let context = ApplicationContext::bare()
        .listener(slow.timeout(Duration::from_secs(5)))
        .listener(Listener::on(move |_: &Paid| b.write("next")))
        .build()
        .unwrap();
    let begin = tokio::time::Instant::now();
    let error = context.publish_event(Paid(1)).await.unwrap_err();
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
    let timed_out = error.failures()[0].source.downcast_ref::<ListenerTimedOut>().unwrap();
    assert_eq!(timed_out.timeout, Duration::from_secs(5));
    assert_eq!(journal.lines(), ["stopped", "next"]);
}

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
fn numbers(asynchronous: bool) -> (ApplicationContext, Arc<Mutex<Vec<(u8, u64)>>>) {
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

#[tokio::test]
async fn meta_names_publication_depth_and_parent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (outer, inner) = (Arc::clone(&seen), Arc::clone(&seen));
    let context = ApplicationContext::bare()
        .listener(Listener::on_with_meta(move |_: &Paid, meta| {
            outer.lock().unwrap().push(meta);
            Shipped
        }))
        .listener(Listener::on_with_meta(move |_: &Shipped, meta| inner.lock().unwrap().push(meta)))
        .build()
        .unwrap();
    let outcome = context.publish_event(Paid(1)).await.unwrap();
    let seen = seen.lock().unwrap();
    let [paid, shipped] = seen[..] else { panic!("{seen:?}") };
    assert_eq!((paid.event_id, paid.depth, paid.parent), (outcome.id(), 0, None));
    assert_eq!((shipped.depth, shipped.parent), (1, Some(paid.event_id)));
    assert_ne!(shipped.event_id, paid.event_id);
}

#[tokio::test]
async fn unheard_events_are_counted_and_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let context = ApplicationContext::bare()
        .on_unheard(move |unheard| tell.lock().unwrap().push(unheard.clone()))
        .build()
        .unwrap();
    let line = line!() + 1;
    let outcome = context.publish_event(Paid(1)).await.unwrap();
    assert_eq!(outcome.ran(), 0);
    context.publish_event(Paid(1)).await.unwrap();
    assert_eq!(context.unheard(), 2, "and not the context's own events");
    let told = told.lock().unwrap();
    assert_eq!((told.len(), told[0].event.as_str()), (2, "Paid"));
    assert_eq!(told[0].published_at.line(), line);
}

trait Auditable: Send + Sync {
    fn line(&self) -> &'static str;
}
struct Refunded;
impl Auditable for Refunded {
    fn line(&self) -> &'static str {
        "refunded"
    }
}
impl ApplicationEvent for Refunded {
    fn event_type() -> EventType<Self> {
        EventType::new().supertype::<dyn Auditable>(|event| event, |event| event)
    }
}

#[tokio::test]
async fn a_listener_of_a_trait_hears_each_event_that_has_it() {
    let journal = Journal::default();
    let (a, b) = (journal.clone(), journal.clone());
    let context = ApplicationContext::bare()
        .listener(
            Listener::on_trait::<dyn Auditable, _, _>(move |event| a.write(event.line()))
                .condition(|event| event.line() != "secret"),
        )
        .build()
        .unwrap();
    // It was never registered anywhere: the first publication finds it out.
    let outcome = context.publish_event(Refunded).await.unwrap();
    assert_eq!(outcome.ran(), 1);
    let more = context
        .subscribe(Listener::on_trait::<dyn Auditable, _, _>(move |_| b.write("subscribed")))
        .unwrap();
    context.publish_event(Refunded).await.unwrap();
    drop(more);
    context.publish_event(Refunded).await.unwrap();
    assert_eq!(journal.lines(), ["refunded", "refunded", "subscribed", "refunded"]);
    assert_eq!(context.publish_event(Paid(1)).await.unwrap().ran(), 0);
}

struct Stored<T>(T);
impl<T: Send + Sync + 'static> ApplicationEvent for Stored<T> {}

#[tokio::test]
async fn generic_events_are_told_apart_by_their_parameter() {
    let context = ApplicationContext::bare().build().unwrap();
    let sum = Arc::new(AtomicUsize::new(0));
    let add = Arc::clone(&sum);
    context
        .on(move |stored: &Stored<usize>| {
            add.fetch_add(stored.0, Ordering::Relaxed);
        })
        .forever();
    context.publish_event(Stored("text")).await.unwrap();
    context.publish_event(Stored(5_usize)).await.unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_listener_that_publishes_again_does_not_deadlock() {
    let context = ApplicationContext::bare().build().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let (again, seen) = (context.clone(), Arc::clone(&count));
    let subscription = context.on(move |paid: &Paid| {
        seen.fetch_add(1, Ordering::Relaxed);
        if paid.0 > 0 {
            // Adds and removes listeners of the very event that is being published, too.
            drop(again.on(|_: &Paid| ()));
            again.publish_event(Paid(paid.0 - 1)).detach();
        }
    });
    context.publish_event(Paid(3)).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 4);
    drop(subscription);
}

#[tokio::test]
async fn a_closure_that_sends_into_a_channel_makes_a_stream() {
    let (send, mut receive) = tokio::sync::mpsc::channel(4);
    let context = ApplicationContext::bare().build().unwrap();
    let subscription = context.on(move |paid: &Paid| send.try_send(paid.0));
    context.publish_event(Paid(1)).await.unwrap();
    context.publish_event(Paid(2)).await.unwrap();
    drop(subscription);
    let mut received = Vec::new();
    while let Some(amount) = receive.recv().await {
        received.push(amount);
    }
    assert_eq!(received, [1, 2], "and the stream ends with its subscription");
}

#[tokio::test]
async fn a_listener_may_end_with_a_send() {
    let (context, pages) = (ApplicationContext::bare().build().unwrap(), Emitters::<u64>::new());
    let page = pages.clone();
    context.on(move |paid: &Paid| page.send(&paid.0, "paid")).forever();
    assert_eq!(context.publish_event(Paid(7)).await.unwrap().ran(), 1);
    let mut stream = pages.connect(7, LastEventId::default()).into_stream();
    assert!(stream.next().await.unwrap().starts_with(b"data:paid\n"));

    // A callback that comes twice is no failure: whoever called would come a third time.
    pages.complete(&7);
    context.publish_event(Paid(7)).await.unwrap();
}

#[tokio::test]
async fn a_send_of_what_is_no_event_fails_its_listener() {
    let (context, pages) = (ApplicationContext::bare().build().unwrap(), Emitters::<u64>::new());
    let send = move |paid: &Paid| pages.send(&paid.0, SseEvent::builder().name("two\nlines"));
    context.on(send).forever();
    let error = context.publish_event(Paid(7)).await.unwrap_err();
    assert_eq!(error.failures().len(), 1);
}

/// What an `on_failure` hook heard: listeners, in order.
fn alarmed(builder: sse_tower_core::ContextBuilder) -> (sse_tower_core::ContextBuilder, Journal) {
    let journal = Journal::default();
    let heard = journal.clone();
    let builder = builder
        .on_failure(|_| panic!("the alarm is broken"))
        .on_failure(move |failure| heard.write(failure.listener));
    (builder, journal)
}

#[tokio::test(start_paused = true)]
async fn one_hook_hears_of_every_failure_whoever_waits() {
    let fails = |id: &'static str| {
        Listener::on_async(move |_: Arc<Paid>| async { Err::<(), _>("no") }).id(id)
    };
    let (builder, alarms) = alarmed(ApplicationContext::bare());
    let context = builder
        .listener(Listener::on(|_: &Paid| Err::<(), _>("no")).id("synchronous").order(-2))
        .listener(fails("spawned").spawn().order(-1))
        .listener(fails("asynchronous"))
        .listener(
            Listener::on_async(|_: Arc<Paid>| std::future::pending::<()>())
                .timeout(Duration::from_secs(1))
                .id("slow")
                .order(1),
        )
        .listener(Listener::on(|_: &Shipped| -> () { panic!("oh") }).id("panics"))
        .listener(Listener::on(|_: &Billed| Shipped).id("returns"))
        .build()
        .unwrap();
    let failed = context.publish_event(Paid(1)).await.unwrap_err();
    context.settled().await;
    let mut heard = alarms.lines();
    heard.sort_unstable();
    assert_eq!(heard, ["asynchronous", "slow", "spawned", "synchronous"]);
    assert_eq!(failed.failures().len(), 3);

    context.publish_event(Billed).detach();
    assert_eq!(alarms.lines()[4..], ["panics"]);
    let transaction = context.transaction();
    assert!(transaction.commit_with(async { Err::<(), _>("away") }).await.is_err());
    assert_eq!(alarms.lines()[5..], ["the transaction"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_hears_of_scheduled_functions() {
    let (builder, alarms) = alarmed(ApplicationContext::bare());
    let report = sse_tower_core::Schedule::every(Duration::from_secs(60))
        .id("report")
        .run(|| async { Err::<(), _>("no paper") });
    let context = builder.schedule(report).build().unwrap();
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(alarms.lines(), ["report", "report"]);
    drop(context);
}

#[tokio::test]
async fn a_hook_that_publishes_what_fails_is_not_called_for_ever() {
    let context = Arc::new(std::sync::OnceLock::<ApplicationContext>::new());
    let (own, count) = (Arc::clone(&context), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    let built = ApplicationContext::bare()
        .listener(Listener::on(|_: &Paid| Err::<(), _>("no")))
        .on_failure(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            if let Some(context) = own.get() {
                context.publish_event(Paid(1)).detach();
            }
        })
        .build()
        .unwrap();
    drop(context.set(built));
    context.get().unwrap().publish_event(Paid(1)).await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 1);
}
