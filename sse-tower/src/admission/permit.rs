//! `Permit`: what a stream holds while it is open.

use sse_tower_core::{CloseReason, OpenStream};

use super::table::Place;
use crate::lease::LeaseWatch;

/// A stream's place under the limits and in the drain, and the leases it runs under. Dropping it says that
/// the stream is over.
pub(crate) struct Permit {
    open: OpenStream,
    /// Most streams have neither, and there are many.
    _held: Option<Box<Held>>,
}

struct Held {
    _place: Option<Place>,
    _leases: Vec<LeaseWatch>,
}

impl Permit {
    pub(super) fn new(open: OpenStream, place: Option<Place>, leases: Vec<LeaseWatch>) -> Self {
        let held = place.is_some() || !leases.is_empty();
        let held = held.then(|| Box::new(Held { _place: place, _leases: leases }));
        Self { open, _held: held }
    }

    /// Notes that the stream is over, and why.
    pub(crate) fn over(self, reason: CloseReason) {
        self.open.close(reason);
    }
}
