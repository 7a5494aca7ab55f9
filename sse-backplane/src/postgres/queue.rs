//! The queue: its decisions are functions in the schema, here they are called.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use sse_tower_core::backplane::{
    Beat, Claim, Claimed, DeadLetter, DeadReason, Deliveries, Delivery, EngineError, EngineFuture,
    EventKind, Fence, Letters, ListenerState, ListenerStats, NodeId, Queue, QueuedEvent,
    Registration, Since, Steer, Verdict,
};
use tokio_postgres::{Error, Row, types::Type};

use super::{
    bell::{Bell, QUEUE},
    floors::Floors,
    line::{Line, OwnLine, Owned, owned},
    session::Shared,
    values::{self, Param, Uuid, micros, number, small},
};

/// So much of an error is remembered, in bytes.
const MAX_ERROR_BYTES: usize = 1_024;
/// What `claim` raises if the node's lease is over.
const OVER: &str = "SSE01";

/// The queue of one engine.
pub(super) struct PostgresQueue {
    pub(super) shared: Arc<Shared>,
    /// Everything but what follows.
    pub(super) line: Arc<Line>,
    /// Verdicts have a connection to themselves: what is taken meanwhile does not wait for the disk behind them.
    pub(super) verdicts: Line,
    pub(super) floors: Arc<Floors>,
    /// Leases have a connection to themselves: no claim that waits may cost one.
    pub(super) leases: OwnLine,
    /// This process's own feed.
    pub(super) bell: Arc<Bell>,
}

impl PostgresQueue {
    /// Does it, and rings where something may be claimed after it.
    fn then_ring<T: Send + 'static>(
        &self,
        done: EngineFuture<'static, T>,
        rings: impl Fn(&T) -> bool + Send + 'static,
    ) -> EngineFuture<'static, T> {
        let (bell, line) = (self.bell.clone(), self.line.clone());
        let done = tokio::spawn(async move {
            let done = done.await;
            if done.as_ref().is_ok_and(rings) {
                bell.ring(QUEUE);
                line.ring(&bell, QUEUE);
            }
            done
        });
        Box::pin(async move { done.await.map_err(|_| super::session::closed())? })
    }
}

