//! Claiming: which events a node takes.

use std::time::Duration;

use super::{
    MAX_CLAIM, MAX_HELD, RowQueue, keys,
    listeners::micros,
    stored::{Held, Listener, Stored},
};
use crate::backplane::{
    Claim, Claimed, Deliveries, Delivery, EngineError, EventKind, ListenerState, NodeId, Position,
    ledger::rows::Rows,
};

/// A listener that claims is noted as seen, if that was not noted for this long.
const SEEN: Duration = Duration::from_secs(60 * 60);

/// What one claim takes.
struct Taking<'a> {
    node: NodeId,
    claim: &'a Claim,
    /// How many more it may take.
    left: usize,
    /// Whether it takes nothing more now, since something has to be alone or comes first.
    ends: bool,
    taken: Vec<Delivery>,
}

impl<R: Rows> RowQueue<'_, R> {
    /// See [`Queue::claim`](crate::backplane::Queue::claim).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn claim(&mut self, node: NodeId, claims: &[Claim]) -> Result<Claimed, EngineError> {
        if !self.is_alive(node)? {
            return Ok(Claimed::Reaped);
        }
        let mut deliveries = Deliveries::default();
        for claim in claims {
            let Some(mut row) = self.listener(&claim.listener)? else { continue };
            if row.state != ListenerState::Active {
                continue;
            }
            let left = claim.count.min(MAX_CLAIM);
            let mut taking = Taking { node, claim, left, ends: false, taken: Vec::new() };
            if claim.ordered {
                self.take_in_order(&mut taking)?;
            } else {
                self.take_due(&mut taking)?;
            }
            let again = taking.taken.len();
            let room = MAX_HELD.saturating_sub(row.held());
            taking.left = taking.left.min(room);
            self.take_first(&mut taking)?;
            self.tally_taken(&claim.listener, &mut row, again, taking.taken.len())?;
            if let Some(due) = self.next_due(claim)? {
                let next = Duration::from_micros(due.saturating_sub(self.now));
                deliveries.next = Some(deliveries.next.map_or(next, |other| other.min(next)));
            }
            deliveries.now.append(&mut taking.taken);
        }
        Ok(Claimed::Deliveries(deliveries))
    }

    fn tally_taken(
        &mut self,
        listener: &str,
        row: &mut Listener,
        again: usize,
        taken: usize,
    ) -> Result<(), EngineError> {
        let unseen = self.now.saturating_sub(row.seen) >= micros(SEEN);
        if taken == 0 && !unseen {
            return Ok(());
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        row.seen = self.now;
        row.waiting = row.waiting.saturating_sub(count(again));
        row.running = row.running.saturating_add(count(taken));
        self.rows.put(keys::listener(listener), row.write())
    }

    /// What is due again, in the order of due times.
    fn take_due(&mut self, taking: &mut Taking<'_>) -> Result<(), EngineError> {
        let listener = &taking.claim.listener;
        let mut due = Vec::new();
        for kind in &taking.claim.kinds {
            let from = keys::due_of(listener, kind);
            let to = keys::due(listener, kind, self.now.saturating_add(1), Position::ZERO);
            for (key, _) in self.rows.range(&from, &to, taking.left)? {
                due.push((keys::number_before(&key), keys::last_number(&key)));
            }
        }
        due.sort_unstable();
        due.dedup();
        for (_, position) in due {
            let position = Position::new(position);
            let Some(held) = self.held(listener, position)? else { continue };
            self.take_again(taking, position, held)?;
            if taking.ends || taking.left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// What waits, in the order of the log, and nothing past something that is not due.
    fn take_in_order(&mut self, taking: &mut Taking<'_>) -> Result<(), EngineError> {
        let rows = self.prefixed(keys::held_of(&taking.claim.listener), usize::MAX)?;
        let mut waiting = Vec::new();
        for (key, row) in rows {
            let held = Held::read(row)?;
            match held.owner {
                Some(owner) if owner != taking.node => {
                    taking.ends = true;
                    return Ok(());
                }
                Some(_) => {}
                None => waiting.push((Position::new(keys::last_number(&key)), held)),
            }
        }
        for (position, held) in waiting {
            if held.due > self.now || !taking.claim.kinds.contains(&held.kind) {
                taking.ends = true;
            }
            if taking.ends || taking.left == 0 {
                break;
            }
            self.take_again(taking, position, held)?;
        }
        Ok(())
    }

    /// Takes something again. What was lost with its process is taken alone: now, or by the next claim.
    fn take_again(
        &mut self,
        taking: &mut Taking<'_>,
        position: Position,
        mut held: Held,
    ) -> Result<(), EngineError> {
        let alone = held.losses > 0;
        taking.ends |= alone;
        if alone && !taking.taken.is_empty() {
            return Ok(());
        }
        let listener = &taking.claim.listener;
        self.rows.delete(&keys::due(listener, &held.kind, held.due, position))?;
        held.owner = Some(taking.node);
        self.take(taking, position, &held)
    }

    /// Takes first attempts, in the order of the log.
    fn take_first(&mut self, taking: &mut Taking<'_>) -> Result<(), EngineError> {
        if taking.ends || taking.left == 0 {
            return Ok(());
        }
        let (listener, kinds) = (&taking.claim.listener, &taking.claim.kinds);
        let mut found = Vec::<(Position, &EventKind)>::new();
        for (index, kind) in kinds.iter().enumerate() {
            let Some(cursor) = self.cursor(listener, kind)? else { continue };
            if kinds[..index].contains(kind) {
                continue;
            }
            let from = keys::index(kind, Position::new(cursor.get().saturating_add(1)));
            let to = keys::end(keys::index(kind, Position::new(u64::MAX)));
            for (key, _) in self.rows.range(&from, &to, taking.left)? {
                found.push((Position::new(keys::last_number(&key)), kind));
            }
        }
        found.sort_unstable();
        found.truncate(taking.left);
        for (position, kind) in found {
            let cursor = position.get().to_be_bytes().to_vec();
            self.rows.put(keys::lane(listener, kind), cursor)?;
            self.take(taking, position, &Held::first(kind.clone(), taking.node))?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        taking: &mut Taking<'_>,
        position: Position,
        held: &Held,
    ) -> Result<(), EngineError> {
        let listener = &taking.claim.listener;
        let row = match &held.own {
            Some(event) => Some(event.clone()),
            None => self.rows.get(&keys::event(position))?,
        };
        // An event is not removed while it is held.
        let Some(row) = row else { return self.rows.delete(&keys::held(listener, position)) };
        self.rows.put(keys::held(listener, position), held.write())?;
        self.rows.put(keys::owned(taking.node, listener, position), Vec::new())?;
        taking.left = taking.left.saturating_sub(1);
        taking.taken.push(Delivery {
            listener: listener.clone(),
            position,
            event: Stored::read(row)?.event,
            failures: held.failures,
            losses: held.losses,
        });
        Ok(())
    }

    /// When the next attempt of the listener is due that this node can read.
    fn next_due(&self, claim: &Claim) -> Result<Option<u64>, EngineError> {
        if claim.ordered {
            return self.next_in_order(claim);
        }
        let mut next = None::<u64>;
        for kind in &claim.kinds {
            let first = self.prefixed(keys::due_of(&claim.listener, kind), 1)?;
            let due = first.first().map(|(key, _)| keys::number_before(key));
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// [`next_due`](Self::next_due), where the first of the log has to come before all others, whenever those are
    /// due.
    fn next_in_order(&self, claim: &Claim) -> Result<Option<u64>, EngineError> {
        for (_, row) in self.prefixed(keys::held_of(&claim.listener), usize::MAX)? {
            let held = Held::read(row)?;
            if held.owner.is_none() {
                return Ok(claim.kinds.contains(&held.kind).then_some(held.due));
            }
        }
        Ok(None)
    }

    pub(super) fn held(
        &self,
        listener: &str,
        position: Position,
    ) -> Result<Option<Held>, EngineError> {
        self.rows.get(&keys::held(listener, position))?.map(Held::read).transpose()
    }
}
