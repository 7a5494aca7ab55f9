//! Events that wait for a commit.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sse_tower_core::{
    ApplicationContext, ApplicationEvent, Listener, MAX_TRANSACTION_EVENTS, Phase, TransactionFull,
    TransactionNeeded,
};

#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
    /// A listener that writes its name and the event's number.
    fn listener(&self, name: &'static str) -> sse_tower_core::ListenerBuilder<Paid> {
        let journal = self.clone();
        Listener::on(move |paid: &Paid| {
            journal.0.lock().unwrap().push(format!("{name} {}", paid.0));
        })
    }
}

struct Paid(u32);
impl ApplicationEvent for Paid {}

fn context(journal: &Journal) -> ApplicationContext {
    let asynchronous = {
        let journal = journal.clone();
        Listener::on_async(move |paid: Arc<Paid>| {
            let journal = journal.clone();
            async move {
                tokio::task::yield_now().await;
                journal.0.lock().unwrap().push(format!("committed {}", paid.0));
            }
        })
    };
    ApplicationContext::bare()
        .listener(journal.listener("plain"))
        .listener(journal.listener("before").phase(Phase::BeforeCommit))
        .listener(asynchronous.phase(Phase::AfterCommit))
        .listener(journal.listener("rolled-back").phase(Phase::AfterRollback))
        .listener(journal.listener("completed").phase(Phase::AfterCompletion))
        .build()
        .unwrap()
}

#[tokio::test]
async fn events_wait_for_the_commit_and_each_phase_has_its_turn() {
    let journal = Journal::default();
    let context = context(&journal);
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    transaction.publish_event(Paid(2));
    assert!(journal.lines().is_empty());
    let outcome = transaction.commit().await.unwrap();
    assert_eq!((outcome.ran(), outcome.skipped()), (8, 0));
    let mut lines = journal.lines();
    // Ties are broken by place, which these listeners share or not: sort within the delivery.
    lines[2..6].sort();
    assert_eq!(
        lines,
        [
            "before 1",
            "before 2",
            "committed 1",
            "committed 2",
            "plain 1",
            "plain 2",
            "completed 1",
            "completed 2"
        ]
    );
}

#[tokio::test]
async fn a_rollback_discards_the_events() {
    let journal = Journal::default();
    let context = context(&journal);
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    transaction.rollback().await.unwrap();
    assert_eq!(journal.lines(), ["rolled-back 1", "completed 1"]);
}

#[tokio::test]
async fn dropping_a_transaction_rolls_it_back() {
    let journal = Journal::default();
    let context = context(&journal);
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    drop(transaction);
    context.settled().await;
    assert_eq!(journal.lines(), ["rolled-back 1", "completed 1"]);
}

#[tokio::test]
async fn a_commit_that_nobody_awaits_is_carried_out() {
    let journal = Journal::default();
    let context = context(&journal);
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    drop(transaction.commit());
    context.settled().await;
    assert_eq!(journal.lines().len(), 4);
}

#[tokio::test]
async fn a_failure_before_the_commit_turns_it_into_a_rollback() {
    let journal = Journal::default();
    let veto = Listener::on(|_: &Paid| Err::<(), _>("no money")).phase(Phase::BeforeCommit);
    let context = ApplicationContext::bare()
        .listener(veto)
        .listener(journal.listener("plain"))
        .listener(journal.listener("rolled-back").phase(Phase::AfterRollback))
        .build()
        .unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    let committed = Arc::new(Mutex::new(false));
    let set = Arc::clone(&committed);
    let database = async move {
        *set.lock().unwrap() = true;
        Ok::<(), std::io::Error>(())
    };
    let error = transaction.commit_with(database).await.unwrap_err();
    assert_eq!(error.failures()[0].source.to_string(), "no money");
    assert_eq!(journal.lines(), ["rolled-back 1"]);
    assert!(!*committed.lock().unwrap(), "the database was not asked");
}

#[tokio::test]
async fn a_commit_that_fails_in_the_database_rolls_back() {
    let journal = Journal::default();
    let context = context(&journal);
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    let database = async { Err::<(), _>(std::io::Error::other("serialisation failure")) };
    let error = transaction.commit_with(database).await.unwrap_err();
    assert!(error.failures()[0].source.is::<std::io::Error>());
    assert_eq!(journal.lines(), ["before 1", "rolled-back 1", "completed 1"]);
}

#[tokio::test]
async fn a_listener_of_a_phase_outside_of_a_transaction_is_a_failure_that_says_so() {
    let journal = Journal::default();
    let receipt = journal.listener("receipt").phase(Phase::AfterCommit).id("receipt");
    let context = ApplicationContext::bare()
        .listener(receipt)
        .listener(journal.listener("plain"))
        .listener(journal.listener("rolled-back").phase(Phase::AfterRollback))
        .build()
        .unwrap();
    let error = context.publish_event(Paid(1)).await.unwrap_err();
    assert_eq!((error.ran(), error.skipped(), error.failures().len()), (1, 1, 1));
    let failure = &error.failures()[0];
    assert_eq!(failure.listener, "receipt");
    assert_eq!(
        failure.source.downcast_ref::<TransactionNeeded>().unwrap().phase,
        Phase::AfterCommit
    );
    assert!(failure.source.to_string().contains("context.transaction()"), "{}", failure.source);
    assert_eq!(journal.lines(), ["plain 1"]);
}

#[tokio::test]
async fn a_listener_with_fallback_runs_at_once_outside_of_a_transaction() {
    let journal = Journal::default();
    let receipt = journal.listener("receipt").phase(Phase::AfterCommit).fallback();
    let context = ApplicationContext::bare().listener(receipt).build().unwrap();
    assert_eq!(context.publish_event(Paid(1)).await.unwrap().ran(), 1);
    let transaction = context.transaction();
    transaction.publish_event(Paid(2));
    assert_eq!(journal.lines(), ["receipt 1"]);
    transaction.commit().await.unwrap();
    assert_eq!(journal.lines(), ["receipt 1", "receipt 2"]);
}

#[tokio::test]
async fn a_transaction_that_is_too_large_is_rolled_back_and_says_so() {
    let journal = Journal::default();
    let context = ApplicationContext::bare().listener(journal.listener("plain")).build().unwrap();
    let transaction = context.transaction();
    for _ in 0..=MAX_TRANSACTION_EVENTS {
        transaction.publish_event(Paid(1));
    }
    let error = transaction.commit().await.unwrap_err();
    assert!(error.failures()[0].source.is::<TransactionFull>());
    assert!(journal.lines().is_empty());
}

#[tokio::test]
async fn one_event_is_one_publication_in_all_phases() {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let note = |phase| {
        let ids = Arc::clone(&ids);
        Listener::on_with_meta(move |_: &Paid, meta| ids.lock().unwrap().push(meta.event_id))
            .phase(phase)
    };
    let context = ApplicationContext::bare()
        .listener(note(Phase::BeforeCommit))
        .listener(note(Phase::AfterCompletion))
        .build()
        .unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    transaction.commit().await.unwrap();
    let ids = ids.lock().unwrap();
    assert_eq!((ids.len(), ids[0]), (2, ids[1]));
}
