//! `Output`: the bytes that one poll gives out.

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

/// Frames that go out together. One alone is passed on as it is; only several are copied.
#[derive(Debug, Default)]
pub(super) struct Output {
    first: Bytes,
    joined: BytesMut,
    /// When the newest of it was published, if that is known.
    pub(super) at: Option<Instant>,
}

impl Output {
    pub(super) fn push(&mut self, frame: Bytes) {
        if self.is_empty() {
            self.first = frame;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(self.first.len() + frame.len());
            self.joined.extend_from_slice(&self.first);
        }
        self.joined.extend_from_slice(&frame);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    pub(super) fn finish(self) -> Option<Bytes> {
        if !self.joined.is_empty() {
            Some(self.joined.freeze())
        } else if !self.first.is_empty() {
            Some(self.first)
        } else {
            None
        }
    }
}
