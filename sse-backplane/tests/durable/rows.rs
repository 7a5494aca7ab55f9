//! Events that are rows of the program's own transaction, in PostgreSQL, and processes that die right after the commit.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use engine_servers::{Child, Postgres, wanted};
use sse_tower_backplane::open;
use sse_tower_core::ApplicationContext;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::{
    journal::Journal,
    worker::{Job, Office, Paid, Worker},
};

const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) async fn batch(url: &str, sql: &str) {
    client(url).await.batch_execute(sql).await.unwrap();
}

pub(crate) async fn number(url: &str, sql: &str) -> i32 {
    client(url).await.query_one(sql, &[]).await.unwrap().get(0)
}

/// Not a test: a process that stores an event with its row, and is gone right after the commit.
#[test]
fn pays_and_dies_if_it_is_told_to() {
    let Ok(url) = std::env::var("DURABLE_PAYS") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let backplane = open(&url).await.unwrap();
        let context = ApplicationContext::bare().backplane(&backplane).build().unwrap();
        let mut sql = client(&url).await;
        let mut tx = sql.transaction().await.unwrap();
        tx.execute("insert into payment values (1)", &[]).await.unwrap();
        let events = context.transaction();
        events.publish_event(Paid { order: 1 });
        events.store_in(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        // As kill -9: nothing more is done, no bell rings, and no destructor runs.
        std::process::abort();
    });
}

/// Ends with the process that pays.
async fn pay_and_die(url: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["rows::pays_and_dies_if_it_is_told_to", "--exact", "--nocapture"]);
    let mut child = Child::start(command.env("DURABLE_PAYS", url)).unwrap();
    let begun = Instant::now();
    while !child.has_ended() {
        assert!(begun.elapsed() < LONG, "{}", child.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(number(url, "select count(*)::int from payment").await, 1, "{}", child.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_right_before_the_process_died_is_delivered_by_another() {
    if !wanted("postgres") {
        return;
    }
    let server = Postgres::start().unwrap();
    let folder = TempDir::new().unwrap();
    let journal = Journal::at(&folder.path().join("journal"));
    batch(&server.url(), "create table payment (id int primary key)").await;
    let _worker = Worker::start(&Job::new(server.url()), &journal);
    let office = Office::with_workers(&server.url()).await;
    pay_and_die(&server.url()).await;
    journal.until("the event", Duration::from_secs(10), |it| it.done().len() == 1).await;
    office.done(LONG).await;
    assert_eq!(journal.begun_again(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nobody_there_it_is_delivered_after_the_restart() {
    if !wanted("postgres") {
        return;
    }
    let server = Postgres::start().unwrap();
    let folder = TempDir::new().unwrap();
    let journal = Journal::at(&folder.path().join("journal"));
    batch(&server.url(), "create table payment (id int primary key)").await;
    let worker = Worker::start(&Job::new(server.url()), &journal);
    // The listener becomes known, and everybody goes.
    drop(Office::with_workers(&server.url()).await);
    drop(worker);
    pay_and_die(&server.url()).await;
    assert!(journal.done().is_empty());
    let _worker = Worker::start(&Job::new(server.url()), &journal);
    journal.until("the event", LONG, |it| it.done().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_publish_in_opposite_order_never_wait_for_each_other() {
    if !wanted("postgres") {
        return;
    }
    let server = Postgres::start().unwrap();
    let folder = TempDir::new().unwrap();
    let journal = Journal::at(&folder.path().join("journal"));
    let _worker = Worker::start(&Job::new(server.url()), &journal);
    let office = Office::with_workers(&server.url()).await;
    let (mut one, mut two, mut three) =
        (client(&server.url()).await, client(&server.url()).await, client(&server.url()).await);
    // An unrelated one is open all the time.
    let other = client(&server.url()).await;
    other.batch_execute("begin; create table unrelated (n int)").await.unwrap();
    for round in 0..20 {
        let store = async |sql: &mut Client, orders: [u32; 2], commit: bool| {
            let mut tx = sql.transaction().await.unwrap();
            let events = office.context.transaction();
            for order in orders {
                events.publish_event(Paid { order });
                events.store_in(&mut tx).await.unwrap();
                // All have stored their first before any stores its second.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if commit {
                tx.commit().await.unwrap();
                events.commit().await.unwrap();
            } else {
                tx.rollback().await.unwrap();
                events.rollback().await.unwrap();
            }
        };
        let first = round * 10;
        let begun = Instant::now();
        tokio::join!(
            store(&mut one, [first, first + 1], true),
            store(&mut two, [first + 3, first + 2], true),
            store(&mut three, [first + 5, first + 4], false),
        );
        // No lock of one was waited for by another: a deadlock would be an error, after a second.
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let all = 4 * (round as usize + 1);
        journal.until("both pairs", Duration::from_secs(5), |it| it.done().len() == all).await;
    }
    office.done(LONG).await;
    assert!(journal.done().keys().all(|order| order % 10 < 4), "nothing of the third");
    other.batch_execute("rollback").await.unwrap();
}
