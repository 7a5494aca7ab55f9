//! `Permit`: what a stream holds while it is open.

use sse_tower_core::{CloseReason, OpenStream};

use super::table::Place;
use crate::lease::LeaseWatch;

/// A stream's place under the limits and in the drain, and the leases it runs under. Dropping it says that
/// the stream is over.
pub(crate) struct Permit {
    open: OpenStream,
    _place: Option<Box<Place>>,
    _leases: Box<[LeaseWatch]>,
}

impl Permit {
    pub(super) fn new(
        open: OpenStream,
        place: Option<Box<Place>>,
        leases: Box<[LeaseWatch]>,
    ) -> Self {
        Self { open, _place: place, _leases: leases }
    }

    /// Notes that the stream is over, and why.
    pub(crate) fn over(self, reason: CloseReason) {
        self.open.close(reason);
    }
}
