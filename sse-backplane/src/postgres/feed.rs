//! The feed: woken by the bell, sure by the sweep.

use std::{sync::Arc, time::Duration};

use sse_tower_core::backplane::{EngineError, Feed, FeedItem, Mark, Position, Record, Topic};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_postgres::{
    Error,
    types::{ToSql, Type},
};
use tokio_util::sync::CancellationToken;

use super::{
    bell::{Bell, QUEUE},
    follow::Followed,
    session::{Session, Shared, closed},
    values,
};

/// So many orders may wait while the feed reads.
pub(super) const MAX_ORDERS: usize = 1_024;
/// At most so many records are read at once.
const MAX_ROWS: i32 = 1_000;
/// At most so many bytes of bodies are read at once, and one record whatever its size.
const MAX_BYTES: i64 = 4 * 1024 * 1024;
/// The server has so long for a read; then the connection is replaced.
const READ: Duration = Duration::from_secs(2);
/// How often the log is read without a bell: less often while nothing comes.
const SWEEP: Duration = Duration::from_millis(250);
const MAX_SWEEP: Duration = Duration::from_secs(2);
/// Retention leaves everything for ten seconds, of which a slow commit may take three: whoever did not read for so long
/// may have missed something.
const WINDOW: Duration = Duration::from_secs(6);
/// What is asked.
const STATEMENT: &str = include_str!("feed.sql");
/// Between attempts to connect.
const RETRY: Duration = Duration::from_millis(100);
const MAX_RETRY: Duration = Duration::from_secs(2);

/// What the feed is told to do.
pub(super) enum Order {
    Follow(Vec<Topic>, oneshot::Sender<Result<(), EngineError>>),
    Unfollow(Vec<Topic>),
    Mark(oneshot::Sender<Result<Mark, EngineError>>),
    Restart,
}

/// Everything that one task has to itself.
pub(super) struct Reader {
    pub(super) shared: Arc<Shared>,
    pub(super) feed: Feed,
    pub(super) bell: Arc<Bell>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) end: CancellationToken,
    pub(super) followed: Followed,
    pub(super) mark: Mark,
    /// When the last read began.
    pub(super) read_at: Instant,
}

/// Why a connection is not used any more.
enum Left {
    Closed,
    Broken,
}

impl Reader {
    /// Reads until the engine is closed.
    pub(super) async fn run(mut self, first: Arc<Session>) {
        let mut session = first;
        loop {
            match self.read_on(&session).await {
                Left::Closed => break,
                Left::Broken => self.feed.put(FeedItem::Broke),
            }
            drop(session);
            let Some(next) = self.again().await else { break };
            session = next;
            self.feed.put(FeedItem::Whole);
        }
        self.orders.close();
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Mark(answer) => drop(answer.send(Err(closed()))),
                Order::Follow(_, answer) => drop(answer.send(Err(closed()))),
                Order::Unfollow(_) | Order::Restart => {}
            }
        }
    }

    /// Connects anew, as often as it takes.
    async fn again(&mut self) -> Option<Arc<Session>> {
        let mut pause = RETRY;
        loop {
            let connect = self.shared.connect(Some(self.bell.clone()));
            let connected = tokio::select! {
                () = self.end.cancelled() => return None,
                connected = connect => connected,
            };
            let why = match connected {
                Ok((session, mark)) => {
                    // From here on everything is read; who loads now sees what was before.
                    (self.mark, self.read_at) = (mark, Instant::now());
                    return Some(session);
                }
                Err(why) => why,
            };
            let until = Instant::now() + pause.mul_f64(0.5 + fastrand::f64());
            pause = (pause * 2).min(MAX_RETRY);
            loop {
                tokio::select! {
                    () = self.end.cancelled() => return None,
                    () = sleep_until(until) => break,
                    Some(order) = self.orders.recv() => {
                        self.obey(vec![order], || Err(why.clone().into()));
                    }
                }
            }
        }
    }

    async fn read_on(&mut self, session: &Session) -> Left {
        let mut pause = SWEEP;
        let mut at = Instant::now();
        loop {
            let mut orders = Vec::new();
            tokio::select! {
                biased;
                () = self.end.cancelled() => return Left::Closed,
                Some(order) = self.orders.recv() => orders.push(order),
                () = self.bell.rung() => {}
                () = sleep_until(at) => {}
            }
            // Whatever else waits is answered by the same read.
            while let Ok(order) = self.orders.try_recv() {
                orders.push(order);
            }
            let why = self.bell.take();
            if why & QUEUE != 0 {
                // Before the log is read, which it has nothing to do with.
                self.feed.put(FeedItem::Bell);
            }
            let looks = !orders.is_empty() || session.is_closed() || Instant::now() >= at;
            if why == QUEUE && !looks {
                continue;
            }
            let read =
                if session.is_closed() { Err(Left::Broken) } else { self.catch_up(session).await };
            let restart = match &read {
                Ok(brought) => {
                    pause = if *brought || why != 0 { SWEEP } else { (pause * 2).min(MAX_SWEEP) };
                    if orders.iter().any(|order| matches!(order, Order::Mark(_))) {
                        self.feed.put(FeedItem::Mark(self.mark));
                    }
                    let mark = self.mark;
                    self.obey(orders, || Ok(mark))
                }
                Err(_) => self
                    .obey(orders, || Err(EngineError::unavailable("the feed has to connect anew"))),
            };
            if let Err(left) = read {
                return left;
            }
            if restart {
                return Left::Broken;
            }
            at = Instant::now() + pause.mul_f64(0.75 + fastrand::f64() / 4.0);
        }
    }

    /// Does what was ordered, in order: what is followed now is fed from the next read on, and none is on the way. Whether to
    /// connect anew.
    fn obey(&mut self, orders: Vec<Order>, mark: impl Fn() -> Result<Mark, EngineError>) -> bool {
        let mut restart = false;
        for order in orders {
            match order {
                Order::Follow(topics, answer) => {
                    topics.into_iter().for_each(|topic| self.followed.follow(topic));
                    let _ = answer.send(Ok(()));
                }
                Order::Unfollow(topics) => {
                    topics.iter().for_each(|topic| self.followed.unfollow(topic));
                }
                Order::Mark(answer) => drop(answer.send(mark())),
                Order::Restart => restart = true,
            }
        }
        restart
    }

    /// Reads to the end of the log. Whether there was anything.
    async fn catch_up(&mut self, session: &Session) -> Result<bool, Left> {
        let mut brought = false;
        loop {
            let begun = Instant::now();
            let read = tokio::select! {
                () = self.end.cancelled() => return Err(Left::Closed),
                read = timeout(READ, read(&self.shared, session, self.mark.position, &self.followed)) => read,
            };
            let Ok(Ok(page)) = read else { return Err(Left::Broken) };
            // Without an epoch there is no schema any more, or nothing in it; with another, or further back, it is not the log
            // that was read before.
            if page.mark.epoch != self.mark.epoch || page.mark.position < self.mark.position {
                return Err(Left::Broken);
            }
            let moved = page.mark.position > self.mark.position;
            brought |= moved;
            let epoch = self.mark.epoch;
            let missed = self.read_at.elapsed() > WINDOW;
            self.read_at = begun;
            if missed {
                return Err(Left::Broken);
            }
            self.mark.position = page.read_to;
            let records: Vec<Record> =
                page.records.into_iter().filter(|record| self.followed.has(record)).collect();
            if !records.is_empty() {
                self.feed.put(FeedItem::Records { epoch, records });
            }
            if page.read_to == page.mark.position {
                self.shared.learn(self.mark);
                return Ok(brought);
            }
        }
    }
}

