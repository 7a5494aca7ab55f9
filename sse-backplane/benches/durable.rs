//! Durable listeners on PostgreSQL, beside what is written by hand for the same:
//! `cargo bench -p sse-tower-backplane --features postgres --bench durable`.
//!
//! * *bare*: a row is inserted; workers take rows with `SKIP LOCKED`, as theirs, and commit; they handle them, and delete them.
//!   So it commits as often as ours: for the event, for who has it, and for its end. They are woken by a `NOTIFY` of the insert where
//!   the time of one event is measured. Where many are published it would let one insert commit at a time, so there they look
//!   again every 5 ms while there is nothing.
//! * *registry*: Spring Modulith's event publication registry by its published design. The row of a publication is inserted in
//!   the publisher's transaction; after the commit the listener runs in the same process, and marks the row as completed.
//!
//! All run in turns in one process on one server; each figure is the median of the rounds. Each commit waits for the disk.

mod measure;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use engine_servers::Postgres as Server;
use futures_util::{StreamExt, future, stream};
use measure::{median, report, rounds};
use serde::{Deserialize, Serialize};
use sse_tower_backplane::open;
use sse_tower_core::{ApplicationContext, ApplicationEvent, EventType, Listener};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_postgres::{AsyncMessage, Client, NoTls, types::Type};

const ROUNDS: usize = 7;
/// Publishers at once, and at most as many listeners.
const IN_FLIGHT: usize = 64;
const EVENTS: usize = 6_400;
const HOPS: usize = 300;
/// Connections of publishers by hand.
const CONNECTIONS: usize = 32;
/// Workers by hand, and how many rows each takes at once.
const WORKERS: i32 = 4;
const BATCH: i64 = 16;
/// How often they look again.
const POLL: Duration = Duration::from_millis(5);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone, Serialize, Deserialize)]
struct Paid {
    order: usize,
    text: String,
}

impl Paid {
    fn new(order: usize) -> Self {
        Self { order, text: "x".repeat(200) }
    }
}

impl ApplicationEvent for Paid {
    fn event_type() -> EventType<Self> {
        EventType::new().name("order.paid").stored().json()
    }
}

/// Where each says that it has handled an event.
type Handled = mpsc::UnboundedSender<Instant>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let server = Server::start_with(&["max_connections=200"])?;
    let (sql, _) = connect(&server).await?;
    sql.batch_execute(
        "create table rung (id bigint generated always as identity primary key, body text not null, owner int);
         create index on rung (id) where owner is null;
         create table polled (id bigint generated always as identity primary key, body text not null, owner int);
         create index on polled (id) where owner is null;
         create table event_publication (id bigint primary key, listener_id text not null, event_type text not null,
             serialized_event text not null, publication_date timestamptz not null, completion_date timestamptz);
         create index on event_publication (completion_date)",
    )
    .await?;
    let mut durable = Durable::open(&server).await?;
    let mut registry = Registry::open(&server).await?;
    let (mut rates, mut hops) = (Vec::new(), Vec::new());
    for _ in 0..rounds(ROUNDS) {
        let (stored, handled) = (durable.rate().await?, durable.hop().await?);
        // Gone afterwards, since those who look again and again would disturb the others.
        let polled = Bare::open(&server, Wake::Polled).await?.rate().await?;
        let rung = Bare::open(&server, Wake::Rung).await?.hop().await?;
        rates.push((stored, polled, registry.rate().await?));
        hops.push((handled, rung, registry.hop().await?));
    }
    let to_bare = |all: &[(f64, f64, f64)]| all.iter().map(|it| (it.0, it.1)).collect::<Vec<_>>();
    let to_registry =
        |all: &[(f64, f64, f64)]| all.iter().map(|it| (it.0, it.2)).collect::<Vec<_>>();
    report("events/s published and handled, 64 publishers: durable, bare", &to_bare(&rates));
    report("the same: durable, registry", &to_registry(&rates));
    report("microseconds from publish to handled (p50): durable, bare", &to_bare(&hops));
    report("the same: durable, registry", &to_registry(&hops));
    Ok(())
}

