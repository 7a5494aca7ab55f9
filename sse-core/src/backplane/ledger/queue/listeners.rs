//! The listeners of the queue: what they hear, and how they stand.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    RowQueue, keys,
    stored::{Held, Listener, Stored},
};
use crate::backplane::{
    EngineError, EventKind, ListenerState, ListenerStats, Position, Registration, Since, Steer,
    ledger::{codec::Reader, rows::Rows},
};

/// How many listeners are known at most, retired ones among them: another is refused.
pub const MAX_LISTENERS: usize = 4_096;

/// After which time a listener is retired that no process had.
pub const UNSEEN: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How long the name of a listener and of an event may be, in bytes.
const MAX_NAME_BYTES: usize = 1_024;

/// Up to how many events a backlog is counted.
const MAX_COUNTED: usize = 10_000;

impl<R: Rows> RowQueue<'_, R> {
    /// See [`Queue::register`](crate::backplane::Queue::register).
    ///
    /// # Errors
    /// Those of the rows; and `Refused` for a name over 1,024 bytes, and for a listener beyond [`MAX_LISTENERS`].
    pub fn register(&mut self, listeners: &[Registration]) -> Result<(), EngineError> {
        for registration in listeners {
            let Registration { listener, hears, since } = registration;
            for name in hears.iter().chain([listener]) {
                if name.len() > MAX_NAME_BYTES {
                    return Err(EngineError::refused(
                        "the name of a listener or event is too long",
                    ));
                }
            }
            let row = match self.listener(listener)? {
                Some(row) if row.state == ListenerState::Retired => {
                    Listener { state: ListenerState::Active, seen: self.now, ..row }
                }
                Some(row) => Listener { seen: self.now, ..row },
                None if self.all_listeners()?.len() >= MAX_LISTENERS => {
                    return Err(EngineError::refused("there are too many listeners: retire some"));
                }
                None => Listener {
                    state: ListenerState::Active,
                    seen: self.now,
                    waiting: 0,
                    running: 0,
                    dead: 0,
                },
            };
            self.rows.put(keys::listener(listener), row.write())?;
            let since = match since {
                Since::Now => self.last,
                Since::Earliest => Position::ZERO,
            };
            for name in hears {
                if self.rows.get(&keys::hears(listener, name))?.is_none() {
                    let row = since.get().to_be_bytes();
                    self.rows.put(keys::hears(listener, name), row.to_vec())?;
                    self.rows.put(keys::heard(name, listener), row.to_vec())?;
                }
            }
        }
        Ok(())
    }

    /// See [`Queue::heard`](crate::backplane::Queue::heard).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn heard(&self) -> Result<Vec<Arc<str>>, EngineError> {
        let rows = self.prefixed(keys::all_heard(), usize::MAX)?;
        let names = rows.into_iter().map(|(key, _)| Reader(key.into()).after_table());
        names.collect::<Result<BTreeSet<_>, _>>().map(|names| names.into_iter().collect())
    }

    /// See [`Queue::steer`](crate::backplane::Queue::steer).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn steer(&mut self, listener: &str, how: Steer) -> Result<bool, EngineError> {
        let Some(row) = self.listener(listener)? else { return Ok(false) };
        let state = match how {
            _ if row.state == ListenerState::Retired => return Ok(how == Steer::Retire),
            Steer::Pause => ListenerState::Paused,
            Steer::Resume => ListenerState::Active,
            Steer::Retire => return self.retire(listener).map(|()| true),
        };
        self.tally(listener, |row| row.state = state)?;
        Ok(true)
    }

    fn retire(&mut self, listener: &str) -> Result<(), EngineError> {
        for (key, row) in self.prefixed(keys::held_of(listener), usize::MAX)? {
            let position = Position::new(keys::last_number(&key));
            let held = Held::read(row)?;
            self.let_go(listener, position, &held)?;
        }
        for name in self.hears(listener)? {
            self.rows.delete(&keys::hears(listener, &name))?;
            self.rows.delete(&keys::heard(&name, listener))?;
        }
        for (key, _) in self.prefixed(keys::lanes_of(listener), usize::MAX)? {
            self.rows.delete(&key)?;
        }
        self.tally(listener, |row| row.state = ListenerState::Retired)
    }

    /// Retires listeners that nobody has had for [`UNSEEN`].
    pub(super) fn retire_unseen(&mut self) -> Result<(), EngineError> {
        for (listener, row) in self.all_listeners()? {
            let retired = row.state == ListenerState::Retired;
            if !retired && row.seen.saturating_add(micros(UNSEEN)) <= self.now {
                self.retire(&listener)?;
            }
        }
        Ok(())
    }

    /// See [`Queue::stats`](crate::backplane::Queue::stats).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn stats(&self) -> Result<Vec<ListenerStats>, EngineError> {
        let listeners = self.all_listeners()?;
        listeners.into_iter().map(|(listener, row)| self.stats_of(listener, &row)).collect()
    }

    fn stats_of(&self, listener: Arc<str>, row: &Listener) -> Result<ListenerStats, EngineError> {
        let hears = self.hears(&listener)?;
        let mut backlog = 0;
        let mut oldest = None::<u64>;
        for name in &hears {
            for kind in self.kinds(name)? {
                let Some(cursor) = self.cursor(&listener, &kind)? else { continue };
                let from = keys::index(&kind, Position::new(cursor.get().saturating_add(1)));
                let end = keys::end(keys::index(&kind, Position::new(u64::MAX)));
                let waiting = self.rows.range(&from, &end, MAX_COUNTED - backlog)?;
                backlog += waiting.len();
                if let Some((key, _)) = waiting.first() {
                    oldest = min(oldest, self.came(Position::new(keys::last_number(key)))?);
                }
            }
        }
        if let Some((key, row)) = self.prefixed(keys::held_of(&listener), 1)?.pop() {
            let came = match Held::read(row)?.own {
                Some(event) => Some(Stored::read(event)?.at),
                None => self.came(Position::new(keys::last_number(&key)))?,
            };
            oldest = min(oldest, came);
        }
        Ok(ListenerStats {
            listener,
            state: row.state,
            hears,
            only_elsewhere: Vec::new(),
            backlog,
            waiting: row.waiting as usize,
            running: row.running as usize,
            dead: row.dead as usize,
            oldest: oldest.map(|at| Duration::from_micros(self.now.saturating_sub(at))),
        })
    }

    fn came(&self, position: Position) -> Result<Option<u64>, EngineError> {
        let row = self.rows.get(&keys::event(position))?;
        row.map(|row| Stored::read(row).map(|stored| stored.at)).transpose()
    }

    /// The versions of this name that the queue has events of.
    fn kinds(&self, name: &Arc<str>) -> Result<Vec<EventKind>, EngineError> {
        let end = keys::end(keys::kinds(name));
        let mut from = keys::kinds(name);
        let mut kinds = Vec::new();
        while let Some((key, _)) = self.rows.range(&from, &end, 1)?.pop() {
            let mut key = Reader(key.into());
            key.u8()?;
            let kind = key.kind()?;
            from = keys::end(keys::index(&kind, Position::new(u64::MAX)));
            kinds.push(kind);
        }
        Ok(kinds)
    }

    /// The position after which this lane goes on, if the listener hears it.
    pub(super) fn cursor(
        &self,
        listener: &str,
        kind: &EventKind,
    ) -> Result<Option<Position>, EngineError> {
        let row = match self.rows.get(&keys::lane(listener, kind))? {
            Some(row) => Some(row),
            None => self.rows.get(&keys::hears(listener, &kind.name))?,
        };
        row.map(|row| Reader(row).u64().map(Position::new)).transpose()
    }

    pub(super) fn hears(&self, listener: &str) -> Result<Vec<Arc<str>>, EngineError> {
        let rows = self.prefixed(keys::hears_of(listener), usize::MAX)?;
        rows.into_iter()
            .map(|(key, _)| {
                let mut key = Reader(key.into());
                key.after_table()?;
                key.text()
            })
            .collect()
    }

    pub(super) fn all_listeners(&self) -> Result<Vec<(Arc<str>, Listener)>, EngineError> {
        let rows = self.prefixed(keys::listeners(), usize::MAX)?;
        rows.into_iter()
            .map(|(key, row)| Ok((Reader(key.into()).after_table()?, Listener::read(&row)?)))
            .collect()
    }

    /// All rows whose key begins with `prefix`.
    pub(super) fn prefixed(
        &self,
        prefix: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, bytes::Bytes)>, EngineError> {
        let end = keys::end(prefix.clone());
        self.rows.range(&prefix, &end, limit)
    }
}

impl Reader {
    /// The first text of a key.
    pub(super) fn after_table(&mut self) -> Result<Arc<str>, EngineError> {
        self.u8()?;
        self.text()
    }
}

fn min(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
