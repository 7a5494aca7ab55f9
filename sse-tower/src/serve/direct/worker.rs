//! `Worker`: polls the detached connections that are ready, in slices, one worker for each of the runtime's.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use parking_lot::Mutex;
use slab::Slab;
use sse_tower_core::__private::{contain, discard};
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
        settings::ServeSettings,
        shutdown::{ShutdownKind, ShutdownSignal},
    },
    chunk::{Chunker, TryWrite},
    detached::{Detached, Progress},
    idle_queue::IdleQueue,
    ready_queue::{ConnWaker, ReadyQueue, Wakers},
};

/// How many connections are polled before other tasks have their turn, after a rest: the first event is
/// everywhere soon.
const LARGE_SLICE: usize = 64;
/// How many when one round follows the other: what is published meanwhile goes out together at the next turn of each
/// connection.
const SMALL_SLICE: usize = 8;
/// For how many arrivals room is kept.
const ROOM: usize = 64;
/// How long it has to be quiet to count as a rest.
const REST: Duration = Duration::from_micros(200);

/// One worker for each worker of the runtime. Connections are dealt out in turn.
pub(in crate::serve) struct Workers<I, B, P> {
    inboxes: Vec<Arc<Inbox<I, B, P>>>,
    next: AtomicUsize,
}

/// Where connections come in, and are queued when they are ready.
struct Inbox<I, B, P> {
    /// Emptied by the worker when it is notified; bounded by the connections there may be.
    arrived: Mutex<Vec<Detached<I, B, P>>>,
    queue: Arc<ReadyQueue>,
}

impl<I, B, P> Workers<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    P: Send + 'static,
{
    /// Starts them. Each ends with the server, and its connections with it.
    pub(in crate::serve) fn start(
        settings: &ServeSettings,
        shutdown: &ShutdownSignal,
        try_write: TryWrite<I>,
    ) -> Self {
        let workers = Handle::current().metrics().num_workers().max(1);
        let inbox = || Arc::new(Inbox { arrived: Mutex::new(Vec::new()), queue: Arc::default() });
        let inboxes: Vec<_> = (0..workers).map(|_| inbox()).collect();
        for inbox in &inboxes {
            let worker = Worker {
                inbox: Arc::clone(inbox),
                connections: Slab::new(),
                finishing: false,
                idle: IdleQueue::new(settings.header_timeout),
                arrived: Vec::new(),
                chunker: Chunker::new(try_write),
            };
            // What a worker may do at once is bounded here, by slices; not by operations.
            tokio::spawn(unconstrained(worker.run(shutdown.clone())));
        }
        Self { inboxes, next: AtomicUsize::new(0) }
    }

    pub(in crate::serve) fn take(&self, connection: Detached<I, B, P>) {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let inbox = &self.inboxes[next % self.inboxes.len()];
        inbox.arrived.lock().push(connection);
        inbox.queue.notify();
    }
}

struct Worker<I, B, P> {
    inbox: Arc<Inbox<I, B, P>>,
    connections: Slab<Box<Entry<I, B, P>>>,
    finishing: bool,
    idle: IdleQueue,
    /// The arrivals of the last round, emptied: its memory is used again.
    arrived: Vec<Detached<I, B, P>>,
    chunker: Chunker<I>,
}

struct Entry<I, B, P> {
    waker: Arc<ConnWaker>,
    wakers: Wakers,
    connection: Detached<I, B, P>,
}

impl<I, B, P> Worker<I, B, P>
where
    I: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes>,
{
    async fn run(mut self, mut shutdown: ShutdownSignal) {
        while self.run_until(shutdown.next()).await == ShutdownKind::Graceful {
            self.finish();
        }
    }

    async fn run_until(&mut self, shutdown: impl Future<Output = ShutdownKind>) -> ShutdownKind {
        pin!(shutdown);
        let mut ready = Vec::new();
        let mut quiet_since = Instant::now();
        // Since others had theirs. Over rounds too: a few connections may be busy all the time.
        let mut turns = 0;
        loop {
            // The server's word first: connections may be busy all the time.
            select! {
                biased;
                kind = shutdown.as_mut() => return kind,
                () = self.inbox.queue.changed() => {}
                () = self.idle.late() => {}
            }
            let slice = if quiet_since.elapsed() < REST { SMALL_SLICE } else { LARGE_SLICE };
            self.add_arrivals();
            self.inbox.queue.take(&mut ready);
            for connection in ready.drain(..) {
                self.poll(connection);
                turns += 1;
                if turns >= slice {
                    turns = 0;
                    yield_now().await;
                }
            }
            quiet_since = Instant::now();
        }
    }

    /// Closes what waits for a request, now and from now on.
    fn finish(&mut self) {
        self.finishing = true;
        self.connections.retain(|_, entry| !entry.connection.is_idle());
    }

    /// Connections that have just come. They are polled first when others are.
    fn add_arrivals(&mut self) {
        std::mem::swap(&mut *self.inbox.arrived.lock(), &mut self.arrived);
        for connection in self.arrived.drain(..) {
            let entry = self.connections.vacant_entry();
            let waker = ConnWaker::new(Arc::clone(&self.inbox.queue), entry.key());
            let wakers = Wakers::of(&waker);
            // Its stream and the reading side of its socket.
            wakers.reading.wake_by_ref();
            entry.insert(Box::new(Entry { waker, wakers, connection }));
        }
        self.arrived.shrink_to(ROOM);
    }

    #[allow(clippy::inline_always, reason = "once for each event and connection")]
    #[inline(always)]
    fn poll(&mut self, number: usize) {
        // One that has ended may still be queued, and its number may have gone to another.
        let connections = self.connections.len();
        let Some(entry) = self.connections.get_mut(number) else { return };
        let readiness = entry.waker.take_readiness();
        // A body may be anybody's, and what panics in it ends its own stream alone.
        let progress = catch_unwind(AssertUnwindSafe(|| {
            let progress = entry.connection.poll_once(readiness, &entry.wakers, &mut self.chunker);
            if progress == Progress::Done && !self.finishing {
                entry.connection.idle();
                self.idle.push(&entry.waker, connections);
                return Progress::Pending;
            }
            progress
        }));
        match progress {
            Ok(Progress::Pending) => {}
            Ok(Progress::HasMore) => entry.wakers.stream.wake_by_ref(),
            over => {
                let entry = self.connections.remove(number);
                contain(|| match over {
                    Ok(Progress::NextRequest) => entry.connection.give_back(),
                    Ok(_) => drop(entry),
                    Err(payload) => {
                        discard(payload);
                        drop(entry);
                    }
                });
            }
        }
    }
}
