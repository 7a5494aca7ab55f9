//! Application events between processes at each engine, on a real server: broadcasts reach every process once and in order,
//! and a durable event whose process is killed is handled by another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use engine_servers::{Nats, Postgres, Redis, only_with};
use serde::{Deserialize, Serialize};
use sse_tower::{
    ApplicationContext, ApplicationEvent, EventMeta, ListenerError, backplane::open, event_listener,
};

/// Set for a process that these tests start: the store's URL.
const URL: &str = "SSE_TEST_EVENTS_URL";
/// Longer than a lease, after which others may take over, and what it takes to notice.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "order.paid", version = 1, stored)]
struct OrderPaid {
    order: u64,
}

#[derive(Serialize, Deserialize, ApplicationEvent)]
#[event(name = "article.repriced", version = 1, broadcast)]
struct ArticleRepriced {
    article: u64,
}

/// Holds what it is given for the first time until its process is killed.
#[event_listener(durable, id = "mail", from = "earliest")]
async fn mail(paid: &OrderPaid, meta: EventMeta) -> Result<(), ListenerError> {
    if meta.attempt() == 1 {
        println!("holds {}", paid.order);
        std::future::pending::<()>().await;
    }
    println!("done {}", paid.order);
    Ok(())
}

#[event_listener]
fn shelf(repriced: &ArticleRepriced) {
    println!("heard {}", repriced.article);
}

/// Does nothing unless it was started for that.
#[tokio::test]
async fn a_process_that_takes_events_until_it_is_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let backplane = open(url).await.unwrap();
    let _context = ApplicationContext::builder().backplane(&backplane).build().unwrap();
    println!("ready");
    std::future::pending::<()>().await;
}

/// Such a process, ended by its own process id.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_process_that_takes_events_until_it_is_killed", "--nocapture"]);
        command.env(URL, url).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (put, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Nobody reads any more once the test is over.
                let _ = put.send(line);
            }
        });
        let process = Self { child, lines };
        process.until("ready");
        process
    }

    /// What it says up to this line.
    #[track_caller]
    fn until(&self, end: &str) -> Vec<String> {
        let mut said = Vec::new();
        while said.last().is_none_or(|line| line != end) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => said.push(line),
                Err(error) => panic!("{end:?} is not said ({error}), but {said:?}"),
            }
        }
        said
    }

    /// Whether it has said this by now.
    fn has_said(&self, line: &str) -> bool {
        self.lines.try_iter().any(|said| said == line)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that is gone already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn events_between_processes(url: &str) {
    let mut processes = vec![Process::start(url), Process::start(url)];
    let backplane = open(url).await.unwrap();
    // Without the listeners of this file: it only publishes.
    let context = ApplicationContext::bare().backplane(&backplane).build().unwrap();

    for article in 1..=20 {
        context.publish_event(ArticleRepriced { article }).await.unwrap();
    }
    for process in &processes {
        let heard = process.until("heard 20");
        let all: Vec<_> = (1..=20).map(|article| format!("heard {article}")).collect();
        assert_eq!(heard, all, "every one once, in the order stored");
    }

    context.publish_event(OrderPaid { order: 7 }).await.unwrap();
    let holder = loop {
        if let Some(holder) = processes.iter().position(|process| process.has_said("holds 7")) {
            break holder;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // As `kill -9` does.
    drop(processes.remove(holder));
    assert_eq!(processes[0].until("done 7"), ["done 7"], "nobody else had begun it");
    backplane.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_events_reach_other_processes_and_survive_one() {
    only_with!("redis");
    let server = Redis::start().unwrap();
    events_between_processes(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_events_reach_other_processes_and_survive_one() {
    only_with!("postgres");
    let server = Postgres::start().unwrap();
    events_between_processes(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_nats_events_reach_other_processes_and_survive_one() {
    only_with!("nats");
    let server = Nats::start().await.unwrap();
    events_between_processes(&server.url()).await;
}