struct Page {
    mark: Mark,
    records: Vec<Record>,
    read_to: Position,
}

async fn read(
    shared: &Shared,
    session: &Session,
    after: Position,
    followed: &Followed,
) -> Result<Page, Error> {
    let (after, bits) = (values::number(after.get()), followed.bits());
    let params: [&(dyn ToSql + Sync); 4] = [&after, &bits, &MAX_ROWS, &MAX_BYTES];
    // Under a name, since this connection is never a pooler's.
    let statement = match session.feed.get() {
        Some(prepared) => prepared,
        None => {
            let sql = shared.names.sql(STATEMENT);
            let types = [Type::INT8, Type::BYTEA, Type::INT4, Type::INT8];
            let prepared = session.client.prepare_typed(&sql, &types).await?;
            session.feed.get_or_init(|| prepared)
        }
    };
    let rows = session.client.query(statement, &params).await?;
    let nothing =
        Mark { epoch: sse_tower_core::backplane::Epoch::new(0), position: Position::ZERO };
    let Some(first) = rows.first() else {
        return Ok(Page { mark: nothing, records: Vec::new(), read_to: Position::ZERO });
    };
    if first.try_get::<_, Option<i64>>("epoch")?.is_none() {
        return Ok(Page { mark: nothing, records: Vec::new(), read_to: Position::ZERO });
    }
    let mark = values::mark(first)?;
    let mut bytes = 0_usize;
    let mut read_to = Position::ZERO;
    let mut records = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(at) = row.try_get::<_, Option<i64>>("pos")? else { continue };
        read_to = values::position(at);
        let body: Option<&[u8]> = row.try_get("body")?;
        bytes += body.map_or(0, <[u8]>::len);
        let change = values::change(
            row.try_get("kind")?,
            body,
            row.try_get("once")?,
            row.try_get("holder")?,
        );
        let topic = values::topic(row.try_get("topic")?);
        if let (Some(topic), Some(change)) = (topic, change) {
            let previous = values::position(row.try_get("prev")?);
            records.push(Record { topic, position: read_to, previous, change });
        }
    }
    let full = records.len() >= MAX_ROWS as usize || bytes >= MAX_BYTES as usize;
    Ok(Page { mark, records, read_to: if full { read_to } else { mark.position } })
}
