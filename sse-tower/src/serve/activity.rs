//! `Activity`: what one connection is busy with.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts requests that were taken and whose responses are not all given out.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_flight: AtomicUsize,
    /// How many requests were taken so far.
    taken: AtomicUsize,
    streams: AtomicUsize,
    uploads: AtomicUsize,
}

impl Activity {
    /// Whether no request is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0
    }

    /// How many requests were taken since the beginning.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Whether an event stream goes out.
    pub(super) fn streams(&self) -> bool {
        self.streams.load(Ordering::Acquire) > 0
    }

    /// Whether the body of a request may still be coming in.
    pub(super) fn uploads(&self) -> bool {
        self.uploads.load(Ordering::Acquire) > 0
    }
}

/// One request, until its response's body is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    streams: bool,
    uploads: bool,
}

impl InFlight {
    /// A request, which has a body or has none.
    pub(super) fn new(activity: &Arc<Activity>, uploads: bool) -> Self {
        activity.in_flight.fetch_add(1, Ordering::AcqRel);
        activity.taken.fetch_add(1, Ordering::AcqRel);
        activity.uploads.fetch_add(usize::from(uploads), Ordering::AcqRel);
        Self { activity: Arc::clone(activity), streams: false, uploads }
    }

    /// Notes that its response is an event stream.
    pub(super) fn streams(&mut self) {
        if !self.streams {
            self.streams = true;
            self.activity.streams.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.streams {
            self.activity.streams.fetch_sub(1, Ordering::AcqRel);
        }
        self.activity.uploads.fetch_sub(usize::from(self.uploads), Ordering::AcqRel);
        self.activity.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
