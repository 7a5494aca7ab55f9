//! `ReadyQueue`: the detached connections that want to be polled, and `ConnWaker`, which queues one of them.
//!
//! A connection is queued by whatever woke it: its stream, room in its socket, something to read, or its
//! timer. It is in the queue at most once however often it is woken; its waker remembers why ([`Readiness`]),
//! so that the reading side of a socket is looked at only when it may have something.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Wake, Waker},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The socket has something to read, or its end.
const READABLE: u8 = 1;
/// Its time is over.
const LATE: u8 = 2;

/// Connections that want to be polled, by number. Each is in here at most once, so it is no longer than
/// there are connections.
#[derive(Debug, Default)]
pub(super) struct ReadyQueue {
    ready: Mutex<Vec<usize>>,
    changed: Notify,
}

impl ReadyQueue {
    fn push(&self, connection: usize) {
        let first = {
            let mut ready = self.ready.lock();
            let first = ready.is_empty();
            ready.push(connection);
            first
        };
        if first {
            self.changed.notify_one();
        }
    }

    /// Wakes the worker though no connection of its is ready: a new one has come.
    pub(super) fn notify(&self) {
        self.changed.notify_one();
    }

    /// Waits until something is queued or notified, unless that was so since the last time. Cancel safe.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes all that is queued, in place of what `ready` held.
    pub(super) fn take(&self, ready: &mut Vec<usize>) {
        ready.clear();
        mem::swap(&mut *self.ready.lock(), ready);
    }
}

/// Why a connection was queued, besides that its stream may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readiness {
    /// The client may have said something, or left.
    pub(super) readable: bool,
    /// It took too long for its next request.
    pub(super) late: bool,
}

/// One connection's place in the queue: as a waker it says that the stream may go on, and it is told when
/// time is over.
pub(super) struct ConnWaker {
    queue: Arc<ReadyQueue>,
    connection: usize,
    /// Whether it is in the queue.
    queued: AtomicBool,
    /// Why it was queued, besides that its stream may go on. Set before it is queued, and read after it was taken
    /// out.
    why: AtomicU8,
}

impl ConnWaker {
    pub(super) fn new(queue: Arc<ReadyQueue>, connection: usize) -> Arc<Self> {
        Arc::new(Self { queue, connection, queued: AtomicBool::new(false), why: AtomicU8::new(0) })
    }

    /// Why it was queued. Whatever wakes it from here on queues it again.
    pub(super) fn take_readiness(&self) -> Readiness {
        // What comes from here on queues it again.
        self.queued.swap(false, Ordering::AcqRel);
        let why = if self.why.load(Ordering::Acquire) == 0 {
            0
        } else {
            self.why.swap(0, Ordering::AcqRel)
        };
        Readiness { readable: why & READABLE != 0, late: why & LATE != 0 }
    }

    /// It took too long for its next request.
    pub(super) fn late(&self) {
        self.queue_because(LATE);
    }

    fn queue_because(&self, why: u8) {
        self.why.fetch_or(why, Ordering::AcqRel);
        self.queue();
    }

    fn queue(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.push(self.connection);
        }
    }
}

impl Wake for ConnWaker {
    fn wake(self: Arc<Self>) {
        self.queue();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue();
    }
}

/// The same connection's waker for the reading side of its socket, which is not looked at with each event.
struct ReadWaker(Arc<ConnWaker>);

impl Wake for ReadWaker {
    fn wake(self: Arc<Self>) {
        self.0.queue_because(READABLE);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.queue_because(READABLE);
    }
}

/// What a connection is polled with. Kept, so that whoever holds a clone finds that it is the same.
#[derive(Debug)]
pub(super) struct Wakers {
    /// For the stream, and for room to write.
    pub(super) stream: Waker,
    /// For something to read.
    pub(super) reading: Waker,
}

impl Wakers {
    pub(super) fn of(waker: &Arc<ConnWaker>) -> Self {
        Self {
            stream: Waker::from(Arc::clone(waker)),
            reading: Waker::from(Arc::new(ReadWaker(Arc::clone(waker)))),
        }
    }
}
