//! `Bell`: wakes whoever looks into the store's queue.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A bell for one listener: rings are not counted, and none is lost.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rang: AtomicBool,
    notify: Notify,
}

impl Bell {
    /// There may be something.
    pub(crate) fn ring(&self) {
        self.rang.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    /// Wakes without saying that there is something.
    pub(crate) fn nudge(&self) {
        self.notify.notify_one();
    }

    /// Whether it rang since this was last asked.
    pub(crate) fn take(&self) -> bool {
        self.rang.swap(false, Ordering::AcqRel)
    }

    /// Waits for the next ring or nudge; one that nobody waited for counts.
    pub(crate) async fn rung(&self) {
        self.notify.notified().await;
    }
}
