//! Dead letters: events that are not tried again by themselves.

use std::time::Duration;

use super::{
    MAX_HELD, RowQueue, keys,
    listeners::micros,
    stored::{Held, Letter, Meta, Stored},
};
use crate::backplane::{DeadLetter, EngineError, Letters, ListenerState, ledger::rows::Rows};

/// How many dead letters of one listener are kept at most; then the oldest goes.
pub const MAX_LETTERS: usize = 10_000;

/// How long a dead letter is kept.
pub const LETTER_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many letters of a listener are dropped at once for their age.
const DROPPED: usize = 64;

impl<R: Rows> RowQueue<'_, R> {
    /// See [`Queue::dead`](crate::backplane::Queue::dead).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn dead(
        &self,
        listener: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, EngineError> {
        let from = keys::letter(listener, after.saturating_add(1));
        let rows = self.rows.range(&from, &keys::end(keys::letters_of(listener)), limit)?;
        rows.into_iter()
            .map(|(key, row)| {
                let letter = Letter::read(row)?;
                Ok(DeadLetter {
                    id: keys::last_number(&key),
                    listener: listener.into(),
                    event: Stored::read(letter.event)?.event,
                    failures: letter.failures,
                    losses: letter.losses,
                    errors: letter.errors,
                    reason: letter.reason,
                    age: Duration::from_micros(self.now.saturating_sub(letter.at)),
                })
            })
            .collect()
    }

    /// See [`Queue::revive`](crate::backplane::Queue::revive). Revives nothing of a retired listener, and no more
    /// than [`MAX_HELD`].
    ///
    /// # Errors
    /// Those of the rows.
    pub fn revive(&mut self, listener: &str, letters: Letters) -> Result<usize, EngineError> {
        let Some(row) = self.listener(listener)? else { return Ok(0) };
        if row.state == ListenerState::Retired {
            return Ok(0);
        }
        let mut found = self.letters(listener, letters)?;
        found.truncate(MAX_HELD.saturating_sub(row.held()));
        let revived = found.len();
        for (id, letter) in found {
            self.drop_letter(listener, id)?;
            if self.held(listener, letter.position)?.is_some() {
                continue; // It is being tried already.
            }
            let held = Held {
                owner: None,
                failures: 0,
                losses: 0,
                due: self.now,
                kind: Stored::read(letter.event.clone())?.event.kind,
                errors: Vec::new(),
                own: Some(letter.event),
            };
            let due = keys::due(listener, &held.kind, held.due, letter.position);
            self.rows.put(due, Vec::new())?;
            self.rows.put(keys::held(listener, letter.position), held.write())?;
            self.tally(listener, |row| row.waiting = row.waiting.saturating_add(1))?;
        }
        Ok(revived)
    }

    /// See [`Queue::discard`](crate::backplane::Queue::discard).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn discard(&mut self, listener: &str, letters: Letters) -> Result<usize, EngineError> {
        let found = self.letters(listener, letters)?;
        for (id, _) in &found {
            self.drop_letter(listener, *id)?;
        }
        Ok(found.len())
    }

    /// Adds a dead letter, the newest. `meta` is written by the caller.
    pub(super) fn bury(
        &mut self,
        meta: &mut Meta,
        listener: &str,
        letter: Letter,
    ) -> Result<(), EngineError> {
        meta.letters = meta.letters.saturating_add(1);
        self.rows.put(keys::letter(listener, meta.letters), letter.write())?;
        self.tally(listener, |row| row.dead = row.dead.saturating_add(1))?;
        if self.listener(listener)?.is_some_and(|row| row.dead as usize > MAX_LETTERS) {
            self.discard(listener, Letters::Oldest(1))?;
        }
        Ok(())
    }

    pub(super) fn drop_old_letters(&mut self) -> Result<(), EngineError> {
        for (listener, row) in self.all_listeners()? {
            if row.dead == 0 {
                continue;
            }
            for (id, letter) in self.letters(&listener, Letters::Oldest(DROPPED))? {
                if letter.at.saturating_add(micros(LETTER_AGE)) > self.now {
                    break;
                }
                self.drop_letter(&listener, id)?;
            }
        }
        Ok(())
    }

    fn letters(&self, listener: &str, which: Letters) -> Result<Vec<(u64, Letter)>, EngineError> {
        let rows = match which {
            Letters::One(id) => {
                let key = keys::letter(listener, id);
                self.rows.get(&key)?.map(|row| (key, row)).into_iter().collect()
            }
            Letters::Oldest(letters) => self.prefixed(keys::letters_of(listener), letters)?,
        };
        rows.into_iter()
            .map(|(key, row)| Ok((keys::last_number(&key), Letter::read(row)?)))
            .collect()
    }

    fn drop_letter(&mut self, listener: &str, id: u64) -> Result<(), EngineError> {
        self.rows.delete(&keys::letter(listener, id))?;
        self.tally(listener, |row| row.dead = row.dead.saturating_sub(1))
    }
}
