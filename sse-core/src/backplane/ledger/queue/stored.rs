//! The contents of the queue's rows.

use std::sync::Arc;

use bytes::Bytes;

use crate::backplane::{
    DeadReason, EngineError, EventKind, ListenerState, NodeId, Position, QueuedEvent,
    ledger::codec::{Reader, Writer, unreadable},
};

/// An event, and when it came.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) at: u64,
    pub(super) event: QueuedEvent,
}

impl Stored {
    pub(super) fn write(&self) -> Vec<u8> {
        let event = &self.event;
        let row = Writer::default().u64(self.at).u128(event.id).kind(&event.kind);
        row.bytes(&event.head).bytes(&event.body).0
    }

    pub(super) fn read(row: Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row);
        let at = row.u64()?;
        let id = row.u128()?;
        let kind = row.kind()?;
        Ok(Self { at, event: QueuedEvent { kind, id, head: row.bytes()?, body: row.bytes()? } })
    }

    /// What it counts in the bound of the queue.
    pub(super) fn bytes(&self) -> u64 {
        (self.event.head.len() + self.event.body.len()) as u64
    }
}

/// What runs, or waits for another attempt.
#[derive(Clone)]
pub(super) struct Held {
    /// Who runs it; `None` while it waits.
    pub(super) owner: Option<NodeId>,
    pub(super) failures: u32,
    pub(super) losses: u32,
    /// When it is tried again, if it waits.
    pub(super) due: u64,
    pub(super) kind: EventKind,
    pub(super) errors: Vec<Arc<str>>,
    /// The event, if it is one of its own because a dead letter lives again.
    pub(super) own: Option<Bytes>,
}

impl Held {
    pub(super) fn first(kind: EventKind, owner: NodeId) -> Self {
        let owner = Some(owner);
        Self { owner, failures: 0, losses: 0, due: 0, kind, errors: Vec::new(), own: None }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let row = Writer::default().u128(self.owner.map_or(0, NodeId::get));
        let row = row.u32(self.failures).u32(self.losses).u64(self.due).kind(&self.kind);
        let row = write_errors(row, &self.errors);
        match &self.own {
            Some(event) => row.u8(1).bytes(event).0,
            None => row.u8(0).0,
        }
    }

    pub(super) fn read(row: Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row);
        let owner = row.u128()?;
        Ok(Self {
            owner: (owner != 0).then(|| NodeId::new(owner)),
            failures: row.u32()?,
            losses: row.u32()?,
            due: row.u64()?,
            kind: row.kind()?,
            errors: read_errors(&mut row)?,
            own: if row.u8()? == 1 { Some(row.bytes()?) } else { None },
        })
    }
}

/// A dead letter.
pub(super) struct Letter {
    pub(super) position: Position,
    pub(super) at: u64,
    pub(super) failures: u32,
    pub(super) losses: u32,
    pub(super) reason: DeadReason,
    pub(super) errors: Vec<Arc<str>>,
    /// The event's row.
    pub(super) event: Bytes,
}

impl Letter {
    pub(super) fn write(&self) -> Vec<u8> {
        let reason = match self.reason {
            DeadReason::Attempts => 0,
            DeadReason::GivenUp => 1,
            DeadReason::Expired => 2,
        };
        let row = Writer::default().u64(self.position.get()).u64(self.at);
        let row = row.u32(self.failures).u32(self.losses).u8(reason);
        write_errors(row, &self.errors).bytes(&self.event).0
    }

    pub(super) fn read(row: Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row);
        Ok(Self {
            position: Position::new(row.u64()?),
            at: row.u64()?,
            failures: row.u32()?,
            losses: row.u32()?,
            reason: match row.u8()? {
                0 => DeadReason::Attempts,
                1 => DeadReason::GivenUp,
                2 => DeadReason::Expired,
                _ => return Err(unreadable("an unknown reason")),
            },
            errors: read_errors(&mut row)?,
            event: row.bytes()?,
        })
    }
}

/// A listener.
pub(super) struct Listener {
    pub(super) state: ListenerState,
    pub(super) seen: u64,
    pub(super) waiting: u32,
    pub(super) running: u32,
    pub(super) dead: u32,
}

impl Listener {
    pub(super) fn write(&self) -> Vec<u8> {
        let state = match self.state {
            ListenerState::Active => 0,
            ListenerState::Paused => 1,
            ListenerState::Retired => 2,
        };
        let row = Writer::default().u8(state).u64(self.seen);
        row.u32(self.waiting).u32(self.running).u32(self.dead).0
    }

    pub(super) fn read(row: &Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row.clone());
        Ok(Self {
            state: match row.u8()? {
                0 => ListenerState::Active,
                1 => ListenerState::Paused,
                2 => ListenerState::Retired,
                _ => return Err(unreadable("an unknown state")),
            },
            seen: row.u64()?,
            waiting: row.u32()?,
            running: row.u32()?,
            dead: row.u32()?,
        })
    }

    /// How much is held for it.
    pub(super) fn held(&self) -> usize {
        self.waiting as usize + self.running as usize
    }
}

/// What is known of the whole queue.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Meta {
    /// The bytes of all events.
    pub(super) bytes: u64,
    /// The newest number of a dead letter.
    pub(super) letters: u64,
    /// Up to which position events were looked at, in the current round.
    pub(super) swept: u64,
}

impl Meta {
    pub(super) fn write(&self) -> Vec<u8> {
        Writer::default().u64(self.bytes).u64(self.letters).u64(self.swept).0
    }

    pub(super) fn read(row: &Bytes) -> Result<Self, EngineError> {
        let mut row = Reader(row.clone());
        Ok(Self { bytes: row.u64()?, letters: row.u64()?, swept: row.u64()? })
    }
}

fn write_errors(row: Writer, errors: &[Arc<str>]) -> Writer {
    let row = row.u32(u32::try_from(errors.len()).unwrap_or(u32::MAX));
    errors.iter().fold(row, |row, error| row.bytes(error.as_bytes()))
}

fn read_errors(row: &mut Reader) -> Result<Vec<Arc<str>>, EngineError> {
    let errors = row.u32()?;
    (0..errors).map(|_| row.text()).collect()
}