impl Queue for PostgresQueue {
    fn register(&self, listeners: Vec<Registration>) -> EngineFuture<'_, ()> {
        let (mut ids, mut earliest, mut of, mut names) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, one) in (1_i32..).zip(&listeners) {
            if let Err(error) = values::text(&one.listener, "the id of a listener").and_then(|()| {
                one.hears.iter().try_for_each(|name| values::text(name, "the name of an event"))
            }) {
                return refused(error);
            }
            ids.push(one.listener.to_string());
            earliest.push(one.since == Since::Earliest);
            for name in &one.hears {
                of.push(index);
                names.push(name.to_string());
            }
        }
        let params = vec![
            owned(ids, Type::TEXT_ARRAY),
            owned(earliest, Type::BOOL_ARRAY),
            owned(of, Type::INT4_ARRAY),
            owned(names, Type::TEXT_ARRAY),
        ];
        let done = self.line.rows("select sse.register($1, $2, $3, $4)", params);
        let done = self.then_ring(done, |_| true);
        Box::pin(async move { done.await.map(drop) })
    }

    fn heard(&self) -> EngineFuture<'_, Vec<Arc<str>>> {
        let sql = "select array(select distinct h.name from sse.hears h order by h.name)";
        let names = self.line.one::<Vec<String>>(sql, Vec::new());
        Box::pin(async move { Ok(names.await?.into_iter().map(Arc::from).collect()) })
    }

    fn claim(&self, node: NodeId, claims: Vec<Claim>) -> EngineFuture<'_, Claimed> {
        let (mut ids, mut counts, mut ordered) = (Vec::new(), Vec::new(), Vec::new());
        let (mut of, mut names, mut versions) = (Vec::new(), Vec::new(), Vec::new());
        for (index, claim) in (1_i32..).zip(&claims) {
            ids.push(claim.listener.to_string());
            counts.push(small(claim.count));
            ordered.push(claim.ordered);
            for kind in &claim.kinds {
                of.push(index);
                names.push(kind.name.to_string());
                versions.push(i64::from(kind.version));
            }
        }
        let params = [
            owned(Uuid(node.get()), Type::UUID),
            owned(ids, Type::TEXT_ARRAY),
            owned(counts, Type::INT4_ARRAY),
            owned(ordered, Type::BOOL_ARRAY),
            owned(of, Type::INT4_ARRAY),
            owned(names, Type::TEXT_ARRAY),
            owned(versions, Type::INT8_ARRAY),
        ];
        let (shared, floors) = (self.shared.clone(), self.floors.clone());
        self.line.call(move |session| async move {
            let sql = shared.names.sql("select * from sse.claim($1, $2, $3, $4, $5, $6, $7, $8)");
            let known = floors.known(session.number, claims.iter().map(|it| &it.listener));
            let mut params: Vec<Param<'_>> =
                params.iter().map(|(value, ty)| (&**value as _, ty.clone())).collect();
            params.push((&known, Type::TIMESTAMPTZ_ARRAY));
            match session.client.query_typed(&sql, &params).await {
                Ok(rows) => deliveries(&rows, session.number, &floors).map(Claimed::Deliveries),
                Err(error) if error.code().is_some_and(|code| code.code() == OVER) => {
                    Ok(Claimed::Reaped)
                }
                Err(error) => Err(error),
            }
        })
    }

    fn settle(&self, verdicts: Vec<(Fence, Verdict)>) -> EngineFuture<'_, Vec<bool>> {
        let mut columns = Verdicts::default();
        let mut released = false;
        for (fence, verdict) in &verdicts {
            released |= matches!(verdict, Verdict::Released | Verdict::Failed { .. });
            if let Err(error) = columns.add(fence, verdict) {
                return refused(error);
            }
        }
        let sql = "select sse.settle($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let done = self.verdicts.one::<Option<Vec<bool>>>(sql, columns.params());
        let done = self.then_ring(done, move |_| released);
        Box::pin(async move { Ok(done.await?.unwrap_or_default()) })
    }

    fn beat(&self, node: NodeId, lease: Duration) -> EngineFuture<'_, Beat> {
        let params = vec![owned(Uuid(node.get()), Type::UUID), owned(micros(lease), Type::INT8)];
        let alive = self.leases.one::<bool>("select sse.beat($1, $2)", params);
        Box::pin(async move { Ok(if alive.await? { Beat::Alive } else { Beat::Reaped }) })
    }

    fn reap(&self, again: Duration) -> EngineFuture<'_, usize> {
        let lost =
            self.leases.one::<i32>("select sse.reap($1)", vec![owned(micros(again), Type::INT8)]);
        let lost = self.then_ring(lost, |lost| *lost > 0);
        count(lost)
    }

    fn leave(&self, node: NodeId) -> EngineFuture<'_, ()> {
        let left =
            self.leases.rows("select sse.leave($1)", vec![owned(Uuid(node.get()), Type::UUID)]);
        let left = self.then_ring(left, |_| true);
        Box::pin(async move { left.await.map(drop) })
    }

    fn dead(
        &self,
        listener: Arc<str>,
        after: u64,
        limit: usize,
    ) -> EngineFuture<'_, Vec<DeadLetter>> {
        let sql = "select d.*, k.name, k.version, (extract(epoch from clock_timestamp() - d.at) * 1000000)::bigint as age \
                   from sse.dead d join sse.kind k on k.id = d.kind \
                   where d.listener = $1 and d.id > $2 order by d.id limit $3";
        let params = vec![
            owned(listener.to_string(), Type::TEXT),
            owned(number(after), Type::INT8),
            owned(number(limit), Type::INT8),
        ];
        let rows = self.line.rows(sql, params);
        let shared = self.shared.clone();
        Box::pin(async move {
            let rows = rows.await?;
            let letters: Result<_, Error> = rows.iter().map(letter).collect();
            letters.map_err(|error| shared.explain(&error).into())
        })
    }

    fn revive(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        let back = self.line.one::<i32>("select sse.revive($1, $2, $3)", which(&listener, letters));
        count(self.then_ring(back, |back| *back > 0))
    }

    fn discard(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize> {
        let sql = "with gone as (delete from sse.dead d where d.id = any (array( \
                       select x.id from sse.dead x where x.listener = $1 and ($2 is null or x.id = $2) \
                       order by x.id limit $3)) returning 1) \
                   select count(*)::int from gone";
        count(self.line.one::<i32>(sql, which(&listener, letters)))
    }

    fn steer(&self, listener: Arc<str>, how: Steer) -> EngineFuture<'_, bool> {
        let how: i16 = match how {
            Steer::Pause => 0,
            Steer::Resume => 1,
            Steer::Retire => 2,
        };
        let params = vec![owned(listener.to_string(), Type::TEXT), owned(how, Type::INT2)];
        self.then_ring(self.line.one::<bool>("select sse.steer($1, $2)", params), move |_| how == 1)
    }

    fn stats(&self) -> EngineFuture<'_, Vec<ListenerStats>> {
        let rows = self.line.rows("select * from sse.stats()", Vec::new());
        let shared = self.shared.clone();
        Box::pin(async move {
            let rows = rows.await?;
            let stats: Result<_, Error> = rows.iter().map(standing).collect();
            stats.map_err(|error| shared.explain(&error).into())
        })
    }
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue").field("store", &self.shared).finish_non_exhaustive()
    }
}

