//! A connection for one kind of work, replaced when it is broken or silent.

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use sse_tower_core::backplane::{EngineError, EngineFuture};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_postgres::{
    Error, Row,
    types::{FromSqlOwned, ToSql, Type},
};
use tokio_util::sync::CancellationToken;

use super::{
    bell::Bell,
    failure::Failure,
    session::{Session, Shared, closed},
    values::Param,
};

/// So many calls may wait for one connection.
const MAX_CALLS: usize = 1_024;
/// The server has so long for a statement; then its connection is replaced.
const STATEMENT: Duration = Duration::from_millis(2_500);
/// Each call ends within this, whatever happens to its connection.
const CALL: Duration = Duration::from_secs(3);
/// After a connection could not be made, callers are told the same for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// What is wrong with the connection that a call used, if anything: which, and that its schema is gone.
type Outcome = Option<u64>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Job = Box<dyn FnOnce(Result<Arc<Session>, Failure>) -> Running + Send>;

/// Where calls wait for a connection. They are made in order, without waiting for each other's answers.
#[derive(Clone)]
pub(super) struct Line {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
    end: CancellationToken,
}

impl Line {
    /// A line with its task, which ends when the line is dropped and everything begun is done. Connects when first used.
    pub(super) fn new(shared: &Arc<Shared>) -> (Self, JoinHandle<()>) {
        let (jobs, waiting) = mpsc::channel(MAX_CALLS);
        let end = CancellationToken::new();
        let task = tokio::spawn(work(shared.clone(), waiting, end.clone()));
        (Self { jobs, shared: shared.clone(), end }, task)
    }

    /// Takes no more calls; its task ends when those that were made are answered.
    pub(super) fn close(&self) {
        self.end.cancel();
    }

    /// Makes a call. It is made also if nobody waits for its answer.
    pub(super) fn call<T, W, F>(&self, work: W) -> EngineFuture<'static, T>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Session>) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel::<Result<T, EngineError>>();
        let shared = self.shared.clone();
        let job: Job = Box::new(move |session| {
            Box::pin(async move {
                let session = match session {
                    Ok(session) => session,
                    Err(failure) => {
                        let _ = answer.send(Err(failure.into()));
                        return None;
                    }
                };
                let number = session.number;
                let (said, broken) = match timeout(STATEMENT, work(session.clone())).await {
                    Ok(Ok(value)) => (Ok(value), false),
                    Ok(Err(error)) => {
                        let failure = shared.explain(&error);
                        let broken = failure.schema || error.as_db_error().is_none();
                        (Err(failure.into()), broken)
                    }
                    Err(_) => (Err(silent(&shared)), true),
                };
                // Nobody may wait for it any more.
                let _ = answer.send(said);
                (broken || session.is_closed()).then_some(number)
            })
        });
        let taken = self.jobs.try_send(job);
        let shared = self.shared.clone();
        Box::pin(async move {
            match taken {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return Err(EngineError::unavailable(format!(
                        "{MAX_CALLS} calls wait for PostgreSQL already"
                    )));
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(closed()),
            }
            match timeout(CALL, answered).await {
                Ok(Ok(said)) => said,
                Ok(Err(_)) => Err(closed()),
                Err(_) => Err(silent(&shared)),
            }
        })
    }
}

/// Rings for other processes, in a transaction of its own: in one that stores something, all others of the database that
/// notify would wait for its commit. It says nothing that is not stored already, so it need not wait for the disk.
const RING: &str = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";

impl Line {
    /// Rings for other processes once everything is done that was called before. Nobody relies on it: whoever does not
    /// hear it looks a moment later.
    pub(super) fn ring(&self, bell: &Bell, why: u8) {
        let channel = self.shared.names.channel().to_owned();
        let params = vec![owned(channel, Type::TEXT), owned(bell.payload(why), Type::TEXT)];
        drop(self.rows(RING, params));
    }
}

/// A parameter that a call takes along.
pub(super) type Owned = (Box<dyn ToSql + Sync + Send>, Type);

/// The parameter of this type.
pub(super) fn owned(value: impl ToSql + Sync + Send + 'static, ty: Type) -> Owned {
    (Box::new(value), ty)
}