/// A client, and a channel that rings with each notification.
async fn connect(server: &Server) -> Result<(Client, mpsc::UnboundedReceiver<()>)> {
    let (client, mut connection) = tokio_postgres::connect(&server.url(), NoTls).await?;
    let (ring, rang) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(_) = message {
                // Whoever does not listen has dropped its end.
                let _ = ring.send(());
            }
        }
    });
    Ok((client, rang))
}

/// One of the ways.
trait Way: Clone + Send + Sync + 'static {
    /// Publishes, until it is stored.
    fn publish(&self, event: Paid) -> impl Future<Output = Result<()>> + Send;
}

/// A way with where it says what it has handled.
struct Measured<W> {
    way: W,
    handled: mpsc::UnboundedReceiver<Instant>,
    workers: Vec<JoinHandle<Result<()>>>,
}

impl<W: Way> Measured<W> {
    /// Until the last is handled.
    async fn rate(&mut self) -> Result<f64> {
        let begun = Instant::now();
        let publishers = (0..IN_FLIGHT).map(|publisher| {
            let way = self.way.clone();
            tokio::spawn(async move {
                for index in 0..EVENTS / IN_FLIGHT {
                    way.publish(Paid::new(publisher + index * IN_FLIGHT)).await?;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            })
        });
        let publishers = publishers.collect::<Vec<_>>();
        for _ in 0..EVENTS {
            self.next().await?;
        }
        let took = begun.elapsed();
        for publisher in publishers {
            publisher.await??;
        }
        Ok(EVENTS as f64 / took.as_secs_f64())
    }

    /// One at a time, in microseconds.
    async fn hop(&mut self) -> Result<f64> {
        let mut times = Vec::new();
        for order in 0..HOPS {
            let begun = Instant::now();
            let way = self.way.clone();
            let (stored, handled) = future::join(way.publish(Paid::new(order)), self.next()).await;
            stored?;
            times.push(handled?.saturating_duration_since(begun).as_secs_f64() * 1e6);
        }
        Ok(median(times))
    }

    async fn next(&mut self) -> Result<Instant> {
        let next = tokio::time::timeout(Duration::from_secs(60), self.handled.recv()).await?;
        Ok(next.ok_or("the listeners ended")?)
    }
}

impl<W> Drop for Measured<W> {
    fn drop(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Clone)]
struct Durable(ApplicationContext);

impl Durable {
    async fn open(server: &Server) -> Result<Measured<Self>> {
        let (put, handled) = mpsc::unbounded_channel();
        let backplane = open(server.url()).await?;
        let listener = Listener::on_async(move |_: Arc<Paid>| {
            let _ = put.send(Instant::now());
            async {}
        });
        let listener = listener.durable().id("bench").concurrency(IN_FLIGHT as u32);
        let context =
            ApplicationContext::bare().backplane(&backplane).listener(listener).build()?;
        // What is published before it is known is nobody's.
        while context.listeners().await.map_or(true, |all| all.is_empty()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Measured { way: Self(context), handled, workers: Vec::new() })
    }
}

impl Way for Durable {
    async fn publish(&self, event: Paid) -> Result<()> {
        self.0.publish_event(event).await?;
        Ok(())
    }
}

/// Clients of which each publisher has one for itself for a while.
#[derive(Clone)]
struct Pool(Arc<Mutex<Vec<Client>>>, Arc<tokio::sync::Semaphore>);

impl Pool {
    async fn open(server: &Server) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(connect(server).await?.0);
        }
        let permits = tokio::sync::Semaphore::new(CONNECTIONS);
        Ok(Self(Arc::new(Mutex::new(clients)), Arc::new(permits)))
    }

    async fn with<T>(&self, run: impl AsyncFnOnce(&mut Client) -> Result<T>) -> Result<T> {
        let _permit = self.1.acquire().await?;
        let client = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut client = client.ok_or("there are as many clients as permits")?;
        let done = run(&mut client).await;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        done
    }
}

