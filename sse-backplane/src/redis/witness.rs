//! What a node has heard of the store, so that a store which lost its newest part cannot hide it.

use std::sync::Mutex;

use sse_tower_core::backplane::{Answer, Batch, Change, Epoch, Mark, Position, Topic};

use super::{lock, script::Call};

/// The newest that is known of the store, told to it with every new connection.
///
/// A store that lost its newest records (a machine without power, a replica that became the primary) goes on as if nothing were:
/// positions rise, and who has seen what was lost is never told. With this it finds out and makes a new epoch.
#[derive(Debug, Default)]
pub(super) struct Witness(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    mark: Option<Mark>,
    /// A topic with its newest change, since the store's counter rises again after a loss and a topic's head does not.
    change: Option<(Topic, Position)>,
}

impl Known {
    fn advance(&mut self, mark: Mark) {
        match &mut self.mark {
            Some(known) if known.epoch == mark.epoch => {
                known.position = known.position.max(mark.position);
            }
            known => {
                *known = Some(mark);
                self.change = None;
            }
        }
    }
}

impl Witness {
    /// The store stands there.
    pub(super) fn mark(&self, mark: Mark) {
        lock(&self.0).advance(mark);
    }

    /// The store has this change.
    pub(super) fn change(&self, epoch: Epoch, topic: &Topic, position: Position) {
        let mut known = lock(&self.0);
        known.advance(Mark { epoch, position });
        if known.change.as_ref().is_none_or(|(_, newest)| *newest < position) {
            known.change = Some((topic.clone(), position));
        }
    }

    /// The store gave these answers to this batch.
    pub(super) fn stored(&self, epoch: Epoch, batch: &Batch, answers: &[Answer]) {
        let stored =
            batch.entries.iter().zip(answers).rev().find_map(|(entry, answer)| match answer {
                // What goes to the queue is in no topic's head.
                Answer::Stored(at) if !matches!(entry.change, Change::Enqueue(_)) => {
                    Some((&entry.topic, *at))
                }
                _ => None,
            });
        if let Some((topic, position)) = stored {
            self.change(epoch, topic, position);
        }
    }

    /// Adds what is known to the call that begins a connection.
    pub(super) fn hello(&self, call: Call) -> Call {
        let known = lock(&self.0);
        let (epoch, seen) =
            known.mark.map_or((0, 0), |mark| (mark.epoch.get(), mark.position.get()));
        let (topic, at) = match &known.change {
            Some((topic, position)) => (topic.as_str(), position.get()),
            None => ("", 0),
        };
        call.arg(Epoch::random().get()).arg(epoch).arg(seen).arg(topic).arg(at)
    }
}
