//! Who polls the lanes.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use slab::Slab;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    pin,
    runtime::Handle,
    select,
    task::{coop::unconstrained, yield_now},
    time::Instant,
};

use super::{
    super::{
        orders::{Order, Orders},
        settings::Settings,
    },
    bell::{Bell, Row, Wakers},
    chunk::Chunker,
    lane::{Lane, Turn},
};

/// How many lanes have their turn before other tasks have theirs, after a rest: the first event is
/// everywhere soon.
const LARGE_SLICE: usize = 64;
/// And when one round follows the other. What is published meanwhile goes out together at the next
/// turn of each lane.
const SMALL_SLICE: usize = 8;
/// How long it has been quiet after a rest.
const REST: Duration = Duration::from_micros(200);

/// One flusher for each worker of the runtime. Lanes are dealt out in turn.
pub(in crate::serve) struct Flushers<I, B, P> {
    doors: Vec<Arc<Door<I, B, P>>>,
    next: AtomicUsize,
}

/// Where lanes come in.
struct Door<I, B, P> {
    /// Emptied by the flusher when it is called; bounded by the connections there may be.
    arrived: Mutex<Vec<Lane<I, B, P>>>,
    row: Arc<Row>,
}

impl<I, B, P> Flushers<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    P: Send + 'static,
{
    /// Starts them. Each ends with the server, and its lanes with it.
    pub(in crate::serve) fn start(settings: &Settings, orders: &Orders) -> Self {
        let workers = Handle::current().metrics().num_workers().max(1);
        let door = || Arc::new(Door { arrived: Mutex::new(Vec::new()), row: Arc::default() });
        let doors: Vec<_> = (0..workers).map(|_| door()).collect();
        for door in &doors {
            let flusher = Flusher {
                door: Arc::clone(door),
                lanes: Slab::new(),
                leaving: false,
                idle_timeout: settings.header_timeout,
                chunker: Chunker::default(),
            };
            // What a flusher may do at once is bounded here, by slices; not by operations.
            tokio::spawn(unconstrained(flusher.run(orders.clone())));
        }
        Self { doors, next: AtomicUsize::new(0) }
    }

    pub(in crate::serve) fn take(&self, lane: Lane<I, B, P>) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let door = &self.doors[turn % self.doors.len()];
        door.arrived.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
        door.row.call();
    }
}

struct Flusher<I, B, P> {
    door: Arc<Door<I, B, P>>,
    lanes: Slab<Box<Seat<I, B, P>>>,
    leaving: bool,
    /// How long a client may take for its next request.
    idle_timeout: Duration,
    chunker: Chunker,
}

struct Seat<I, B, P> {
    bell: Arc<Bell>,
    wakers: Wakers,
    lane: Lane<I, B, P>,
}

impl<I, B, P> Flusher<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes>,
{
    async fn run(mut self, mut orders: Orders) {
        while self.flush_until(orders.next()).await == Order::Leave {
            self.leave();
        }
    }

    async fn flush_until(&mut self, order: impl Future<Output = Order>) -> Order {
        pin!(order);
        let mut rung = Vec::new();
        let mut quiet_since = Instant::now();
        // Since others had theirs. Over rounds too: a few lanes may be busy all the time.
        let mut turns = 0;
        loop {
            // Orders first: a server may be busy all the time.
            select! {
                biased;
                order = order.as_mut() => return order,
                () = self.door.row.some() => {}
            }
            let slice = if quiet_since.elapsed() < REST { SMALL_SLICE } else { LARGE_SLICE };
            self.seat_arrivals();
            self.door.row.take(&mut rung);
            for lane in rung.drain(..) {
                self.turn(lane);
                turns += 1;
                if turns >= slice {
                    turns = 0;
                    yield_now().await;
                }
            }
            quiet_since = Instant::now();
        }
    }

    /// Who waits for a request waits no longer.
    fn leave(&mut self) {
        self.leaving = true;
        self.lanes.retain(|_, seat| !seat.lane.is_idle());
    }

    /// Lanes that have just come. They have their first turn as others do.
    fn seat_arrivals(&mut self) {
        let arrived = {
            let mut arrived = self.door.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *arrived)
        };
        for lane in arrived {
            let entry = self.lanes.vacant_entry();
            let bell = Bell::new(Arc::clone(&self.door.row), entry.key());
            let wakers = Wakers::of(&bell);
            // Both its stream and its socket are looked at first.
            wakers.reading.wake_by_ref();
            entry.insert(Box::new(Seat { bell, wakers, lane }));
        }
    }

    fn turn(&mut self, number: usize) {
        // One that has ended may still be rung for, or its successor.
        let Some(seat) = self.lanes.get_mut(number) else { return };
        let heard = seat.bell.answer();
        // A body may be anybody's, and what panics in it ends its own stream alone.
        let turn = catch_unwind(AssertUnwindSafe(|| {
            let turn = seat.lane.turn(heard, &seat.wakers, &mut self.chunker);
            if turn == Turn::Done && !self.leaving {
                seat.lane.idle(&seat.bell, self.idle_timeout);
                return Turn::Waits;
            }
            turn
        }));
        match turn {
            Ok(Turn::Waits) => {}
            Ok(Turn::HasMore) => seat.wakers.stream.wake_by_ref(),
            over => {
                let seat = self.lanes.remove(number);
                let _ = catch_unwind(AssertUnwindSafe(|| match over {
                    Ok(Turn::Speaks) => seat.lane.give_back(),
                    _ => drop(seat),
                }));
            }
        }
    }
}
