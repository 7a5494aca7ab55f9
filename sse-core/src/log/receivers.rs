//! `ReceiverCount`: how many connections at a log take events, without asking each of them.

use crate::{few::Few, sync::Arc};

/// Counts those readers of a log that still take events.
pub(crate) trait ReceiverCount: Send + Sync {
    /// One more connection takes events.
    fn opened(&self);
    /// One connection takes no more events.
    fn closed(&self);
}

/// Where one connection is counted. Most are at one log, and there are many of them.
#[derive(Default)]
pub(crate) struct ReceiverCounts {
    counts: Few<Arc<dyn ReceiverCount>>,
}

impl ReceiverCounts {
    pub(crate) fn open(&mut self, count: Arc<dyn ReceiverCount>) {
        count.opened();
        self.counts.push(count);
    }

    /// Notes that the connection takes no more events. Returns the counts, to be dropped later: with them a log may
    /// be dropped.
    pub(crate) fn close(&mut self) -> Self {
        let closed = std::mem::take(self);
        closed.counts.iter().for_each(|count| count.closed());
        closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicIsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicIsize);

    impl ReceiverCount for Count {
        fn opened(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn closed(&self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_connection_that_closes_twice_is_taken_off_each_count_once() {
        let logs = [Arc::new(Count::default()), Arc::new(Count::default())];
        let mut counts = ReceiverCounts::default();
        logs.iter().for_each(|log| counts.open(Arc::clone(log) as _));
        assert!(logs.iter().all(|log| log.0.load(Ordering::Relaxed) == 1));
        drop(counts.close());
        drop(counts.close());
        assert!(logs.iter().all(|log| log.0.load(Ordering::Relaxed) == 0));
    }
}
