//! Events that wait for a commit.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sse_tower_core::{
    __private as p, ApplicationContext, ApplicationEvent, CommitError, Failure, Listener,
    MAX_TRANSACTION_EVENTS, Phase, Transaction, TransactionFull, WiringFault,
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

#[track_caller]
fn cause(error: CommitError) -> (Failure, Vec<Failure>) {
    match error {
        CommitError::RolledBack { cause, failures, .. } => (*cause, failures),
        other => panic!("{other:?}"),
    }
}

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
    let (cause, others) = cause(error);
    assert_eq!((cause.source.to_string().as_str(), others.len()), ("no money", 0));
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
    assert!(!error.is_committed());
    assert!(cause(error).0.source.is::<std::io::Error>());
    assert_eq!(journal.lines(), ["before 1", "rolled-back 1", "completed 1"]);
}

#[tokio::test]
async fn a_failure_after_the_commit_says_that_the_commit_stands() {
    let journal = Journal::default();
    let mail = Listener::on(|_: &Paid| Err::<(), _>("no mail server"));
    let context = ApplicationContext::bare()
        .listener(mail.phase(Phase::AfterCommit).id("mail"))
        .listener(journal.listener("plain"))
        .listener(journal.listener("rolled-back").phase(Phase::AfterRollback))
        .build()
        .unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    let error = transaction.commit_with(async { Ok::<(), &str>(()) }).await.unwrap_err();
    assert!(error.is_committed());
    assert_eq!(error.failures().map(|it| it.listener).collect::<Vec<_>>(), ["mail"]);
    let CommitError::Committed { outcome, .. } = error else { panic!("{error:?}") };
    assert_eq!((outcome.ran(), outcome.failures().len()), (1, 1));
    assert_eq!(journal.lines(), ["plain 1"]);
}

#[tokio::test]
async fn a_rollback_says_its_cause_apart_from_what_fails_in_it() {
    let fails =
        |phase, why: &'static str| Listener::on(move |_: &Paid| Err::<(), _>(why)).phase(phase);
    let context = ApplicationContext::bare()
        .listener(fails(Phase::BeforeCommit, "no money").id("veto"))
        .listener(fails(Phase::AfterRollback, "not told").id("tell"))
        .build()
        .unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    let (cause, others) = cause(transaction.commit().await.unwrap_err());
    assert_eq!(cause.listener, "veto");
    assert_eq!(others.iter().map(|it| it.listener).collect::<Vec<_>>(), ["tell"]);
}

#[tokio::test]
async fn a_listener_of_a_phase_outside_of_a_transaction_is_skipped() {
    let journal = Journal::default();
    let phases =
        [Phase::BeforeCommit, Phase::AfterCommit, Phase::AfterRollback, Phase::AfterCompletion];
    let mut builder = ApplicationContext::bare().listener(journal.listener("plain"));
    for phase in phases {
        builder = builder.listener(journal.listener("of a phase").phase(phase));
    }
    let context = builder.build().unwrap();
    let outcome = context.publish_event(Paid(1)).await.unwrap();
    assert_eq!((outcome.ran(), outcome.skipped()), (1, phases.len()));
    assert_eq!(journal.lines(), ["plain 1"]);
}

