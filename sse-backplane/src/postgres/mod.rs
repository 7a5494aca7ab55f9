//! PostgreSQL, 13 or newer: the engine in which an event and a business row are stored together or not at all.
//!
//! `postgres://user:password@host:5432/database?sslmode=verify-full`, with these options besides the usual ones:
//!
//! | option | |
//! |---|---|
//! | `sslmode` | `verify-full` (or `require`, which is the same here), `disable`; plain without it. What is encrypted is verified |
//! | `sslrootcert` | a PEM file with the certificates to trust; without it those of this machine |
//! | `direct_host`, `direct_port` | where to listen, if the URL leads to a pooler in transaction mode: it loses `LISTEN` |
//!
//! Everything is in one schema for each namespace, made when the engine starts; [`SCHEMA`] is its text, with the rights
//! that are needed if somebody else makes it. Nothing depends on `search_path`, and no statement is prepared under a name.
//!
//! # How it works
//! * A batch is **one statement**, a function: the namespace's advisory lock, positions, one insert for all events, commit. There
//!   is no counter row for each topic, and a lock never outlives a statement, so a process that stands still holds up nobody.
//! * Then the bell is rung: a `NOTIFY` in a transaction of its own, never in anybody's. Whoever misses it looks by
//!   itself, after 250 ms at first and at most 2 s.
//! * [`outbox_sql`], [`TokioPostgres`] and (feature `sqlx`) `Sqlx` store in a **transaction of the application**: plain inserts, no
//!   lock, no bell. Some node moves them to the log when they are committed, and no other transaction holds that up.
//! * Retention goes on in the background, in small steps, on one node at a time.
//!
//! # What a send costs
//! One round trip and one wait for the disk, for everything that was sent while the batch before was under way; nothing waits for
//! company. Under load the disk is the bound: with 64 sends under way at most 64 are stored in each of its waits, and as many
//! connections that commit by themselves would share that wait too. Then each node reads once, which takes one round trip and looks
//! at no topic but those of what it reads. Events do not travel in the notification, which would save that: `LISTEN` needs no
//! right, so whoever may connect to the database, with rights to nothing in it, could read them all.
//!
//! A durable listener's event waits for the disk twice, once for the event and once for who has it. What became of events is stored
//! on a connection of its own, beside what is taken next.
//!
//! # What it takes
//! Eight connections for each process at most: one that hears and reads, one each for what is sent, loaded, moved and dropped, and three
//! for durable listeners. A server that has none left (`max_connections`) is a store that is away for whatever needs one more, which the
//! log says.
//!
//! # What can be lost
//! Nothing that was answered, as long as `fsync` and `synchronous_commit` are on. A standby that is promoted may lack the
//! last commits if replication is asynchronous; an older copy may be restored. Both begin a new epoch: by another timeline
//! or server, or because a process that is still there knows of more than is in the store.

mod address;
mod bell;
mod failure;
mod feed;
mod floors;
mod follow;
mod line;
mod names;
mod outbox;
mod queue;
mod session;
#[cfg(feature = "sqlx")]
mod sqlx;
mod tls;
mod values;
mod work;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use sse_tower_core::backplane::{
    Answer, Batch, Change, Engine, EngineError, EngineErrorKind, EngineFuture, Feed, Head, Loaded,
    Mark, Position, Queue, Record, Topic, Want,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_postgres::{Error, Row, types::Type};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "sqlx")]
pub use self::sqlx::Sqlx;
use self::{
    address::Address,
    bell::{Bell, LOG, QUEUE},
    feed::{MAX_ORDERS, Order, Reader},
    follow::Followed,
    line::{Line, OwnLine, owned},
    names::Names,
    queue::PostgresQueue,
    session::{Shared, closed},
    values::{Columns, Param, Uuid, number, position},
    work::Mover,
};
pub use self::{
    names::{MAX_NAMESPACE_BYTES, SCHEMA, schema},
    outbox::{OutboxSql, TokioPostgres, outbox_sql},
};

/// Each call of the feed ends within this.
const CALL: Duration = Duration::from_secs(3);

/// The engine. Dropping it ends its tasks and connections at once; [`close`](Engine::close) finishes what was begun.
pub struct Postgres {
    shared: Arc<Shared>,
    running: OnceLock<Running>,
    end: CancellationToken,
}

