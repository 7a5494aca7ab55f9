//! `Witness`: what a node has heard of the store, so that a store that lost its newest part is found out.

use parking_lot::Mutex;
use sse_tower_core::backplane::{
    Answer, Batch, Change, Epoch, Mark, NodeId, Position, Record, Topic,
};

use super::script::Call;

/// The newest that is known of the store, told to it with every new connection.
///
/// A store that lost its newest records (a machine without power, a replica that became the primary) goes on as if nothing were:
/// positions rise, and who has seen what was lost is never told. With this it finds out and makes a new epoch.
#[derive(Debug, Default)]
pub(super) struct Witness(Mutex<Known>);

/// Three things, since others may have written before this node is asked: then the store's newest position is later again, but the
/// event is still missing, and so is the batch.
#[derive(Debug, Default)]
struct Known {
    mark: Option<Mark>,
    event: Option<(Topic, Position)>,
    batch: Option<(NodeId, u64)>,
}

impl Known {
    fn advance(&mut self, mark: Mark) {
        match &mut self.mark {
            Some(known) if known.epoch == mark.epoch => {
                known.position = known.position.max(mark.position);
            }
            _ => *self = Self { mark: Some(mark), event: None, batch: None },
        }
    }

    fn event(&mut self, topic: &Topic, position: Position) {
        if self.event.as_ref().is_none_or(|(_, newest)| *newest < position) {
            self.event = Some((topic.clone(), position));
        }
    }
}

impl Witness {
    /// Notes that the store stands at this mark.
    pub(super) fn mark(&self, mark: Mark) {
        self.0.lock().advance(mark);
    }

    /// Notes that the store has these changes.
    pub(super) fn heard(&self, epoch: Epoch, records: &[Record]) {
        let Some(last) = records.last() else { return };
        let newest = records.iter().rev().find(|r| matches!(r.change, Change::Event { .. }));
        let mut known = self.0.lock();
        known.advance(Mark { epoch, position: last.position });
        if let Some(event) = newest {
            known.event(&event.topic, event.position);
        }
    }

    /// Notes that the store gave these answers to this batch.
    pub(super) fn stored(&self, epoch: Epoch, batch: &Batch, answers: &[Answer]) {
        let stored = batch.entries.iter().zip(answers).rev();
        let mut stored = stored.filter_map(|(entry, answer)| match answer {
            Answer::Stored(at) => Some((entry, *at)),
            _ => None,
        });
        let mut known = self.0.lock();
        if let Some((entry, position)) = stored.next() {
            known.advance(Mark { epoch, position });
            let mut all = std::iter::once((entry, position)).chain(stored);
            if let Some((entry, at)) = all.find(|(e, _)| matches!(e.change, Change::Event { .. })) {
                known.event(&entry.topic, at);
            }
        }
        if known.mark.is_some_and(|mark| mark.epoch == epoch) {
            known.batch = Some((batch.node, batch.number));
        }
    }

    /// Adds what is known to the call that begins a connection.
    pub(super) fn hello(&self, call: Call) -> Call {
        let known = self.0.lock();
        let (epoch, seen) =
            known.mark.map_or((0, 0), |mark| (mark.epoch.get(), mark.position.get()));
        let (topic, event) = match &known.event {
            Some((topic, position)) => (topic.as_str(), position.get()),
            None => ("", 0),
        };
        let (node, number) = match known.batch {
            Some((node, number)) => (node.to_string(), number),
            None => (String::new(), 0),
        };
        let call = call.arg(Epoch::random().get()).arg(epoch).arg(seen);
        call.arg(topic).arg(event).arg(node).arg(number)
    }
}
