//! `File`: the database file and its rows.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use parking_lot::RwLock;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, Table, TableDefinition,
};
use sse_tower_core::backplane::{
    EngineError,
    ledger::{ReadRows, Row, Rows},
};

type Keys = &'static [u8];
type Values = &'static [u8];

/// The database, while it is open. Reading and writing hold it open; nobody waits for a task under this lock.
pub(super) struct File {
    path: PathBuf,
    table: String,
    database: RwLock<Option<Database>>,
}

impl File {
    pub(super) fn open(path: &Path, namespace: &str) -> Result<Self, EngineError> {
        let database = Database::create(path).map_err(|error| refusal(path, error))?;
        let (path, table) = (path.to_owned(), format!("sse:{namespace}"));
        Ok(Self { path, table, database: RwLock::new(Some(database)) })
    }

    /// Does something in one transaction, which is committed, and on the disk, if that put something and succeeded.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Written<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or_else(closed)?;
        let transaction = database.begin_write().map_err(failure)?;
        let definition = TableDefinition::<Keys, Values>::new(&self.table);
        let table = transaction.open_table(definition).map_err(failure)?;
        let mut rows = Written { table, put: false };
        let done = work(&mut rows);
        let put = rows.put;
        drop(rows);
        match done {
            Ok(value) if put => {
                transaction.commit().map_err(failure)?;
                Ok(value)
            }
            done => {
                transaction.abort().map_err(failure)?;
                done
            }
        }
    }

    /// Reads what was committed.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Read) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or_else(closed)?;
        let transaction = database.begin_read().map_err(failure)?;
        let definition = TableDefinition::<Keys, Values>::new(&self.table);
        work(&Read(transaction.open_table(definition).map_err(failure)?))
    }

    /// Opens the file again: after a failure of the disk nothing works before that.
    pub(super) fn reopen(&self) {
        let mut database = self.database.write();
        *database = None;
        *database = Database::create(&self.path).ok();
    }

    /// Waits for reads that are under way, and closes the file.
    pub(super) fn close(&self) {
        *self.database.write() = None;
    }
}

/// The rows of a transaction that writes.
pub(super) struct Written<'a> {
    table: Table<'a, Keys, Values>,
    put: bool,
}

/// The rows of a transaction that reads.
pub(super) struct Read(redb::ReadOnlyTable<Keys, Values>);

fn get(table: &impl ReadableTable<Keys, Values>, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
    let row = table.get(key).map_err(failure)?;
    Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
}

fn range(
    table: &impl ReadableTable<Keys, Values>,
    (from, to): (&[u8], &[u8]),
    limit: usize,
    back: bool,
) -> Result<Vec<Row>, EngineError> {
    if from >= to {
        return Ok(Vec::new());
    }
    let mut range = table.range::<&[u8]>(from..to).map_err(failure)?;
    let mut rows = Vec::new();
    while rows.len() < limit {
        let Some(row) = (if back { range.next_back() } else { range.next() }) else { break };
        let (key, row) = row.map_err(failure)?;
        rows.push((key.value().to_vec(), Bytes::copy_from_slice(row.value())));
    }
    Ok(rows)
}

impl ReadRows for Written<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        get(&self.table, key)
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        range(&self.table, (from, to), limit, false)
    }

    fn range_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        range(&self.table, (from, to), limit, true)
    }
}

impl Rows for Written<'_> {
    fn put(&mut self, key: Vec<u8>, row: Vec<u8>) -> Result<(), EngineError> {
        self.put = true;
        self.table.insert(&*key, &*row).map(drop).map_err(failure)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.put = true;
        self.table.remove(key).map(drop).map_err(failure)
    }
}

impl ReadRows for Read {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        get(&self.0, key)
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        range(&self.0, (from, to), limit, false)
    }

    fn range_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        range(&self.0, (from, to), limit, true)
    }
}

fn closed() -> EngineError {
    EngineError::unavailable("the file is not open")
}

fn failure(error: impl Into<redb::Error>) -> EngineError {
    EngineError::unavailable("the file could not be read or written").with_source(error.into())
}

/// Why a file could not be opened, and what to do about it.
fn refusal(path: &Path, error: DatabaseError) -> EngineError {
    let what = match &error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            "it is open already, and a file belongs to one process at a time: end the other one, \
             or use an engine that several processes share (redis, postgres, nats)"
        }
        DatabaseError::UpgradeRequired(_) => {
            "it was written by a version that this one cannot read: use another file"
        }
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            io::ErrorKind::NotFound => "its folder does not exist: make it",
            io::ErrorKind::PermissionDenied => "this process may not read and write it",
            io::ErrorKind::InvalidData => "it is no file of this engine: use another name",
            _ => "it cannot be read and written",
        },
        DatabaseError::Storage(StorageError::Corrupted(_)) => {
            "it is damaged, or no file of this engine: use another name"
        }
        _ => "it cannot be opened",
    };
    EngineError::refused(format!("{}: {what}", path.display())).with_source(error)
}