/// What there is once it has started.
struct Running {
    append: Line,
    load: Line,
    queue: PostgresQueue,
    orders: mpsc::Sender<Order>,
    /// Rung for this process's feed, and for the mover.
    bell: Arc<Bell>,
    filled: Arc<Bell>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Postgres {
    /// An engine for this namespace of the database; it connects when it is started.
    ///
    /// # Errors
    /// The URL or the namespace cannot be used; the error repeats neither.
    ///
    /// ```
    /// # use sse_tower_backplane::postgres::Postgres;
    /// let engine = Postgres::new("postgres://app:secret@db.example/shop?sslmode=disable", "sse").unwrap();
    /// assert!(!format!("{engine:?}").contains("secret"));
    /// ```
    pub fn new(url: &str, namespace: &str) -> Result<Self, EngineError> {
        let shared = Shared::new(Address::read(url)?, Names::new(namespace)?);
        Ok(Self {
            shared: Arc::new(shared),
            running: OnceLock::new(),
            end: CancellationToken::new(),
        })
    }

    /// What runs, if this may be used.
    fn running(&self) -> Result<&Running, EngineError> {
        if self.end.is_cancelled() {
            return Err(closed());
        }
        self.running.get().ok_or_else(|| EngineError::refused("this engine was not started"))
    }

    async fn begin(&self, feed: Feed) -> Result<Mark, EngineError> {
        if self.end.is_cancelled() {
            return Err(closed());
        }
        if self.running.get().is_some() {
            return Err(EngineError::refused("this engine was started before"));
        }
        let (bell, filled) = (Arc::new(Bell::new()), Arc::new(Bell::new()));
        let (session, mark) = self.shared.connect(Some(bell.clone())).await?;
        let mut tasks = Vec::new();
        let line = |tasks: &mut Vec<_>| {
            let (line, task) = Line::new(&self.shared);
            tasks.push(task);
            line
        };
        let (orders, waiting) = mpsc::channel(MAX_ORDERS);
        let reader = Reader {
            shared: self.shared.clone(),
            feed,
            bell: bell.clone(),
            orders: waiting,
            end: self.end.clone(),
            followed: Followed::new(),
            mark,
            read_at: Instant::now(),
        };
        let mover = Mover {
            shared: self.shared.clone(),
            line: line(&mut tasks),
            filled: filled.clone(),
            bell: bell.clone(),
            end: self.end.clone(),
        };
        let running = Running {
            append: line(&mut tasks),
            load: line(&mut tasks),
            queue: PostgresQueue {
                shared: self.shared.clone(),
                line: Arc::new(line(&mut tasks)),
                verdicts: line(&mut tasks),
                floors: Arc::default(),
                leases: OwnLine::new(&self.shared),
                bell: bell.clone(),
            },
            orders,
            bell,
            filled,
            tasks: Mutex::default(),
        };
        tasks.push(tokio::spawn(reader.run(session)));
        tasks.push(tokio::spawn(mover.run()));
        let house = work::house(line(&mut tasks), self.end.clone());
        tasks.push(tokio::spawn(house));
        running.tasks.lock().append(&mut tasks);
        if self.running.set(running).is_err() {
            return Err(EngineError::refused("this engine was started before"));
        }
        Ok(mark)
    }

    /// Tells the feed, and waits for its answer.
    fn order<T: Send + 'static>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, EngineError>>) -> Order,
    ) -> EngineFuture<'_, T> {
        let (answer, answered) = oneshot::channel();
        let sent = self.running().and_then(|running| {
            running.orders.try_send(order(answer)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => EngineError::unavailable(format!(
                    "{MAX_ORDERS} calls wait for the feed already"
                )),
                mpsc::error::TrySendError::Closed(_) => closed(),
            })
        });
        Box::pin(async move {
            sent?;
            match timeout(CALL, answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(closed()),
                Err(_) => Err(EngineError::unavailable("the feed does not answer in time")),
            }
        })
    }
}

