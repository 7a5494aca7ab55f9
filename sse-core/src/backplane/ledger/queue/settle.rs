//! Settling: the results of attempts.

use std::{sync::Arc, time::Duration};

use super::{
    RowQueue, keys,
    listeners::micros,
    stored::{Held, Letter},
};
use crate::backplane::{EngineError, Fence, Position, Verdict, ledger::rows::Rows};

/// How many errors of one event are remembered: the newest.
const MAX_ERRORS: usize = 5;

/// How many bytes of each error are remembered.
const MAX_ERROR_BYTES: usize = 1_024;

impl<R: Rows> RowQueue<'_, R> {
    /// See [`Queue::settle`](crate::backplane::Queue::settle).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn settle(&mut self, verdicts: &[(Fence, Verdict)]) -> Result<Vec<bool>, EngineError> {
        verdicts.iter().map(|(fence, verdict)| self.settle_one(fence, verdict)).collect()
    }

    fn settle_one(&mut self, fence: &Fence, verdict: &Verdict) -> Result<bool, EngineError> {
        let Fence { listener, position, owner, failures, losses } = fence;
        let Some(mut held) = self.held(listener, *position)? else { return Ok(false) };
        let fits = held.owner == Some(*owner);
        if !fits || (held.failures, held.losses) != (*failures, *losses) {
            return Ok(false);
        }
        match verdict {
            Verdict::Finished => self.let_go(listener, *position, &held)?,
            Verdict::Failed { error, again } => {
                remember(&mut held.errors, error);
                held.failures = held.failures.saturating_add(1);
                self.wait(listener, *position, held, *again)?;
            }
            Verdict::Released => self.wait(listener, *position, held, Duration::ZERO)?,
            Verdict::Dead { error, reason } => {
                remember(&mut held.errors, error);
                self.let_go(listener, *position, &held)?;
                let event = match held.own {
                    Some(event) => Some(event),
                    None => self.rows.get(&keys::event(*position))?,
                };
                if let Some(event) = event {
                    let mut meta = self.meta()?;
                    let letter = Letter {
                        position: *position,
                        at: self.now,
                        failures: held.failures,
                        losses: held.losses,
                        reason: *reason,
                        errors: held.errors,
                        event,
                    };
                    self.bury(&mut meta, listener, letter)?;
                    self.set_meta(&meta)?;
                }
            }
        }
        Ok(true)
    }

    /// Lets something that is running wait, to be due after a time.
    pub(super) fn wait(
        &mut self,
        listener: &str,
        position: Position,
        mut held: Held,
        again: Duration,
    ) -> Result<(), EngineError> {
        if let Some(owner) = held.owner.take() {
            self.rows.delete(&keys::owned(owner, listener, position))?;
        }
        held.due = self.now.saturating_add(micros(again));
        self.rows.put(keys::due(listener, &held.kind, held.due, position), Vec::new())?;
        self.rows.put(keys::held(listener, position), held.write())?;
        self.tally(listener, |row| {
            row.running = row.running.saturating_sub(1);
            row.waiting = row.waiting.saturating_add(1);
        })
    }

    /// Removes something from what is held.
    pub(super) fn let_go(
        &mut self,
        listener: &str,
        position: Position,
        held: &Held,
    ) -> Result<(), EngineError> {
        match held.owner {
            Some(owner) => self.rows.delete(&keys::owned(owner, listener, position))?,
            None => self.rows.delete(&keys::due(listener, &held.kind, held.due, position))?,
        }
        self.rows.delete(&keys::held(listener, position))?;
        self.tally(listener, |row| match held.owner {
            Some(_) => row.running = row.running.saturating_sub(1),
            None => row.waiting = row.waiting.saturating_sub(1),
        })
    }
}

fn remember(errors: &mut Vec<Arc<str>>, error: &Arc<str>) {
    if errors.len() >= MAX_ERRORS {
        errors.remove(0);
    }
    if error.len() <= MAX_ERROR_BYTES {
        errors.push(error.clone());
    } else {
        let end = (0..=MAX_ERROR_BYTES).rev().find(|end| error.is_char_boundary(*end));
        errors.push(Arc::from(&error[..end.unwrap_or(0)]));
    }
}
