//! Workers that are killed, frozen and cut off, and stores that are.

use std::time::{Duration, Instant};

use engine_servers::{Relay, Signal};
use tempfile::TempDir;

use super::{
    journal::{Journal, What},
    servers::{Server, on_each_engine},
    worker::{Job, Mode, Office, POISON, Worker},
};

const EVENTS: u32 = 4_000;

/// A busy machine fails no test; what is promised within seconds is asserted where it is.
const LONG: Duration = Duration::from_secs(120);

fn journal() -> (TempDir, Journal) {
    let folder = TempDir::with_prefix("sse-tower-durable-").unwrap();
    let journal = Journal::at(&folder.path().join("journal"));
    (folder, journal)
}

on_each_engine! {
    a_worker_that_is_killed_in_the_middle_loses_nothing_and_doubles_what_it_had_at_most
    of_two_workers_the_other_goes_on_with_everything
    a_worker_frozen_past_its_lease_says_nothing_that_counts
    who_is_cut_off_stops_before_another_begins
    who_blocks_its_runtime_keeps_its_lease
    a_store_killed_under_load_finds_nobody_dead_and_loses_nothing
    what_aborts_its_process_is_dead_after_its_attempts_and_takes_no_innocents_along
}

/// Kills the first of so many workers in the middle of all events.
async fn kill_one_of(workers: usize, engine: &str) {
    let Some(server) = Server::start(engine).await else { return };
    let (_folder, journal) = journal();
    let job = Job::new(server.url());
    let mut workers: Vec<_> = (0..workers).map(|_| Worker::start(&job, &journal)).collect();
    let office = Office::with_workers(&server.url()).await;
    let publish = office.publish(0..EVENTS);
    let kill = async {
        let some = |it: &Journal| it.lines().len() > 1_000;
        journal.until("a thousand lines", LONG, some).await;
        workers[0].0.kill();
    };
    tokio::join!(publish, kill);
    let killed = Instant::now();
    office.done(LONG).await;
    let took = killed.elapsed();
    let done = journal.done();
    assert_eq!(done.len(), EVENTS as usize, "none is lost");
    let again = journal.begun_again();
    // What had begun in the one that was killed and was not reported as done.
    assert!(again <= 2 * job.concurrency as usize, "{again} began again");
    let stats = office.stats().await.unwrap();
    assert_eq!(stats.dead, 0, "{stats:?}");
    eprintln!("{engine}: {again} began again, {took:?} after the kill all was done");
}

async fn a_worker_that_is_killed_in_the_middle_loses_nothing_and_doubles_what_it_had_at_most(
    engine: &str,
) {
    kill_one_of(3, engine).await;
}

async fn of_two_workers_the_other_goes_on_with_everything(engine: &str) {
    kill_one_of(2, engine).await;
}

async fn a_worker_frozen_past_its_lease_says_nothing_that_counts(engine: &str) {
    let Some(server) = Server::start(engine).await else { return };
    let (_folder, journal) = journal();
    let once = engine == "postgres";
    let mut job = Job { takes: Duration::from_secs(2), ..Job::new(server.url()) };
    if once {
        job.mode = Mode::Once;
        super::rows::batch(&server.url(), "create table effect (id bigint primary key, times int)")
            .await;
    }
    let frozen = Worker::start(&job, &journal);
    let office = Office::with_workers(&server.url()).await;
    office.publish([1]).await;
    journal.until("it has begun", LONG, |it| !it.of(1).is_empty()).await;
    frozen.signal(Signal::STOP);
    let _other = Worker::start(&job, &journal);
    journal.until("another has done it", LONG, |it| it.done().contains_key(&1)).await;
    frozen.signal(Signal::CONT);
    // Whatever it still says of it, it is done, and not a third time.
    tokio::time::sleep(Duration::from_secs(5)).await;
    office.done(LONG).await;
    let lines = journal.of(1);
    let begun = lines.iter().filter(|it| it.what == What::Begun).count();
    assert_eq!(begun, 2, "{lines:?}");
    let attempts: Vec<_> =
        lines.iter().filter(|it| it.what == What::Begun).map(|it| it.attempt).collect();
    assert_eq!(attempts, [1, 2], "a loss is an attempt");
    let stats = office.stats().await.unwrap();
    assert_eq!((stats.dead, stats.waiting, stats.running), (0, 0, 0), "{stats:?}");
    if once {
        let times =
            super::rows::number(&server.url(), "select times from effect where id = 1").await;
        assert_eq!(times, 1, "the effect happened once");
    }
    // It lives on, as somebody else.
    office.publish(100..140).await;
    office.done(LONG).await;
    assert_eq!(journal.done().len(), 41);
}

