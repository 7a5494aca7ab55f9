//! How rows are written: numbers in their order, texts behind their length.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::backplane::{EngineError, EventKind, Position};

/// A row, or a key, as it is written.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u8(mut self, number: u8) -> Self {
        self.0.push(number);
        self
    }

    pub(super) fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn u128(mut self, number: u128) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut row = self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        row.0.extend(bytes);
        row
    }

    pub(super) fn position(self, position: Position) -> Self {
        self.u64(position.get())
    }

    pub(super) fn kind(self, kind: &EventKind) -> Self {
        self.bytes(kind.name.as_bytes()).u32(kind.version)
    }
}

/// A row as it is read: what is not there is an error, never a panic.
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    pub(super) fn u8(&mut self) -> Result<u8, EngineError> {
        self.0.try_get_u8().map_err(unreadable)
    }

    pub(super) fn u32(&mut self) -> Result<u32, EngineError> {
        self.0.try_get_u32().map_err(unreadable)
    }

    pub(super) fn u64(&mut self) -> Result<u64, EngineError> {
        self.0.try_get_u64().map_err(unreadable)
    }

    pub(super) fn u128(&mut self) -> Result<u128, EngineError> {
        self.0.try_get_u128().map_err(unreadable)
    }

    /// A part of the row, without copying it.
    pub(super) fn bytes(&mut self) -> Result<Bytes, EngineError> {
        let length = self.u32()? as usize;
        if length > self.0.len() {
            return Err(unreadable("it ends too early"));
        }
        Ok(self.0.split_to(length))
    }

    pub(super) fn text(&mut self) -> Result<Arc<str>, EngineError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(&bytes).map(Arc::from).map_err(unreadable)
    }

    pub(super) fn position(&mut self) -> Result<Position, EngineError> {
        self.u64().map(Position::new)
    }

    pub(super) fn kind(&mut self) -> Result<EventKind, EngineError> {
        Ok(EventKind { name: self.text()?, version: self.u32()? })
    }
}

/// The error for a row that this program did not write.
pub(super) fn unreadable(
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EngineError {
    EngineError::refused("the store has a row that this version cannot read").with_source(source)
}
