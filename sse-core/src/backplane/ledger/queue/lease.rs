//! Leases of nodes: how long a node is taken to be alive.

use std::time::Duration;

use super::{RowQueue, keys, listeners::micros, stored::Held};
use crate::backplane::{
    Beat, EngineError, NodeId, Position,
    ledger::{codec::Reader, rows::Rows},
};

/// The lease of a node that was reaped, which is kept so that the node hears of it.
const REAPED: u64 = 0;

/// How many nodes are remembered at most; beyond that those that were reaped are forgotten.
const MAX_NODES: usize = 4_096;

/// How many events are looked at with each reaping, and removed if they are not needed.
const LOOKED_AT: usize = 64;

impl<R: Rows> RowQueue<'_, R> {
    /// See [`Queue::beat`](crate::backplane::Queue::beat).
    ///
    /// # Errors
    /// Those of the rows.
    pub fn beat(&mut self, node: NodeId, lease: Duration) -> Result<Beat, EngineError> {
        let until = self.until(node)?;
        if until == Some(REAPED) {
            return Ok(Beat::Reaped);
        }
        if until.is_none() {
            self.forget_reaped()?;
        }
        let until = self.now.saturating_add(micros(lease)).max(REAPED + 1);
        self.rows.put(keys::node(node), until.to_be_bytes().to_vec())?;
        Ok(Beat::Alive)
    }

    /// See [`Queue::reap`](crate::backplane::Queue::reap). Also retires listeners that no process has had for long,
    /// and looks at old events.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn reap(&mut self, again: Duration) -> Result<usize, EngineError> {
        let mut reaped = 0;
        for (node, until) in self.nodes()? {
            if until != REAPED && until < self.now {
                reaped += self.lose(node, again)?;
            }
        }
        self.retire_unseen()?;
        self.drop_old_letters()?;
        self.sweep(LOOKED_AT)?;
        Ok(reaped)
    }

    /// Ends the leases of all nodes, as when the one process that has the rows begins: what they held is lost, and
    /// due now.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn lose_all(&mut self) -> Result<usize, EngineError> {
        let mut lost = 0;
        for (node, until) in self.nodes()? {
            if until != REAPED {
                lost += self.lose(node, Duration::ZERO)?;
            }
        }
        Ok(lost)
    }

    /// See [`Queue::leave`](crate::backplane::Queue::leave). How many entries were released.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn leave(&mut self, node: NodeId) -> Result<usize, EngineError> {
        if self.until(node)? == Some(REAPED) {
            return Ok(0);
        }
        self.rows.delete(&keys::node(node))?;
        self.give_back(node, Duration::ZERO, |_| {})
    }

    /// Lets a node's lease run out, whatever the node says. For tests.
    ///
    /// # Errors
    /// Those of the rows.
    #[cfg(any(test, feature = "test-util"))]
    pub fn expire(&mut self, node: NodeId) -> Result<(), EngineError> {
        match self.until(node)? {
            None | Some(REAPED) => Ok(()),
            Some(_) => self.rows.put(keys::node(node), 1_u64.to_be_bytes().to_vec()),
        }
    }

    pub(super) fn is_alive(&self, node: NodeId) -> Result<bool, EngineError> {
        Ok(self.until(node)?.is_some_and(|until| until != REAPED && until >= self.now))
    }

    fn lose(&mut self, node: NodeId, again: Duration) -> Result<usize, EngineError> {
        self.rows.put(keys::node(node), REAPED.to_be_bytes().to_vec())?;
        self.give_back(node, again, |held| held.losses = held.losses.saturating_add(1))
    }

    /// Lets what a node holds wait from now on.
    fn give_back(
        &mut self,
        node: NodeId,
        again: Duration,
        change: impl Fn(&mut Held),
    ) -> Result<usize, EngineError> {
        let owned = self.prefixed(keys::owned_by(node), usize::MAX)?;
        let entries = owned.len();
        for (key, _) in owned {
            let position = Position::new(keys::last_number(&key));
            let mut key = Reader(key.into());
            key.u8()?;
            key.u128()?;
            let listener = key.text()?;
            let Some(mut held) = self.held(&listener, position)? else { continue };
            change(&mut held);
            self.wait(&listener, position, held, again)?;
        }
        Ok(entries)
    }

    fn until(&self, node: NodeId) -> Result<Option<u64>, EngineError> {
        self.rows.get(&keys::node(node))?.map(|row| Reader(row).u64()).transpose()
    }

    fn nodes(&self) -> Result<Vec<(NodeId, u64)>, EngineError> {
        let rows = self.prefixed(keys::nodes(), usize::MAX)?;
        rows.into_iter()
            .map(|(key, row)| {
                let mut key = Reader(key.into());
                key.u8()?;
                Ok((NodeId::new(key.u128()?), Reader(row).u64()?))
            })
            .collect()
    }

    fn forget_reaped(&mut self) -> Result<(), EngineError> {
        let nodes = self.nodes()?;
        if nodes.len() >= MAX_NODES {
            for (node, _) in nodes.into_iter().filter(|(_, until)| *until == REAPED) {
                self.rows.delete(&keys::node(node))?;
            }
        }
        Ok(())
    }
}
