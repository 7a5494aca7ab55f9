//! Events for one connection alone.

use bytes::Bytes;

use super::{Conn, STATE};
use crate::{
    emitter::{
        error::{SendError, TrySendError},
        queue::{Kind, Queued},
    },
    event::{EventId, IntoEvent, SseEvent},
    log::{Offset, clock},
    observe,
    sync::lock,
};

impl Conn {
    pub(crate) fn try_send(&self, event: impl IntoEvent) -> Result<(), TrySendError> {
        let event = event.into_event()?;
        {
            let mut state = lock(&self.state);
            if let Some(reason) = state.lifecycle.closed() {
                return Err(TrySendError::Closed { event, reason });
            }
            let (events, bytes) = state.settings.capacity();
            if !state.queue.has_room(event.encoded_len(), events, bytes) {
                return Err(TrySendError::Full(event));
            }
            let id = event.id().cloned();
            // Under the lock: whoever sees the clock at this offset finds the event in the queue.
            let offset = clock::next();
            state.queue.push(Queued { offset, frame: event.encode(), kind: Kind::Event(id) });
        }
        self.notify(STATE);
        observe::event_sent(1);
        Ok(())
    }

    pub(crate) async fn send(&self, event: impl IntoEvent) -> Result<(), SendError> {
        let mut event = event.into_event()?;
        loop {
            let Some(full) = unsent(self.try_send(event))? else {
                return Ok(());
            };
            let signals = self.signals();
            // Registered before looking again: room that comes between is not missed.
            let room = signals.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let Some(full) = unsent(self.try_send(full))? else {
                return Ok(());
            };
            event = full;
            room.await;
        }
    }

    /// Queues something that the library says, whatever the capacity, before or after the shared
    /// events that there are. It is given the client's position as its id.
    pub(crate) fn send_control(&self, event: SseEvent, first: bool) {
        {
            let mut state = lock(&self.state);
            let offset = if first { Offset::FIRST } else { clock::next() };
            state.queue.push(Queued { offset, frame: event.encode(), kind: Kind::Control });
        }
        self.notify(STATE);
    }

    /// Notes an id that the client holds until it gets another one. To be called before anything else is sent.
    pub(crate) fn client_holds(&self, id: EventId) {
        let kind = Kind::Event(Some(id));
        lock(&self.state).queue.push(Queued { offset: Offset::FIRST, frame: Bytes::new(), kind });
    }

    /// Queues what the library says where positions begin anew, in its place among what comes. The stream hears of it
    /// by the next `notify(STATE)`.
    pub(crate) fn queue_reset(&self, event: SseEvent) {
        let (frame, kind) = (event.encode(), Kind::Anew);
        lock(&self.state).queue.push(Queued { offset: clock::next(), frame, kind });
    }
}

/// The event for which there was no room, if the lack of room is all that was wrong.
fn unsent(tried: Result<(), TrySendError>) -> Result<Option<SseEvent>, SendError> {
    match tried {
        Ok(()) => Ok(None),
        Err(TrySendError::Full(event)) => Ok(Some(event)),
        Err(TrySendError::Closed { event, reason }) => Err(SendError::Closed { event, reason }),
        Err(TrySendError::Invalid(invalid)) => Err(invalid.into()),
    }
}
