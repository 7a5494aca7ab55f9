//! The events of the queue: how they come in, and when they are removed.

use std::{sync::Arc, time::Duration};

use super::{
    RowQueue, keys,
    listeners::micros,
    stored::{Held, Letter, Meta, Stored},
};
use crate::backplane::{
    DeadReason, EngineError, Position, QueuedEvent,
    ledger::{codec::Reader, rows::Rows},
};

/// How long an event stays at least, even if every listener is done with it.
pub const WINDOW: Duration = Duration::from_secs(60 * 60);

/// How long an event stays at most. Then it is a dead letter of the listeners that have not taken it.
pub const EXPIRES: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How many events are looked at for each that comes: more than one, so that the queue does not grow.
const LOOKED_AT: usize = 2;

/// How many of the oldest are looked at where there are too many bytes.
const OLDEST: usize = 64;

impl<R: Rows> RowQueue<'_, R> {
    /// Stores an event at this position, and looks at some old ones.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn enqueue(&mut self, position: Position, event: &QueuedEvent) -> Result<(), EngineError> {
        let stored = Stored { at: self.now, event: event.clone() };
        let mut meta = self.meta()?;
        meta.bytes = meta.bytes.saturating_add(stored.bytes());
        self.set_meta(&meta)?;
        self.rows.put(keys::event(position), stored.write())?;
        self.rows.put(keys::index(&event.kind, position), Vec::new())?;
        self.sweep(LOOKED_AT)
    }

    /// Looks at some events, and removes those that are not needed.
    pub(super) fn sweep(&mut self, events: usize) -> Result<(), EngineError> {
        let mut meta = self.meta()?;
        let before = meta;
        let from = keys::event(Position::new(meta.swept.saturating_add(1)));
        let rows = self.rows.range(&from, &keys::end(keys::events()), events)?;
        let mut round_ends = rows.len() < events;
        let mut swept = meta.swept;
        for (key, row) in rows {
            let position = Position::new(keys::last_number(&key));
            let stored = Stored::read(row.clone())?;
            let age = self.now.saturating_sub(stored.at);
            if age < micros(WINDOW) {
                round_ends = true; // All that come after it are younger.
                break;
            }
            swept = position.get();
            self.remove(&mut meta, position, &stored, row, age >= micros(EXPIRES))?;
        }
        if meta.bytes > self.bytes {
            let rows = self.prefixed(keys::events(), OLDEST)?;
            for (key, row) in rows {
                if meta.bytes <= self.bytes {
                    break;
                }
                let stored = Stored::read(row.clone())?;
                let position = Position::new(keys::last_number(&key));
                self.remove(&mut meta, position, &stored, row, true)?;
            }
        }
        meta.swept = if round_ends { 0 } else { swept };
        if meta == before { Ok(()) } else { self.set_meta(&meta) }
    }

    /// Removes an event if nobody needs it; if it has to go, also from those who do. What is running is left alone.
    fn remove(
        &mut self,
        meta: &mut Meta,
        position: Position,
        stored: &Stored,
        row: bytes::Bytes,
        has_to_go: bool,
    ) -> Result<(), EngineError> {
        let kind = &stored.event.kind;
        let mut needed = Vec::<(Arc<str>, Option<Held>)>::new();
        for (key, _) in self.prefixed(keys::heard_by(&kind.name), usize::MAX)? {
            let mut key = Reader(key.into());
            key.after_table()?;
            let listener = key.text()?;
            let held = self.rows.get(&keys::held(&listener, position))?;
            let held = held.map(Held::read).transpose()?;
            let ahead = self.cursor(&listener, kind)?.is_some_and(|cursor| cursor < position);
            if held.as_ref().is_some_and(|held| held.owner.is_some()) {
                return Ok(());
            }
            if held.is_some() || ahead {
                needed.push((listener, held));
            }
        }
        if !needed.is_empty() && !has_to_go {
            return Ok(());
        }
        for (listener, held) in needed {
            let (failures, losses, errors) = match held {
                Some(held) => {
                    self.let_go(&listener, position, &held)?;
                    (held.failures, held.losses, held.errors)
                }
                None => (0, 0, Vec::new()),
            };
            let (at, reason, event) = (self.now, DeadReason::Expired, row.clone());
            let letter = Letter { position, at, failures, losses, reason, errors, event };
            self.bury(meta, &listener, letter)?;
        }
        meta.bytes = meta.bytes.saturating_sub(stored.bytes());
        self.rows.delete(&keys::event(position))?;
        self.rows.delete(&keys::index(kind, position))
    }
}
