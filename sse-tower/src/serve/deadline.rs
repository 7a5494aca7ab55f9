//! `Deadline`: when a server has to be gone, whatever its runtime is busy with.

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use sse_tower_core::__private::later;
use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A moment that comes by the runtime's clock, and by a thread of its own: code of the program that blocks every
/// worker stops the runtime's clock as well. The thread ends when this is dropped.
pub(super) struct Deadline {
    at: Instant,
    alarm: Arc<Notify>,
    _alive: Sender<()>,
}

impl Deadline {
    pub(super) fn after(time: Duration) -> Self {
        let alarm = Arc::new(Notify::new());
        let (alive, dropped) = channel();
        let rings = Arc::clone(&alarm);
        let wait = move || {
            if dropped.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                rings.notify_one();
            }
        };
        // Without a thread to be had the runtime's clock is what there is.
        let _ = thread::Builder::new().name("sse-tower deadline".into()).spawn(wait);
        Self { at: later(Instant::now(), time), alarm, _alive: alive }
    }

    /// Waits until it has passed. Cancel safe.
    pub(super) async fn passed(&self) {
        select! {
            () = sleep_until(self.at) => {}
            () = self.alarm.notified() => {}
        }
    }
}