/// As `#[event_listener(phase = "before-commit")]` declares a function that takes the transaction.
const fn joining(bind: fn(&mut p::Binder<'_>) -> Option<p::ErasedHandler>) -> p::Declaration {
    p::Declaration::new("joins", module_path!(), p::here(), p::EventRef::of::<Paid>(), bind)
}

fn adds(binder: &mut p::Binder<'_>) -> Option<p::ErasedHandler> {
    let transaction = binder.inject::<Transaction>()?;
    let handler = p::Handler::<Paid>::by_ref(move |paid, call| {
        let transaction: Transaction = transaction.give(call);
        if paid.0 < 3 {
            transaction.publish_event(Paid(paid.0 + 1));
        }
        call.answer(())
    });
    Some(handler.erase())
}

static ADDS: p::Declaration = joining(adds).phase(Phase::BeforeCommit);

#[tokio::test]
async fn a_listener_before_the_commit_adds_to_the_running_transaction() {
    let journal = Journal::default();
    let context = ApplicationContext::bare()
        .listener(Listener::declared(&ADDS))
        .listener(journal.listener("before").phase(Phase::BeforeCommit))
        .listener(journal.listener("plain"))
        .build()
        .unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    let database = {
        let journal = journal.clone();
        async move {
            journal.0.lock().unwrap().push("database".to_owned());
            Ok::<(), std::io::Error>(())
        }
    };
    transaction.commit_with(database).await.unwrap();
    assert_eq!(
        journal.lines(),
        ["before 1", "before 2", "before 3", "database", "plain 1", "plain 2", "plain 3"]
    );
}

#[tokio::test]
async fn what_a_listener_before_the_commit_returns_is_part_of_the_transaction() {
    let journal = Journal::default();
    let context = ApplicationContext::bare()
        .listener(
            Listener::on(|paid: &Paid| (paid.0 == 1).then_some(Paid(2))).phase(Phase::BeforeCommit),
        )
        .listener(journal.listener("plain"))
        .listener(journal.listener("rolled-back").phase(Phase::AfterRollback))
        .build()
        .unwrap();
    for (commit, heard) in [(Ok(()), "plain"), (Err("no"), "rolled-back")] {
        let transaction = context.transaction();
        transaction.publish_event(Paid(1));
        assert_eq!(transaction.commit_with(async move { commit }).await.is_ok(), commit.is_ok());
        let lines = std::mem::take(&mut *journal.0.lock().unwrap());
        assert_eq!(lines, [format!("{heard} 1"), format!("{heard} 2")]);
    }
}

fn rolls_back(binder: &mut p::Binder<'_>) -> Option<p::ErasedHandler> {
    let transaction = binder.inject::<Transaction>()?;
    let handler = p::Handler::<Paid>::by_ref(move |_, call| {
        let transaction: Transaction = transaction.give(call);
        drop(transaction.rollback());
        // The whole is ended by who began it: neither this nor dropping it does.
        let again: Transaction = p::Inject::give(&(), call);
        drop(again.commit());
        call.answer(())
    });
    Some(handler.erase())
}

static ROLLS_BACK: p::Declaration = joining(rolls_back).phase(Phase::BeforeCommit);

#[tokio::test]
async fn a_part_that_rolls_back_rolls_back_the_whole_when_it_would_commit() {
    let journal = Journal::default();
    let context = ApplicationContext::bare()
        .listener(Listener::declared(&ROLLS_BACK))
        .listener(journal.listener("plain"))
        .build()
        .unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    let (cause, _) = cause(transaction.commit().await.unwrap_err());
    let said = cause.source.to_string();
    assert!(said.contains("rolled it back, at") && said.contains(file!()), "{said}");
    assert!(journal.lines().is_empty());
}

#[tokio::test]
async fn only_a_listener_before_the_commit_takes_the_transaction() {
    static NO_PHASE: p::Declaration = joining(adds);
    static AFTER: p::Declaration = joining(adds).phase(Phase::AfterCommit);
    static FALLBACK: p::Declaration = joining(adds).phase(Phase::BeforeCommit).fallback();
    for declaration in [&NO_PHASE, &AFTER, &FALLBACK] {
        let listener = Listener::declared(declaration);
        let wrong = ApplicationContext::bare().listener(listener.clone()).build().unwrap_err();
        assert!(matches!(wrong.faults(), [WiringFault::NoTransaction { listener: "joins", .. }]));
        let context = ApplicationContext::bare().build().unwrap();
        let wrong = context.subscribe(listener).unwrap_err();
        assert!(matches!(wrong.faults(), [WiringFault::NoTransaction { .. }]));
    }
}

#[tokio::test]
async fn a_listener_that_adds_without_end_is_stopped_at_the_bound() {
    let again = Listener::on(|paid: &Paid| Paid(paid.0)).phase(Phase::BeforeCommit);
    let context = ApplicationContext::bare().listener(again).build().unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    let (cause, _) = cause(transaction.commit().await.unwrap_err());
    assert!(cause.source.is::<TransactionFull>());
}

#[tokio::test]
async fn what_listeners_return_goes_out_after_all_events_of_the_transaction() {
    let journal = Journal::default();
    let context = ApplicationContext::bare()
        .listener(Listener::on(|paid: &Paid| (paid.0 < 10).then_some(Paid(paid.0 * 10))).order(-1))
        .listener(journal.listener("plain"))
        .build()
        .unwrap();
    let transaction = context.transaction();
    transaction.publish_event(Paid(1));
    transaction.publish_event(Paid(2));
    transaction.commit().await.unwrap();
    assert_eq!(journal.lines(), ["plain 1", "plain 2", "plain 10", "plain 20"]);
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
    assert!(cause(error).0.source.is::<TransactionFull>());
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
