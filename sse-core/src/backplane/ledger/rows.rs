//! `ReadRows`, `Rows`: rows in the order of their keys.

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;

use crate::backplane::EngineError;

/// A row with its key.
pub type Row = (Vec<u8>, Bytes);

/// Rows in the order of their keys, as one transaction sees them.
pub trait ReadRows {
    /// The row at this key.
    ///
    /// # Errors
    /// What the store says. The transaction is dropped then, as after an error of the other methods.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// The first rows with a key of at least `from` and below `to`, in order, at most `limit`.
    ///
    /// # Errors
    /// See [`get`](Self::get).
    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError>;

    /// The last rows with a key of at least `from` and below `to`, the last one first, at most `limit`.
    ///
    /// # Errors
    /// See [`get`](Self::get).
    fn range_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError>;
}

/// Rows that a transaction changes: it sees what it has put itself.
pub trait Rows: ReadRows {
    /// Puts a row in the place of the one that was there.
    ///
    /// # Errors
    /// See [`get`](ReadRows::get).
    fn put(&mut self, key: Vec<u8>, row: Vec<u8>) -> Result<(), EngineError>;

    /// Deletes a row, if it is there.
    ///
    /// # Errors
    /// See [`get`](ReadRows::get).
    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError>;
}

/// Rows in memory.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct MemoryRows(BTreeMap<Vec<u8>, Bytes>);

impl MemoryRows {
    fn within(&self, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = Row> {
        // A range that ends before it begins is a panic there.
        let to = if from < to { to } else { from };
        let keys = (Bound::Included(from), Bound::Excluded(to));
        let rows = (from != to).then(|| self.0.range::<[u8], _>(keys));
        rows.into_iter().flatten().map(|(key, row)| (key.clone(), row.clone()))
    }
}

impl ReadRows for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        Ok(self.within(from, to).take(limit).collect())
    }

    fn range_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        Ok(self.within(from, to).rev().take(limit).collect())
    }
}

impl Rows for MemoryRows {
    fn put(&mut self, key: Vec<u8>, row: Vec<u8>) -> Result<(), EngineError> {
        self.0.insert(key, row.into());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.0.remove(key);
        Ok(())
    }
}
