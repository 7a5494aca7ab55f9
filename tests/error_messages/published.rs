//! An event that did not reach its listeners, or that they could not deal with.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sse_tower::backplane::{Backplane, MemoryStore};
use sse_tower::{
    ApplicationContext, ApplicationEvent, Listener, ListenerError, MAX_TRANSACTION_EVENTS, Phase,
    PublishError,
};

use crate::heard::{listen, logged, says, without_lines};

#[derive(ApplicationEvent, Clone, Copy)]
struct Paid;

fn context(listener: impl Into<Listener>) -> ApplicationContext {
    ApplicationContext::bare().listener(listener).build().unwrap()
}

/// As `main` prints it, and as what reports only the chain of causes does.
#[track_caller]
fn failed(error: &PublishError, expected: &str, first: &str) {
    assert_eq!(without_lines(&format!("{error:?}")), expected);
    says(error.source().unwrap(), first);
}

#[tokio::test]
async fn a_listener_that_fails_is_named_with_its_error_and_the_line_of_its_question_mark() {
    listen();
    let bill = |_: &Paid| -> Result<(), ListenerError> {
        let _amount: u64 = "ten".parse()?;
        Ok(())
    };
    let error = context(Listener::on(bill).id("bill")).publish_event(Paid).await.unwrap_err();
    failed(
        &error,
        "1 listener failed for `Paid`, published at published.rs:…\n  \
         - listener `bill` declared at published.rs:… failed at published.rs:…, \
         for an event published at published.rs:…: invalid digit found in string",
        "listener `bill` declared at published.rs:… failed at published.rs:…, \
         for an event published at published.rs:…: invalid digit found in string",
    );
    assert!(logged().starts_with(
        "ERROR event listener failed listener=\"bill\" declared_at=published.rs:… \
         failed_at=published.rs:… published_at=published.rs:… publication="
    ));
}

#[tokio::test]
async fn listeners_that_panic_or_take_too_long_are_counted() {
    let context = ApplicationContext::bare()
        .listener(Listener::on(|_: &Paid| -> () { panic!("the till is empty") }).id("till"))
        .listener(
            Listener::on_async(|_: Arc<Paid>| std::future::pending::<()>())
                .id("mail")
                .timeout(Duration::from_millis(5)),
        )
        .build()
        .unwrap();
    let error = context.publish_event(Paid).await.unwrap_err();
    failed(
        &error,
        "2 listeners failed for `Paid`, published at published.rs:…\n  \
         - listener `till` declared at published.rs:… failed, \
         for an event published at published.rs:…: listener panicked: the till is empty\n  \
         - listener `mail` declared at published.rs:… failed, \
         for an event published at published.rs:…: listener was stopped at its timeout of 5ms; \
         raise `timeout`, or do the long part in a task",
        "listener `till` declared at published.rs:… failed, \
         for an event published at published.rs:…: listener panicked: the till is empty",
    );
}

#[tokio::test]
async fn a_listener_of_a_transaction_hears_what_is_in_none() {
    listen();
    let mail = Listener::on(|_: &Paid| ()).id("mail").phase(Phase::AfterCommit);
    let context = context(mail);
    for _ in 0..2 {
        assert_eq!(context.publish_event(Paid).await.unwrap().skipped(), 1);
    }
    // Once, and with what to do.
    assert_eq!(
        logged(),
        "WARN listener of phase `after-commit` is skipped: the event was published outside of a transaction; \
         publish it through `context.transaction()`, in a listener before the commit through the `Transaction` that it \
         takes, or declare the listener with `fallback`; this is said once for each listener \
         listener=\"mail\" declared_at=published.rs:… published_at=published.rs:…"
    );
}

#[tokio::test]
async fn a_commit_that_stands_although_a_listener_failed() {
    let mail = Listener::on(|_: &Paid| Err::<(), _>("no mail server")).id("mail");
    let context = context(mail.phase(Phase::AfterCommit));
    let transaction = context.transaction();
    transaction.publish_event(Paid);
    let error = transaction.commit().await.unwrap_err();
    assert_eq!(
        without_lines(&format!("{error:?}")),
        "transaction begun at published.rs:… was committed, and 1 listener failed after that\n  \
         - listener `mail` declared at published.rs:… failed, \
         for an event published at published.rs:…: no mail server"
    );
}