fn refused<T: Send + 'static>(error: EngineError) -> EngineFuture<'static, T> {
    Box::pin(std::future::ready(Err(error)))
}

fn count(done: EngineFuture<'static, i32>) -> EngineFuture<'static, usize> {
    Box::pin(async move { Ok(usize::try_from(done.await?).unwrap_or(0)) })
}

fn which(listener: &str, letters: Letters) -> Vec<Owned> {
    let (one, limit) = match letters {
        Letters::One(id) => (Some(number(id)), 1),
        Letters::Oldest(limit) => (None, small(limit)),
    };
    vec![owned(listener.to_owned(), Type::TEXT), owned(one, Type::INT8), owned(limit, Type::INT4)]
}

fn counter(row: &Row, column: &str) -> Result<u32, Error> {
    Ok(u32::try_from(row.try_get::<_, i32>(column)?).unwrap_or(0))
}

fn size(row: &Row, column: &str) -> Result<usize, Error> {
    Ok(usize::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn event(row: &Row) -> Result<QueuedEvent, Error> {
    let version = u32::try_from(row.try_get::<_, i64>("version")?).unwrap_or(0);
    let (head, body): (&[u8], &[u8]) = (row.try_get("head")?, row.try_get("body")?);
    Ok(QueuedEvent {
        kind: EventKind { name: row.try_get::<_, &str>("name")?.into(), version },
        id: row.try_get::<_, Uuid>("event_id")?.0,
        head: Bytes::copy_from_slice(head),
        body: Bytes::copy_from_slice(body),
    })
}

/// What `claim` gives: deliveries, and last for each listener the time until the next one is due, and its floor.
fn deliveries(rows: &[Row], session: u64, floors: &Floors) -> Result<Deliveries, Error> {
    let mut all = Deliveries::default();
    for row in rows {
        let listener: Arc<str> = row.try_get::<_, &str>("listener")?.into();
        let Some(position) = row.try_get::<_, Option<i64>>("pos")? else {
            let next = row.try_get::<_, Option<i64>>("next")?.map(duration);
            all.next = all.next.into_iter().chain(next).min();
            if let Some(floor) = row.try_get("floor")? {
                floors.learn(session, listener, floor);
            }
            continue;
        };
        all.now.push(Delivery {
            listener,
            position: values::position(position),
            event: event(row)?,
            failures: counter(row, "failures")?,
            losses: counter(row, "losses")?,
        });
    }
    Ok(all)
}

fn letter(row: &Row) -> Result<DeadLetter, Error> {
    Ok(DeadLetter {
        id: u64::try_from(row.try_get::<_, i64>("id")?).unwrap_or(0),
        listener: row.try_get::<_, &str>("listener")?.into(),
        event: event(row)?,
        failures: counter(row, "failures")?,
        losses: counter(row, "losses")?,
        errors: row.try_get::<_, Vec<&str>>("errors")?.into_iter().map(Arc::from).collect(),
        reason: match row.try_get::<_, i16>("reason")? {
            0 => DeadReason::Attempts,
            1 => DeadReason::GivenUp,
            _ => DeadReason::Expired,
        },
        age: duration(row.try_get("age")?),
    })
}

fn standing(row: &Row) -> Result<ListenerStats, Error> {
    Ok(ListenerStats {
        listener: row.try_get::<_, &str>("listener")?.into(),
        state: match row.try_get::<_, i16>("state")? {
            0 => ListenerState::Active,
            1 => ListenerState::Paused,
            _ => ListenerState::Retired,
        },
        hears: row.try_get::<_, Vec<&str>>("hears")?.into_iter().map(Arc::from).collect(),
        only_elsewhere: Vec::new(),
        backlog: size(row, "backlog")?,
        waiting: size(row, "waiting")?,
        running: size(row, "running")?,
        dead: size(row, "dead")?,
        oldest: row.try_get::<_, Option<i64>>("oldest")?.map(duration),
    })
}

/// Verdicts, one column for each of their properties.
#[derive(Default)]
struct Verdicts {
    listeners: Vec<String>,
    positions: Vec<i64>,
    owners: Vec<Uuid>,
    failures: Vec<i32>,
    losses: Vec<i32>,
    what: Vec<i16>,
    errors: Vec<Option<String>>,
    again: Vec<i64>,
    reasons: Vec<Option<i16>>,
}

impl Verdicts {
    fn add(&mut self, fence: &Fence, verdict: &Verdict) -> Result<(), EngineError> {
        let (what, error, again, reason) = match verdict {
            Verdict::Finished => (0, None, Duration::ZERO, None),
            Verdict::Failed { error, again } => (1, Some(short(error)), *again, None),
            Verdict::Dead { error, reason } => {
                let reason = match reason {
                    DeadReason::Attempts => 0,
                    DeadReason::GivenUp => 1,
                    _ => 2,
                };
                (2, Some(short(error)), Duration::ZERO, Some(reason))
            }
            Verdict::Released => (3, None, Duration::ZERO, None),
            _ => return Err(EngineError::refused("this engine does not know such a verdict")),
        };
        self.listeners.push(fence.listener.to_string());
        self.positions.push(number(fence.position.get()));
        self.owners.push(Uuid(fence.owner.get()));
        self.failures.push(small(fence.failures));
        self.losses.push(small(fence.losses));
        self.what.push(what);
        self.errors.push(error);
        self.again.push(micros(again));
        self.reasons.push(reason);
        Ok(())
    }

    fn params(self) -> Vec<Owned> {
        vec![
            owned(self.listeners, Type::TEXT_ARRAY),
            owned(self.positions, Type::INT8_ARRAY),
            owned(self.owners, Type::UUID_ARRAY),
            owned(self.failures, Type::INT4_ARRAY),
            owned(self.losses, Type::INT4_ARRAY),
            owned(self.what, Type::INT2_ARRAY),
            owned(self.errors, Type::TEXT_ARRAY),
            owned(self.again, Type::INT8_ARRAY),
            owned(self.reasons, Type::INT2_ARRAY),
        ]
    }
}

/// The beginning of an error, without what PostgreSQL does not take.
fn short(error: &str) -> String {
    let mut end = error.len().min(MAX_ERROR_BYTES);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    error[..end].replace('\0', "\u{fffd}")
}
