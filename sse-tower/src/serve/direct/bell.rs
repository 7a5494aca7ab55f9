//! Who rang: wakers that name a lane.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Wake, Waker},
};

use sse_tower_core::Tick;
use tokio::{sync::Notify, time::Instant};

/// In the row already.
const RUNG: u8 = 1;
/// The socket has something to read, or its end.
const READABLE: u8 = 2;
/// Its time is over.
const LATE: u8 = 4;

/// Lanes that want to be looked at. Each is in the row at most once, so it is no longer than there
/// are lanes.
#[derive(Debug, Default)]
pub(super) struct Row {
    rung: Mutex<Vec<usize>>,
    some: Notify,
}

impl Row {
    fn lock(&self) -> MutexGuard<'_, Vec<usize>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lane: usize) {
        let first = {
            let mut rung = self.lock();
            rung.push(lane);
            rung.len() == 1
        };
        if first {
            self.some.notify_one();
        }
    }

    /// Somebody has something for the flusher that is no lane of its yet.
    pub(super) fn call(&self) {
        self.some.notify_one();
    }

    /// Waits until somebody rings or calls, unless somebody did since the last time.
    pub(super) async fn some(&self) {
        self.some.notified().await;
    }

    /// Whoever rang, in place of what `rung` held.
    pub(super) fn take(&self, rung: &mut Vec<usize>) {
        rung.clear();
        mem::swap(&mut *self.lock(), rung);
    }
}

/// Why it rang, besides that the stream may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// The client may have said something, or left.
    pub(super) readable: bool,
    /// It took too long for its next request.
    pub(super) late: bool,
}

/// One lane's bell: as a waker it says that the stream may go on.
pub(super) struct Bell {
    row: Arc<Row>,
    lane: usize,
    state: AtomicU8,
}

impl Bell {
    pub(super) fn new(row: Arc<Row>, lane: usize) -> Arc<Self> {
        Arc::new(Self { row, lane, state: AtomicU8::new(0) })
    }

    /// Rings on from here are heard again.
    pub(super) fn answer(&self) -> Heard {
        let state = self.state.swap(0, Ordering::AcqRel);
        Heard { readable: state & READABLE != 0, late: state & LATE != 0 }
    }

    fn ring(&self, why: u8) {
        if self.state.fetch_or(why | RUNG, Ordering::AcqRel) & RUNG == 0 {
            self.row.push(self.lane);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring(0);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring(0);
    }
}

impl Tick for Bell {
    fn tick(&self, _: Instant) {
        self.ring(LATE);
    }
}

/// The same bell for the reading side of the socket: looked at only when it rang, not with each
/// event.
struct Ear(Arc<Bell>);

impl Wake for Ear {
    fn wake(self: Arc<Self>) {
        self.0.ring(READABLE);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.ring(READABLE);
    }
}

/// What a lane waits with. Kept, so that whoever holds a clone finds that it is the same.
#[derive(Debug)]
pub(super) struct Wakers {
    /// For the stream, and for room to write.
    pub(super) stream: Waker,
    /// For something to read.
    pub(super) reading: Waker,
}

impl Wakers {
    pub(super) fn of(bell: &Arc<Bell>) -> Self {
        Self {
            stream: Waker::from(Arc::clone(bell)),
            reading: Waker::from(Arc::new(Ear(Arc::clone(bell)))),
        }
    }
}