#[tokio::test]
async fn events_that_publish_one_another_without_end() {
    let again = Listener::on(|_: &Paid| Paid).id("again");
    let error = context(again).publish_event(Paid).await.unwrap_err();
    failed(
        &error,
        "`Paid`, published at published.rs:…, was not delivered\n  \
         - event published at published.rs:… did not reach all listeners: \
         events publish one another without end: Paid → Paid; \
         let one of their listeners stop publishing the next",
        "event published at published.rs:… did not reach all listeners: \
         events publish one another without end: Paid → Paid; \
         let one of their listeners stop publishing the next",
    );
}

#[tokio::test]
async fn a_transaction_that_does_not_commit() {
    let context = context(Listener::on(|_: &Paid| ()));
    let transaction = context.transaction();
    transaction.publish_event(Paid);
    let commit = async { Err::<(), _>("the database is away") };
    let error = transaction.commit_with(commit).await.unwrap_err();
    let expected = "transaction begun at published.rs:… was rolled back: the database is away";
    assert_eq!(without_lines(&format!("{error:?}")), expected);
    says(&error, expected);

    let transaction = context.transaction();
    for _ in 0..=MAX_TRANSACTION_EVENTS {
        transaction.publish_event(Paid);
    }
    says(
        &transaction.commit().await.unwrap_err(),
        "transaction begun at published.rs:… was rolled back: \
         more than 16384 events were published in it; commit in parts",
    );
}

#[test]
fn a_runtime_that_ends_before_its_listeners() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let slow = Listener::on_async(|_: Arc<Paid>| std::future::pending::<()>())
        .timeout(Duration::from_secs(5));
    let context = runtime.block_on(async { context(slow) });
    // Here is no runtime, so it waits for the one that the context was built in.
    let mut publication = context.publish_event(Paid);
    assert!((&mut publication).now_or_never().is_none());
    // What has not begun is begun elsewhere; this has.
    runtime.block_on(tokio::task::yield_now());
    drop(runtime);
    says(
        publication.now_or_never().unwrap().unwrap_err().source().unwrap(),
        "event published at published.rs:… did not reach all listeners: \
         runtime was shut down before all listeners had run; \
         await `context.settled()` before it is",
    );
}

#[test]
fn an_event_that_nobody_hears_is_warned_of_once() {
    listen();
    let bare = ApplicationContext::bare().build().unwrap();
    bare.publish_event(Paid).detach();
    bare.publish_event(Paid).detach();
    assert_eq!(
        logged(),
        "WARN event has no listener; a bare context hears what is added by `.listener(..)` \
         event=Paid published_at=published.rs:…"
    );
}

/// Two events of stores, which are told apart by their names.
#[derive(serde::Serialize, serde::Deserialize, ApplicationEvent)]
#[event(name = "order.shipped")]
struct Shipped;

#[derive(serde::Serialize, serde::Deserialize, ApplicationEvent)]
#[event(name = "order.returned")]
struct Returned;

#[tokio::test(start_paused = true)]
async fn a_durable_listener_that_another_program_declares_otherwise_is_warned_of_once() {
    let store = MemoryStore::new();
    let program = |listener: Listener| {
        let backplane = Backplane::new(store.engine());
        ApplicationContext::bare().backplane(&backplane).listener(listener).build().unwrap()
    };
    let shipped = program(Listener::on(|_: &Shipped| ()).durable().id("mail").into());
    tokio::time::sleep(Duration::from_secs(20)).await;
    listen();
    let returned = program(Listener::on(|_: &Returned| ()).durable().id("mail").into());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let warning = |event: &str| {
        format!(
            "WARN another program or release declares this durable listener for events for which this one does not; two \
             listeners need two ids; if no program has it for them any more, they wait for nobody until it is retired \
             listener=mail events=[\"{event}\"]"
        )
    };
    // By each of them, what it lacks.
    let logged_now = logged();
    let mut lines: Vec<_> = logged_now.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [warning("order.returned"), warning("order.shipped")]);
    tokio::time::sleep(Duration::from_secs(3 * 60 * 60)).await;
    assert_eq!(logged(), "", "once");
    drop((shipped, returned));
}