impl Engine for Postgres {
    fn namespace(&self) -> &str {
        self.shared.names.namespace()
    }

    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        Box::pin(self.begin(feed))
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        let begun = self.running().and_then(|running| {
            values::check(&batch.entries)?;
            let (shared, bell) = (self.shared.clone(), running.bell.clone());
            let why = batch.entries.iter().fold(0, |why, entry| {
                why | if matches!(entry.change, Change::Enqueue(_)) { QUEUE } else { LOG }
            });
            let stored = running.append.call(move |session| async move {
                let columns = Columns::of(&batch.entries);
                let (node, count) = (Uuid(batch.node.get()), number(batch.number));
                let mut params: Vec<Param<'_>> = vec![(&node, Type::UUID), (&count, Type::INT8)];
                params.extend(columns.params());
                let sql = shared.names.sql(
                    "select * from sse.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
                );
                let row = session.client.query_typed_one(&sql, &params).await?;
                shared.reached(position(row.try_get("last")?));
                bell.ring(why);
                row.try_get::<_, Option<Vec<i64>>>("answers")
            });
            // Right behind it on the same connection: rung as soon as it is committed, and before its answer is here.
            running.append.ring(&running.bell, why);
            Ok(stored)
        });
        Box::pin(async move {
            let Some(answers) = begun?.await? else {
                return Err(EngineError::new(
                    EngineErrorKind::Superseded,
                    "a newer batch of this process was stored before",
                ));
            };
            Ok(answers.into_iter().map(answer).collect())
        })
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        let begun = self.running().map(|running| {
            let names: Vec<Vec<u8>> = wants.iter().map(|want| want.topic.as_str().into()).collect();
            let after: Vec<i64> = wants.iter().map(|want| number(want.after.get())).collect();
            let events: Vec<i32> = wants.iter().map(|want| values::small(want.events)).collect();
            let bytes: Vec<i64> = wants.iter().map(|want| number(want.bytes)).collect();
            let params = vec![
                owned(names, Type::BYTEA_ARRAY),
                owned(after, Type::INT8_ARRAY),
                owned(events, Type::INT4_ARRAY),
                owned(bytes, Type::INT8_ARRAY),
            ];
            running.load.rows("select * from sse.load($1, $2, $3, $4)", params)
        });
        Box::pin(async move {
            let rows = begun?.await?;
            loaded(wants, &rows).map_err(|error| self.shared.explain(&error).into())
        })
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        self.order(|answer| Order::Follow(topics, answer))
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        if let Ok(running) = self.running() {
            // What is followed too long is passed over by whoever is fed.
            let _ = running.orders.try_send(Order::Unfollow(topics));
        }
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        self.order(Order::Mark)
    }

    fn restart_feed(&self) {
        if let Ok(running) = self.running() {
            // Full of orders, it will find out by itself.
            let _ = running.orders.try_send(Order::Restart);
        }
    }

    fn outbox_filled(&self) {
        if let Ok(running) = self.running() {
            running.filled.ring(LOG);
        }
    }

    fn queue(&self) -> Option<&dyn Queue> {
        self.running().ok().map(|running| &running.queue as &dyn Queue)
    }

    fn durability(&self) -> &'static str {
        self.shared.durability().sentence()
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        self.end.cancel();
        let tasks = self.running.get().map(|running| {
            let queue = &running.queue;
            for line in [&running.append, &running.load, &*queue.line, &queue.verdicts] {
                line.close();
            }
            let mut tasks = std::mem::take(&mut *running.tasks.lock());
            tasks.extend(queue.leases.close());
            tasks
        });
        Box::pin(async move {
            for task in tasks.into_iter().flatten() {
                // Each ends within its own bounds; one that was cut off has ended too.
                let _ = task.await;
            }
            Ok(())
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

fn answer(stored: i64) -> Answer {
    match stored {
        0 => Answer::Closed,
        1.. => Answer::Stored(position(stored)),
        _ => Answer::Repeated(position(stored.saturating_neg())),
    }
}

/// What `load` gives: for each topic a row, or one for each of its events.
fn loaded(wants: Vec<Want>, rows: &[Row]) -> Result<Vec<Loaded>, Error> {
    let mut all: Vec<Loaded> = Vec::with_capacity(wants.len());
    let mut rows = rows.iter().peekable();
    for (ord, want) in (1_i64..).zip(wants) {
        let mut one: Option<Loaded> = None;
        while let Some(row) = rows.peek() {
            if row.try_get::<_, i64>("ord")? != ord {
                break;
            }
            let to = match &mut one {
                Some(one) => one,
                None => one.insert(empty(want.topic.clone(), row)?),
            };
            if let Some(at) = row.try_get::<_, Option<i64>>("pos")? {
                let body: Option<&[u8]> = row.try_get("body")?;
                if let Some(change) = values::change(0, body, row.try_get("once")?, None) {
                    let previous = position(row.try_get("prev")?);
                    to.records.push(Record {
                        topic: want.topic.clone(),
                        position: position(at),
                        previous,
                        change,
                    });
                }
            }
            rows.next();
        }
        all.extend(one);
    }
    Ok(all)
}

fn empty(topic: Topic, row: &Row) -> Result<Loaded, Error> {
    let place = |column: &str| -> Result<Position, Error> { Ok(position(row.try_get(column)?)) };
    let maybe = |column: &str| -> Result<Option<Position>, Error> {
        Ok(row.try_get::<_, Option<i64>>(column)?.map(position))
    };
    let head = match row.try_get::<_, Option<i64>>("id")? {
        None => None,
        Some(_) => Some(Head {
            last: place("last")?,
            newest: place("newest")?,
            completed: maybe("completed")?,
            disconnected: place("disconnected")?,
            claimed: maybe("claimed")?
                .zip(row.try_get::<_, Option<i64>>("holder")?.map(|holder| holder as u64)),
        }),
    };
    let epoch: i64 = row.try_get("epoch")?;
    Ok(Loaded {
        topic,
        head,
        records: Vec::new(),
        forgotten: place("forgotten")?,
        epoch: sse_tower_core::backplane::Epoch::new(u64::try_from(epoch).unwrap_or(0)),
    })
}
