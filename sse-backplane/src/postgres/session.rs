//! One connection that is ready to be used.

use std::{
    fmt,
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use sse_tower_core::backplane::{EngineError, EngineErrorKind, Epoch, Mark, Position};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, NoTls, Statement, types::Type};

use super::{
    address::Address,
    bell::Bell,
    failure::Failure,
    names::Names,
    values::{Param, number},
};

/// So long a connection may take until it is ready.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// The oldest server that has everything that is used, `xid8` above all.
const OLDEST: i32 = 130_000;
/// In which any name and any error can be stored.
const ENCODINGS: [&str; 2] = ["UTF8", "SQL_ASCII"];
/// The isolation that every statement here is written for.
const READ_COMMITTED: &str = "read committed";
/// What is asked on the connection that hears is planned once, while its tables may be empty: by keys, whatever their size.
const PLANS: &str =
    "set enable_seqscan = off; set jit = off; set plan_cache_mode = force_generic_plan; ";
/// The schema that this program knows.
const VERSION: i32 = 1;

/// What all connections of an engine share.
pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) names: Names,
    /// The newest position that this process heard of, and in which epoch: a store that lacks it lost its past.
    known: Mutex<Mark>,
    sessions: AtomicU64,
    durability: OnceLock<Durability>,
}

/// How well the store keeps its word, as its settings have it for this user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Each commit is on the disk before it is answered.
    Synced,
    /// `synchronous_commit` is off.
    Later,
    /// `fsync` is off.
    Never,
}

impl Durability {
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Synced => {
                "PostgreSQL has on its disk what it stores before it says so; a standby that is promoted may lack the newest if \
                 replication is asynchronous"
            }
            Self::Later => {
                "PostgreSQL may lose with its end what it stored in the last second, which is noticed, and told to every \
                 connection: set `synchronous_commit = on`, for this user at least"
            }
            Self::Never => {
                "PostgreSQL never waits for its disk, and may lose everything with the machine's end: set `fsync = on`"
            }
        }
    }

    /// Says once what loses events.
    fn warn(self, address: &Address) {
        #[cfg(feature = "tracing")]
        if self != Self::Synced {
            tracing::warn!(target: "sse_tower", postgres = %address, "{}", self.sentence());
        }
        #[cfg(not(feature = "tracing"))]
        let _ = address;
    }
}