impl Line {
    /// What a statement gives. It is written for the schema `sse`.
    pub(super) fn rows(
        &self,
        sql: &'static str,
        params: Vec<Owned>,
    ) -> EngineFuture<'static, Vec<Row>> {
        let shared = self.shared.clone();
        self.call(move |session| async move {
            let params: Vec<Param<'_>> =
                params.iter().map(|(value, ty)| (&**value as _, ty.clone())).collect();
            session.client.query_typed(&shared.names.sql(sql), &params).await
        })
    }

    /// The one value that a statement gives.
    pub(super) fn one<T>(&self, sql: &'static str, params: Vec<Owned>) -> EngineFuture<'static, T>
    where
        T: FromSqlOwned + Send + 'static,
    {
        let shared = self.shared.clone();
        self.call(move |session| async move {
            let params: Vec<Param<'_>> =
                params.iter().map(|(value, ty)| (&**value as _, ty.clone())).collect();
            session.client.query_typed_one(&shared.names.sql(sql), &params).await?.try_get(0)
        })
    }
}

/// A line whose task and connection live on the runtime that it is called from: for what must go on while the program's
/// own runtime stands still. When that runtime has ended, it begins anew on the one that calls next.
pub(super) struct OwnLine {
    shared: Arc<Shared>,
    line: Mutex<Option<(Line, JoinHandle<()>)>>,
    end: CancellationToken,
}

impl OwnLine {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let (shared, end) = (shared.clone(), CancellationToken::new());
        Self { shared, line: Mutex::default(), end }
    }

    /// Takes no more calls. Its task, if there is one, ends when those that were made are answered.
    pub(super) fn close(&self) -> Option<JoinHandle<()>> {
        self.end.cancel();
        let (line, task) = self.line.lock().take()?;
        line.close();
        Some(task)
    }

    /// The line of this moment.
    fn line(&self) -> Result<Line, EngineError> {
        let mut line = self.line.lock();
        if self.end.is_cancelled() {
            return Err(closed());
        }
        if line.as_ref().is_none_or(|(line, _)| line.jobs.is_closed()) {
            *line = Some(Line::new(&self.shared));
        }
        line.as_ref().map(|(line, _)| line.clone()).ok_or_else(closed)
    }

    /// As [`Line::rows`].
    pub(super) fn rows(
        &self,
        sql: &'static str,
        params: Vec<Owned>,
    ) -> EngineFuture<'static, Vec<Row>> {
        match self.line() {
            Ok(line) => line.rows(sql, params),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    /// As [`Line::one`].
    pub(super) fn one<T>(&self, sql: &'static str, params: Vec<Owned>) -> EngineFuture<'static, T>
    where
        T: FromSqlOwned + Send + 'static,
    {
        match self.line() {
            Ok(line) => line.one(sql, params),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

impl fmt::Debug for OwnLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnLine").finish_non_exhaustive()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

fn silent(shared: &Shared) -> EngineError {
    EngineError::unavailable(format!("PostgreSQL at {} does not answer in time", shared.address))
}

async fn work(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>, end: CancellationToken) {
    let mut session: Option<Arc<Session>> = None;
    let mut running = FuturesUnordered::new();
    let mut failed: Option<(Instant, Failure)> = None;
    loop {
        let job = tokio::select! {
            biased;
            Some(outcome) = running.next(), if !running.is_empty() => {
                if session.as_ref().is_some_and(|session| outcome == Some(session.number)) {
                    session = None;
                }
                continue;
            }
            job = jobs.recv() => match job {
                Some(job) => job,
                None => break,
            },
            // What was sent before is still there to be taken.
            () = end.cancelled(), if !jobs.is_closed() => {
                jobs.close();
                continue;
            }
        };
        let with = match &session {
            Some(session) if !session.is_closed() => Ok(session.clone()),
            _ => match &failed {
                Some((when, failure)) if when.elapsed() < PAUSE => Err(failure.clone()),
                _ => shared.connect(None).await.map(|(session, _)| session),
            },
        };
        match &with {
            Ok(with) => (session, failed) = (Some(with.clone()), None),
            Err(failure) => {
                session = None;
                if failed.as_ref().is_none_or(|(when, _)| when.elapsed() >= PAUSE) {
                    failed = Some((Instant::now(), failure.clone()));
                }
            }
        }
        running.push(job(with));
    }
    while running.next().await.is_some() {}
}
