//! Listeners that fail, panic or take too long.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{
    ApplicationContext, Listener, ListenerError, ListenerPanicked, ListenerTimedOut,
};

use crate::{Billed, CardExpired, Journal, Paid, Shipped};

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
async fn what_is_known_of_a_publication_goes_with_it() {
    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct No(#[allow(dead_code, reason = "it is counted")] Arc<()>);

    let count = Arc::new(());
    let counted = Arc::clone(&count);
    let context = ApplicationContext::bare()
        .listener(Listener::on(move |_: &Paid| Err::<(), _>(No(Arc::clone(&counted)))))
        .build()
        .unwrap();
    let publication = context.publish_event(Paid(1));
    assert_eq!(Arc::strong_count(&count), 3, "of the listener, and of its failure");
    drop(publication);
    assert_eq!(Arc::strong_count(&count), 2);
    drop(context.publish_event(Paid(1)).await.unwrap_err());
    assert_eq!(Arc::strong_count(&count), 2);
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
