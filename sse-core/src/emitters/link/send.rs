//! Sending and ending through the node: what a call hands over, and its answer.

use std::{collections::HashSet, panic::Location};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    super::{
        hub::{Hub, Key},
        sent::{Receipt, Sent},
    },
    body,
    to::{Link, keep},
};
use crate::{
    backplane::{
        Answer, BackplaneError, Change, Entry, MAX_RECORD_BYTES, Position, Topic, TopicTooLong,
    },
    close_reason::CloseReason,
    emitter::SendError,
    event::{EventId, SseEvent},
    log::Snapshot,
    observe, panics,
    sync::Arc,
};

/// For whom an event is.
enum To<K> {
    Key(K),
    All,
}

/// An event whose sender may be waiting for the outcome.
struct Unanswered<K: Key> {
    hub: Arc<Hub<K>>,
    to: To<K>,
    body: Bytes,
    own_id: Option<EventId>,
    sent_at: &'static Location<'static>,
    /// Taken out when it is answered.
    answer: Option<oneshot::Sender<Result<Receipt, SendError>>>,
}

impl<K: Key> Unanswered<K> {
    fn answer(&mut self, outcome: Result<Answer, BackplaneError>) {
        let Some(answer) = self.answer.take() else { return };
        let result = match outcome {
            Ok(Answer::Stored(position) | Answer::Repeated(position)) => {
                let id = self.own_id.take().unwrap_or_else(|| self.hub.id_at(position));
                let receivers = match &self.to {
                    To::Key(key) => self.hub.receivers(key),
                    To::All => self.hub.all_receivers(),
                };
                Ok(Receipt { id, receivers })
            }
            Ok(Answer::Closed) => {
                Err(SendError::Closed { event: self.event(), reason: CloseReason::Completed })
            }
            Err(source) => Err(SendError::Backplane { event: self.event(), source }),
        };
        let result = result.inspect(|receipt| observe::event_sent(receipt.receivers));
        let result = result.inspect_err(|error| observe::not_sent(error, self.sent_at));
        // Nobody has to wait for it, and whoever does is the program's.
        panics::contain(|| drop(answer.send(result)));
    }

    fn event(&self) -> SseEvent {
        let body = body::decode(self.body.clone());
        body.map_or_else(|| SseEvent::data(""), body::Body::into_event)
    }
}

impl<K: Key> Drop for Unanswered<K> {
    fn drop(&mut self) {
        self.answer(Err(BackplaneError::Closed));
    }
}

/// The position in this answer, if it has one.
fn at(answer: &Answer) -> Option<Position> {
    match answer {
        Answer::Stored(position) | Answer::Repeated(position) => Some(*position),
        Answer::Closed => None,
    }
}

impl<K: Key> Hub<K> {
    pub(in crate::emitters) fn send_linked(
        self: &Arc<Self>,
        link: &Link<K>,
        key: K,
        event: SseEvent,
        here: &'static Location<'static>,
    ) -> Sent {
        let topic = link.name(&key);
        self.send_to(link, topic, To::Key(key), event, here)
    }

    pub(in crate::emitters) fn send_all_linked(
        self: &Arc<Self>,
        link: &Link<K>,
        event: SseEvent,
        here: &'static Location<'static>,
    ) -> Sent {
        self.send_to(link, link.name_of_all(), To::All, event, here)
    }

    fn send_to(
        self: &Arc<Self>,
        link: &Link<K>,
        topic: Result<Topic, TopicTooLong>,
        to: To<K>,
        event: SseEvent,
        sent_at: &'static Location<'static>,
    ) -> Sent {
        let topic = match topic {
            Ok(topic) => topic,
            Err(error) => {
                let error = SendError::Backplane { event, source: error.into() };
                observe::not_sent(&error, sent_at);
                return Sent::ready(Err(error));
            }
        };
        let body = body::encode(&event);
        let (answer, outcome) = oneshot::channel();
        let mut unanswered = Unanswered {
            hub: Arc::clone(self),
            to,
            body: body.clone(),
            own_id: event.id().cloned(),
            sent_at,
            answer: Some(answer),
        };
        let change = Change::Event { body, once: event.once().cloned() };
        let entry = Entry { topic, change, keep: keep(self.bounds()) };
        link.node().store(entry, false, Box::new(move |outcome| unanswered.answer(outcome)));
        Sent::waits(outcome)
    }

    /// The entry that stores this event.
    pub(in crate::emitters) fn entry(
        &self,
        link: &Link<K>,
        key: &K,
        event: &SseEvent,
    ) -> Result<Entry, BackplaneError> {
        let (topic, body) = (link.name(key)?, body::encode(event));
        if body.len() > MAX_RECORD_BYTES {
            return Err(BackplaneError::TooLarge(body.len()));
        }
        let change = Change::Event { body, once: event.once().cloned() };
        Ok(Entry { topic, change, keep: keep(self.bounds()) })
    }

    /// A change that is carried out like a send, and waits for the store as long as it takes.
    pub(in crate::emitters) fn change(self: &Arc<Self>, link: &Link<K>, key: &K, change: Change) {
        let Ok(topic) = link.name(key) else { return };
        let call = matches!(change, Change::Disconnect).then(|| link.disconnecting.begin(&topic));
        let (hub, name) = (Arc::downgrade(self), topic.clone());
        let entry = Entry { topic, change, keep: keep(self.bounds()) };
        link.node().store(
            entry,
            true,
            Box::new(move |outcome| {
                let hub = hub.upgrade();
                if let (Some(call), Some(link)) = (call, hub.as_ref().and_then(|h| h.link.as_ref()))
                {
                    link.disconnecting.answered(&name, &call, outcome.as_ref().ok().and_then(at));
                }
                if let Err(error) = outcome {
                    observe::not_carried_out(&error);
                }
            }),
        );
    }

    fn receivers(&self, key: &K) -> usize {
        self.find(key).map_or(0, |topic| topic.receivers())
    }

    fn all_receivers(&self) -> usize {
        let mut snapshots = Vec::new();
        self.for_connected(|topic| snapshots.push(topic.log().snapshot()));
        let open = snapshots.iter().flat_map(Snapshot::iter).filter(|conn| conn.is_open());
        open.map(Arc::as_ptr).collect::<HashSet<_>>().len()
    }
}