/// How bare workers hear of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wake {
    Rung,
    Polled,
}

#[derive(Clone)]
struct Bare {
    pool: Pool,
    insert: &'static str,
}

impl Bare {
    async fn open(server: &Server, wake: Wake) -> Result<Measured<Self>> {
        let (put, handled) = mpsc::unbounded_channel();
        let mut workers = Vec::new();
        for owner in 0..WORKERS {
            let (client, rang) = connect(server).await?;
            if wake == Wake::Rung {
                client.batch_execute("listen rung").await?;
            }
            workers.push(tokio::spawn(work(client, owner, wake, rang, put.clone())));
        }
        let insert = match wake {
            Wake::Rung => {
                "with stored as (insert into rung (body) values ($1) returning id) select pg_notify('rung', '') from stored"
            }
            Wake::Polled => "insert into polled (body) values ($1)",
        };
        let way = Self { pool: Pool::open(server).await?, insert };
        Ok(Measured { way, handled, workers })
    }
}

/// Takes, commits, handles and deletes.
async fn work(
    client: Client,
    owner: i32,
    wake: Wake,
    mut rang: mpsc::UnboundedReceiver<()>,
    put: Handled,
) -> Result<()> {
    let table = if wake == Wake::Rung { "rung" } else { "polled" };
    let take = format!(
        "update {table} set owner = $2 where id in (select id from {table} where owner is null order by id limit $1 \
         for update skip locked) returning id, body"
    );
    let take = client.prepare(&take).await?;
    let done = client.prepare(&format!("delete from {table} where id = any($1)")).await?;
    loop {
        let rows = client.query(&take, &[&BATCH, &owner]).await?;
        let mut ids = Vec::<i64>::with_capacity(rows.len());
        for row in &rows {
            let _: Paid = serde_json::from_str(row.try_get(1)?)?;
            let _ = put.send(Instant::now());
            ids.push(row.try_get(0)?);
        }
        if !ids.is_empty() {
            client.execute(&done, &[&ids]).await?;
        } else if wake == Wake::Polled {
            tokio::time::sleep(POLL).await;
        } else {
            rang.recv().await.ok_or("the connection ended")?;
            while rang.try_recv().is_ok() {}
        }
    }
}

impl Way for Bare {
    async fn publish(&self, event: Paid) -> Result<()> {
        let body = serde_json::to_string(&event)?;
        self.pool
            .with(async |client| {
                client.query_typed(self.insert, &[(&body, Type::TEXT)]).await?;
                Ok(())
            })
            .await
    }
}

#[derive(Clone)]
struct Registry {
    pool: Pool,
    put: Handled,
    next: Arc<std::sync::atomic::AtomicI64>,
}

impl Registry {
    async fn open(server: &Server) -> Result<Measured<Self>> {
        let (put, handled) = mpsc::unbounded_channel();
        let pool = Pool::open(server).await?;
        let way = Self { pool, put, next: Arc::default() };
        Ok(Measured { way, handled, workers: Vec::new() })
    }
}

impl Way for Registry {
    async fn publish(&self, event: Paid) -> Result<()> {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let body = serde_json::to_string(&event)?;
        self.pool
            .with(async |client| {
                let tx = client.transaction().await?;
                let insert = "insert into event_publication values ($1, 'bench', 'order.paid', $2, now(), null)";
                tx.query_typed(insert, &[(&id, Type::INT8), (&body, Type::TEXT)]).await?;
                tx.commit().await?;
                Ok(())
            })
            .await?;
        let (pool, put) = (self.pool.clone(), self.put.clone());
        // The listener, which is asynchronous.
        tokio::spawn(async move {
            drop(event);
            let _ = put.send(Instant::now());
            let update = "update event_publication set completion_date = now() where id = $1";
            let update = async |client: &mut Client| {
                Ok(client.query_typed(update, &[(&id, Type::INT8)]).await?)
            };
            pool.with(update).await
        });
        Ok(())
    }
}