/// A connection. Dropping it closes it, whatever is on the way.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) number: u64,
    /// What the feed asks all the time.
    pub(super) feed: OnceLock<Statement>,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    pub(super) fn new(address: Address, names: Names) -> Self {
        let known = Mutex::new(Mark { epoch: Epoch::new(0), position: Position::ZERO });
        Self { address, names, known, sessions: AtomicU64::new(0), durability: OnceLock::new() }
    }

    pub(super) fn known(&self) -> Mark {
        *self.known.lock()
    }

    /// What was found at the first connection.
    pub(super) fn durability(&self) -> Durability {
        self.durability.get().copied().unwrap_or(Durability::Synced)
    }

    /// The store stands here.
    pub(super) fn learn(&self, mark: Mark) {
        let mut known = self.known.lock();
        if known.epoch == mark.epoch {
            known.position = known.position.max(mark.position);
        } else {
            *known = mark;
        }
    }

    /// The store gave this position.
    pub(super) fn reached(&self, position: Position) {
        let mut known = self.known.lock();
        known.position = known.position.max(position);
    }

    pub(super) fn explain(&self, error: &Error) -> Failure {
        Failure::explain(error, &self.address, self.names.schema())
    }

    /// Connects; `bells` hears notifications, on a connection that goes past poolers.
    pub(super) async fn connect(
        &self,
        bells: Option<Arc<Bell>>,
    ) -> Result<(Arc<Session>, Mark), Failure> {
        let ready = async {
            let session = self.dial(bells.clone()).await?;
            self.check(&session).await?;
            if bells.is_some() {
                session
                    .client
                    .batch_execute(&[PLANS, &self.names.listen()].concat())
                    .await
                    .map_err(|error| self.explain(&error))?;
            }
            let mark = self.hello(&session).await?;
            Ok((Arc::new(session), mark))
        };
        timeout(CONNECT, ready).await.unwrap_or_else(|_| {
            Err(Failure::unavailable(format!(
                "PostgreSQL at {} does not answer within {} s: is it running, and can it be reached from here?",
                self.address,
                CONNECT.as_secs(),
            )))
        })
    }

    async fn dial(&self, bells: Option<Arc<Bell>>) -> Result<Session, Failure> {
        let config = if bells.is_some() { &self.address.direct } else { &self.address.config };
        let (client, task) = match &self.address.tls {
            None => {
                let (client, connection) =
                    config.connect(NoTls).await.map_err(|error| self.explain(&error))?;
                (client, drive(connection, bells))
            }
            Some(tls) => {
                let (client, connection) =
                    config.connect(tls.clone()).await.map_err(|error| self.explain(&error))?;
                (client, drive(connection, bells))
            }
        };
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        Ok(Session { client, number, feed: OnceLock::new(), task })
    }

    /// Is it a server that can be used, and is everything there?
    async fn check(&self, session: &Session) -> Result<(), Failure> {
        let asked = "select pg_is_in_recovery(), current_setting('server_version_num')::int, current_setting('fsync'), \
                     current_setting('synchronous_commit'), current_setting('server_encoding'), \
                     current_setting('default_transaction_isolation')";
        let row = session.client.query_typed_one(asked, &[]).await;
        let row = row.map_err(|error| self.explain(&error))?;
        let failed = |error| self.explain(&error);
        let version: i32 = row.try_get(1).map_err(failed)?;
        if version < OLDEST {
            return Err(Failure::refused(format!(
                "PostgreSQL at {} is too old ({}): 13 or newer is needed",
                self.address,
                version / 10_000,
            )));
        }
        if row.try_get(0).map_err(failed)? {
            return Err(Failure::unavailable(format!(
                "PostgreSQL at {} is a standby that only reads: the URL must lead to the primary \
                 (several hosts and target_session_attrs=read-write find it)",
                self.address,
            )));
        }
        let encoding: &str = row.try_get(4).map_err(failed)?;
        if !ENCODINGS.contains(&encoding) {
            return Err(Failure::refused(format!(
                "database {} at {} has the encoding {encoding}, which cannot keep every text: create one with the encoding UTF8",
                self.address.database(),
                self.address,
            )));
        }
        if row.try_get::<_, &str>(5).map_err(failed)? != READ_COMMITTED {
            // Each statement of a function has to see what was committed before it had its lock.
            let set = format!(
                "set session characteristics as transaction isolation level {READ_COMMITTED}"
            );
            session.client.batch_execute(&set).await.map_err(failed)?;
        }
        let durability = match (row.try_get(2).map_err(failed)?, row.try_get(3).map_err(failed)?) {
            ("off", _) => Durability::Never,
            (_, "off") => Durability::Later,
            _ => Durability::Synced,
        };
        if self.durability.set(durability).is_ok() {
            durability.warn(&self.address);
        }
        let (_, found) = self.installed(session).await.map_err(failed)?;
        match found {
            Some(VERSION) => Ok(()),
            Some(other) => Err(Failure::refused(format!(
                "the schema {} has version {other}, and this program knows {VERSION}: update the program",
                self.names.schema(),
            ))),
            None => self.install(session).await.map_err(failed),
        }
    }

    /// Whether the schema is there, and which version of what belongs in it. Looks into the catalogue itself: `to_regnamespace` may
    /// answer from what a transaction knew when it began, before it waited.
    async fn installed(&self, session: &Session) -> Result<(bool, Option<i32>), Error> {
        let schema = self.names.channel();
        let asked = "select exists (select from pg_catalog.pg_namespace n where n.nspname = $1), \
                     exists (select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
                     where n.nspname = $1 and p.proname = 'version')";
        let params: [Param<'_>; 1] = [(&schema, Type::TEXT)];
        let row = session.client.query_typed_one(asked, &params).await?;
        if !row.try_get(1)? {
            return Ok((row.try_get(0)?, None));
        }
        let asked = self.names.sql("select sse.version()");
        let version = session.client.query_typed_one(&asked, &[]).await?.try_get(0)?;
        Ok((true, Some(version)))
    }

    /// Makes what is missing, one process at a time. Who comes second finds it made, and in use: to make it once more would
    /// take locks on all of it, in another order than its users do.
    async fn install(&self, session: &Session) -> Result<(), Error> {
        // The number means nothing; it only has to be the same in every process.
        session.client.batch_execute("begin; select pg_advisory_xact_lock(7308604759)").await?;
        if let (there, None) = self.installed(session).await? {
            session.client.batch_execute(&self.names.install(there)).await?;
        }
        session.client.batch_execute("commit").await
    }

    /// Where the store stands; and it is told how far this process saw it.
    async fn hello(&self, session: &Session) -> Result<Mark, Failure> {
        let known = self.known();
        let sql = self.names.sql("select epoch, last from sse.hello($1, $2)");
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&number(known.epoch.get()), Type::INT8), (&number(known.position.get()), Type::INT8)];
        let row = session
            .client
            .query_typed_one(&sql, &params)
            .await
            .map_err(|error| self.explain(&error))?;
        let mark = super::values::mark(&row).map_err(|error| self.explain(&error))?;
        self.learn(mark);
        Ok(mark)
    }
}

impl Session {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("address", &self.address)
            .field("schema", &self.names.schema())
            .finish_non_exhaustive()
    }
}

/// Moves what the connection has to move, and rings for notifications.
fn drive<S, T>(mut connection: Connection<S, T>, bells: Option<Arc<Bell>>) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let (AsyncMessage::Notification(heard), Some(bells)) = (message, &bells) {
                bells.heard(heard.payload());
            }
        }
        // Whoever waits for this connection finds it closed, and so has to look.
        if let Some(bells) = &bells {
            bells.wake();
        }
    })
}

/// This process closed the engine.
pub(super) fn closed() -> EngineError {
    EngineError::new(EngineErrorKind::Closed, "this engine was closed")
}
