//! What wakes whom.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// There is something new in the log.
pub(super) const LOG: u8 = 1;
/// Something may wait in the queue.
pub(super) const QUEUE: u8 = 2;

/// A bell that remembers what it was rung for until somebody looks. Ringing often is ringing once.
#[derive(Debug)]
pub(super) struct Bell {
    why: AtomicU8,
    notify: Notify,
    /// Tells this process's own ringing, which it need not hear.
    tag: u32,
}

impl Bell {
    pub(super) fn new() -> Self {
        Self { why: AtomicU8::new(0), notify: Notify::new(), tag: fastrand::u32(..) }
    }

    pub(super) fn ring(&self, why: u8) {
        self.why.fetch_or(why, Ordering::AcqRel);
        self.notify.notify_one();
    }

    /// Wakes whoever waits, for nothing.
    pub(super) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Waits until it is rung.
    pub(super) async fn rung(&self) {
        self.notify.notified().await;
    }

    /// What for, and no more.
    pub(super) fn take(&self) -> u8 {
        self.why.swap(0, Ordering::AcqRel)
    }

    /// What to tell others.
    pub(super) fn payload(&self, why: u8) -> String {
        format!("{} {why}", self.tag)
    }

    /// What another process told.
    pub(super) fn heard(&self, payload: &str) {
        // Whatever somebody else sends on this channel means that there is something.
        let (tag, why) = payload.split_once(' ').unwrap_or(("", payload));
        if tag.parse() != Ok(self.tag) {
            self.ring(why.parse().unwrap_or(LOG | QUEUE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ones_own_ringing_is_not_heard() {
        let (here, there) = (Bell::new(), Bell::new());
        let payload = here.payload(QUEUE);
        here.heard(&payload);
        assert_eq!(here.take(), 0);
        there.heard(&payload);
        there.rung().await;
        assert_eq!((there.take(), there.take()), (QUEUE, 0));
        there.heard("from a trigger");
        assert_eq!(there.take(), LOG | QUEUE);
    }
}
