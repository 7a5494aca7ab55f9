//! A worker process: what it does, and starting one.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use engine_servers::{Child, Signal};
use serde::{Deserialize, Serialize};
use sse_tower_backplane::{Backplane, open};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, EventMeta, EventType, Listener, ListenerBuilder,
    ListenerError, ListenerStats,
};
use tokio_postgres::NoTls;

use super::journal::{Journal, Run};

/// The event that aborts the process which has it.
pub(crate) const POISON: u32 = 1_000_000;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Paid {
    pub(crate) order: u32,
}

impl ApplicationEvent for Paid {
    fn event_type() -> EventType<Self> {
        EventType::new().name("order.paid").stored().json()
    }
}

/// What a worker does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// Waits.
    Waits,
    /// Waits, and then has an effect once in the database of the store.
    Once,
    /// Blocks the only thread of its runtime.
    Blocks,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) url: String,
    pub(crate) mode: Mode,
    pub(crate) takes: Duration,
    pub(crate) concurrency: u32,
}

impl Job {
    pub(crate) fn new(url: String) -> Self {
        Self { url, mode: Mode::Waits, takes: Duration::from_millis(20), concurrency: 64 }
    }
}

const JOB: [&str; 5] =
    ["DURABLE_URL", "DURABLE_JOURNAL", "DURABLE_MODE", "DURABLE_TAKES", "DURABLE_COUNT"];

/// This program again, as a worker. Ends with its guard.
pub(crate) struct Worker(pub(crate) Child);

impl Worker {
    pub(crate) fn start(job: &Job, journal: &Journal) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["worker::works_if_it_has_a_job", "--exact", "--nocapture"]);
        let takes = job.takes.as_millis().to_string();
        let (mode, count) = (format!("{:?}", job.mode), job.concurrency.to_string());
        let values = [job.url.as_str(), journal.path().to_str().unwrap(), &mode, &takes, &count];
        command.envs(JOB.into_iter().zip(values));
        Self(Child::start(&mut command).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }
}

/// Not a test: what a worker process runs.
#[test]
fn works_if_it_has_a_job() {
    let values: Option<Vec<String>> = JOB.iter().map(|name| std::env::var(name).ok()).collect();
    let Some([url, journal, mode, takes, count]) = values.as_deref() else { return };
    let job = Job {
        url: url.clone(),
        mode: match mode.as_str() {
            "Once" => Mode::Once,
            "Blocks" => Mode::Blocks,
            _ => Mode::Waits,
        },
        takes: Duration::from_millis(takes.parse().unwrap()),
        concurrency: count.parse().unwrap(),
    };
    let journal = Journal::at(Path::new(journal));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let backplane = open(&job.url).await.unwrap();
        let context = ApplicationContext::bare()
            .backplane(&backplane)
            .listener(listener(&job, journal))
            .build()
            .unwrap();
        std::future::pending::<()>().await;
        drop(context);
    });
}

pub(crate) fn listener(job: &Job, journal: Journal) -> ListenerBuilder<Paid> {
    let job = job.clone();
    let concurrency = job.concurrency;
    let listener = Listener::on_async_with_meta(move |paid: Arc<Paid>, meta: EventMeta| {
        let (job, journal) = (job.clone(), journal.clone());
        async move {
            let run = Run::begin(&journal, paid.order, meta.attempt());
            if paid.order == POISON {
                std::process::abort();
            }
            match job.mode {
                Mode::Blocks => std::thread::sleep(job.takes),
                Mode::Waits => tokio::time::sleep(job.takes).await,
                Mode::Once => {
                    tokio::time::sleep(job.takes).await;
                    effect(&job.url, paid.order, meta).await?;
                }
            }
            run.done();
            Ok::<(), ListenerError>(())
        }
    });
    let listener = listener.durable().id("mail").concurrency(concurrency);
    listener.attempts(3).timeout(Duration::from_secs(120))
}

/// Adds one to the event's row, once for each event.
async fn effect(url: &str, order: u32, meta: EventMeta) -> Result<(), ListenerError> {
    let (mut sql, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let mut tx = sql.transaction().await?;
    if meta.once_in(&mut tx).await? {
        let add = "insert into effect values ($1, 1) on conflict (id) do update set times = effect.times + 1";
        tx.execute(add, &[&i64::from(order)]).await?;
    }
    tx.commit().await?;
    connection.abort();
    Ok(())
}

/// This process: a node that publishes, and asks how all stands.
pub(crate) struct Office {
    pub(crate) context: ApplicationContext,
    _backplane: Backplane,
}

impl Office {
    pub(crate) async fn open(url: &str) -> Self {
        let backplane = open(url).await.unwrap();
        let context = ApplicationContext::bare().backplane(&backplane).build().unwrap();
        Self { context, _backplane: backplane }
    }

    /// The same once workers have made their listener known: what is published before is nobody's.
    pub(crate) async fn with_workers(url: &str) -> Self {
        let office = Self::open(url).await;
        let begun = std::time::Instant::now();
        while office.stats().await.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no worker came");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        office
    }

    /// Stores them, in order; a store that is away for a while is asked again.
    pub(crate) async fn publish(&self, orders: impl IntoIterator<Item = u32>) {
        let orders: Vec<u32> = orders.into_iter().collect();
        for some in orders.chunks(250) {
            let all: Vec<_> = some
                .iter()
                .map(|order| self.context.publish_event(Paid { order: *order }))
                .collect();
            for publication in all {
                publication.await.unwrap();
            }
        }
    }

    pub(crate) async fn stats(&self) -> Option<ListenerStats> {
        let all = self.context.listeners().await.ok()?;
        all.into_iter().find(|it| &*it.listener == "mail")
    }

    /// Until nothing is left to do.
    pub(crate) async fn done(&self, within: Duration) {
        let begun = std::time::Instant::now();
        loop {
            let stats = self.stats().await;
            let left = stats.as_ref().map(|it| it.backlog + it.waiting + it.running);
            if left == Some(0) {
                return;
            }
            assert!(begun.elapsed() < within, "not within {within:?}: {stats:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
