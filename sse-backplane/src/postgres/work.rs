//! What goes on in the background: moving what applications stored, and retention.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use super::{
    bell::{Bell, LOG, QUEUE},
    line::{Line, owned},
    session::Shared,
    values::{self, Param},
};

/// So soon after a transaction was told of, which may not be committed yet, the outbox is looked at once more: twice as late each
/// time that nothing is there.
const SOON: Duration = Duration::from_millis(4);
/// It is looked at so often at first: less often while nothing comes.
const SWEEP: Duration = Duration::from_millis(250);
const MAX_SWEEP: Duration = Duration::from_secs(2);
/// Now and then all of it is looked at, whatever was seen before.
const BELT: Duration = Duration::from_secs(5);
/// So many rows are moved at once.
const MAX_MOVED: i32 = 500;

/// Retention is looked after so often: less often while nothing is to be done.
const TRIM: Duration = Duration::from_secs(1);
const MAX_TRIM: Duration = Duration::from_secs(4);
/// So many rows at once.
const MAX_TRIMMED: i32 = 10_000;
/// Heads and the queue's log are looked after so often.
const PRUNE: Duration = Duration::from_secs(10);

/// Moves what was stored in transactions of the application into the log.
pub(super) struct Mover {
    pub(super) shared: Arc<Shared>,
    pub(super) line: Line,
    /// Rung where such a transaction was committed, or soon may be.
    pub(super) filled: Arc<Bell>,
    /// This process's own feed.
    pub(super) bell: Arc<Bell>,
    pub(super) end: CancellationToken,
}

/// What was visible when the outbox was last looked through, and on which connection.
type Seen = Option<(u64, String)>;

impl Mover {
    pub(super) async fn run(self) {
        let mut seen: Seen = None;
        let mut pause = SWEEP;
        let mut belt = Instant::now() + BELT;
        loop {
            if Instant::now() >= belt {
                (seen, belt) = (None, Instant::now() + BELT);
            }
            match self.step(seen.take()).await {
                Some((now_seen, moved)) => {
                    seen = now_seen;
                    if moved >= MAX_MOVED && !self.end.is_cancelled() {
                        continue;
                    }
                    pause = if moved > 0 { SWEEP } else { (pause * 2).min(MAX_SWEEP) };
                }
                None => pause = (pause * 2).min(MAX_SWEEP),
            }
            tokio::select! {
                () = self.end.cancelled() => return,
                () = self.filled.rung() => pause = SOON / 2,
                () = sleep(pause.mul_f64(0.75 + fastrand::f64() / 4.0)) => {}
            }
        }
    }

    /// Moves what is new. What was seen, and how much was moved; nothing if that is unknown.
    async fn step(&self, seen: Seen) -> Option<(Seen, i32)> {
        let shared = self.shared.clone();
        let moved = self.line.call(move |session| async move {
            // Another connection may be one to a server with another past.
            let seen = seen.filter(|(number, _)| *number == session.number).map(|(_, seen)| seen);
            let sql = shared.names.sql("select * from sse.move($1, $2)");
            let params: [Param<'_>; 2] = [(&seen, Type::TEXT), (&MAX_MOVED, Type::INT4)];
            let row = session.client.query_typed_one(&sql, &params).await?;
            let seen: Option<String> = row.try_get("seen")?;
            let (moved, queued): (i32, bool) = (row.try_get("moved")?, row.try_get("queued")?);
            shared.reached(values::position(row.try_get("last")?));
            Ok((seen.map(|seen| (session.number, seen)), moved, queued))
        });
        let (seen, moved, queued) = moved.await.ok()?;
        if moved > 0 {
            let why = if queued { LOG | QUEUE } else { LOG };
            self.bell.ring(why);
            self.line.ring(&self.bell, why);
        }
        Some((seen, moved))
    }
}

/// Retention, in small steps. Several nodes may run it; one of them does something.
pub(super) async fn house(line: Line, end: CancellationToken) {
    let step = |sql| line.one::<i32>(sql, vec![owned(MAX_TRIMMED, Type::INT4)]);
    let mut pause = TRIM;
    let mut prune = Instant::now() + PRUNE;
    loop {
        let next = Instant::now() + pause.mul_f64(0.75 + fastrand::f64() / 2.0);
        tokio::select! {
            () = end.cancelled() => return,
            () = sleep_until(next) => {}
        }
        // What fails now is done later, by whoever comes then.
        let mut done = step("select sse.trim($1)").await.unwrap_or(0);
        if Instant::now() >= prune {
            let more = step("select sse.prune($1) + sse.bury_topics($1)").await.unwrap_or(0);
            done = done.max(more);
            if more < MAX_TRIMMED {
                prune = Instant::now() + PRUNE;
            }
        }
        pause = match done {
            0 => (pause * 2).min(MAX_TRIM),
            1..MAX_TRIMMED => TRIM,
            // There is more; others have their turn between.
            _ => TRIM / 20,
        };
    }
}