async fn who_is_cut_off_stops_before_another_begins(engine: &str) {
    let Some(server) = Server::start(engine).await else { return };
    let (_folder, journal) = journal();
    let relay = Relay::start(server.address()).await.unwrap();
    let job = Job { takes: Duration::from_secs(60), ..Job::new(server.url_at(relay.address())) };
    let _cut = Worker::start(&job, &journal);
    let office = Office::with_workers(&server.url()).await;
    office.publish([1]).await;
    journal.until("it has begun", LONG, |it| !it.of(1).is_empty()).await;
    relay.silence_all();
    let silent = Instant::now();
    let job = Job { takes: Duration::from_millis(20), ..Job::new(server.url()) };
    let _other = Worker::start(&job, &journal);
    journal.until("another has done it", LONG, |it| it.done().contains_key(&1)).await;
    let lines = journal.of(1);
    let whats: Vec<_> = lines.iter().map(|it| it.what).collect();
    assert_eq!(whats, [What::Begun, What::Cut, What::Begun, What::Done], "{lines:?}");
    assert_ne!(lines[0].process, lines[2].process);
    assert!(silent.elapsed() < Duration::from_secs(30), "{:?}", silent.elapsed());
}

/// A listener that blocks the only thread of its program's runtime for longer than a lease.
async fn who_blocks_its_runtime_keeps_its_lease(engine: &str) {
    let Some(server) = Server::start(engine).await else { return };
    let (_folder, journal) = journal();
    let takes = Duration::from_secs(16);
    let job = Job { mode: Mode::Blocks, takes, concurrency: 1, ..Job::new(server.url()) };
    let _workers = [(); 2].map(|()| Worker::start(&job, &journal));
    let office = Office::with_workers(&server.url()).await;
    office.publish([1]).await;
    journal.until("it is done", LONG, |it| it.done().contains_key(&1)).await;
    let lines = journal.of(1);
    let whats: Vec<_> = lines.iter().map(|it| it.what).collect();
    assert_eq!(whats, [What::Begun, What::Done], "{lines:?}");
}

async fn a_store_killed_under_load_finds_nobody_dead_and_loses_nothing(engine: &str) {
    let Some(mut server) = Server::start(engine).await else { return };
    let (_folder, journal) = journal();
    let job = Job { concurrency: 16, ..Job::new(server.url()) };
    let _workers = [(); 2].map(|()| Worker::start(&job, &journal));
    let office = Office::with_workers(&server.url()).await;
    office.publish(0..2_000).await;
    journal.until("some are done", LONG, |it| it.lines().len() > 300).await;
    server.kill();
    tokio::time::sleep(Duration::from_secs(15)).await;
    server.restart().await;
    office.done(LONG).await;
    assert_eq!(journal.done().len(), 2_000, "none is lost");
    let again = journal.begun_again();
    assert!(again <= 2 * 2 * 16, "{again} began again");
    let attempts = journal.lines().iter().map(|it| it.attempt).max();
    // Cut by themselves, and nobody called them dead.
    assert_eq!(attempts, Some(1), "nothing was counted as lost");
    assert_eq!(office.stats().await.unwrap().dead, 0);
}

async fn what_aborts_its_process_is_dead_after_its_attempts_and_takes_no_innocents_along(
    engine: &str,
) {
    let Some(server) = Server::start(engine).await else { return };
    let (_folder, journal) = journal();
    let job = Job { concurrency: 16, ..Job::new(server.url()) };
    let mut worker = Worker::start(&job, &journal);
    let office = Office::with_workers(&server.url()).await;
    office.publish((0..100).chain([POISON]).chain(100..200)).await;
    let begun = Instant::now();
    loop {
        let stats = office.stats().await.unwrap();
        if stats.backlog + stats.waiting + stats.running == 0 {
            break;
        }
        assert!(begun.elapsed() < LONG, "{stats:?}");
        // As whoever runs processes does.
        if worker.0.has_ended() {
            worker = Worker::start(&job, &journal);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let done = journal.done();
    assert_eq!(done.len(), 200, "every innocent");
    let letters = office.context.dead_letters("mail").await.unwrap();
    let [letter] = &letters[..] else { panic!("only the poison is dead: {letters:?}") };
    assert_eq!((letter.failures, letter.losses), (0, 3));
    let deaths = journal.of(POISON);
    assert_eq!(deaths.len(), 3, "it killed as many as it may: {deaths:?}");
}
