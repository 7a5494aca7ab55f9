//! What the bus knows of all this: somebody who takes events out.

use std::{any::Any, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{
    envelope,
    shared::{RESERVED_TOPIC, Shared},
};
use crate::{
    backplane::{
        Answer, BackplaneError, Change, Entry, EventKind, Keep, MAX_RECORD_BYTES, QueuedEvent,
        Topic,
    },
    boxed::{BoxError, BoxFuture},
    bus::{
        carrier::{Carrier, Parcel},
        event::EventDescription,
    },
    observe,
};

/// How much of what goes to every node is kept for those that were cut off.
const WINDOW: Keep =
    Keep { events: 10_000, bytes: 64 * 1024 * 1024, age: Duration::from_secs(60 * 60) };

/// Takes a bus's events to its store. Ends all tasks of the context when it is dropped, with its bus.
pub(crate) struct Courier(pub(super) Arc<Shared>);

impl Courier {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Carrier for Courier {
    fn wants(&self, event: &EventDescription) -> bool {
        let stored = event.stored || event.name.is_some_and(|name| self.0.heard().contains(name));
        stored || (event.broadcast && !self.0.is_private())
    }

    fn carry(&self, parcel: Parcel) -> BoxFuture<Result<(), BoxError>> {
        let entries = entries(&self.0, &parcel);
        observe::durable_published(parcel.name);
        if self.0.is_ready() {
            let stored = entries.map(|entries| store(&self.0, entries));
            return Box::pin(async move { stored?.await });
        }
        // A new listener begins where it was registered: what is published before must be stored after.
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            shared.ready().await;
            store(&shared, entries?).await
        })
    }

    fn has_committed(&self) {
        self.0.engine().outbox_filled();
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn drain(&self, until: Instant) -> BoxFuture<()> {
        let shared = Arc::clone(&self.0);
        shared.drain_until(until);
        Box::pin(async move { shared.left().await })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.0.ended().cancel();
    }
}

/// What is stored of an event: for every node, and for listeners that survive.
pub(super) fn entries(shared: &Shared, parcel: &Parcel) -> Result<Vec<Entry>, BoxError> {
    let head = envelope::head(parcel, shared.source(), &shared.trace(parcel.id));
    let bytes = head.len().saturating_add(parcel.body.len());
    if bytes >= MAX_RECORD_BYTES {
        return Err(BackplaneError::TooLarge(bytes).into());
    }
    let topic = Topic::new(RESERVED_TOPIC)?;
    let mut entries = Vec::with_capacity(2);
    if parcel.broadcast && !shared.is_private() {
        let body = envelope::whole(&head, &parcel.body);
        let change = Change::Event { body, once: None };
        entries.push(Entry { topic, change, keep: WINDOW });
    }
    if parcel.stored || shared.heard().contains(parcel.name) {
        entries.push(queued(QueuedEvent {
            kind: EventKind { name: parcel.name.into(), version: parcel.version },
            id: parcel.id.get(),
            head,
            body: parcel.body.clone(),
        })?);
    }
    Ok(entries)
}

/// An event for the queue alone.
pub(super) fn queued(event: QueuedEvent) -> Result<Entry, BoxError> {
    let topic = Topic::new(RESERVED_TOPIC)?;
    Ok(Entry { topic, change: Change::Enqueue(event), keep: WINDOW })
}

/// Hands entries over, in order, when it is called.
pub(super) fn store(
    shared: &Shared,
    entries: Vec<Entry>,
) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        let (done, answer) = oneshot::channel::<Result<Answer, BackplaneError>>();
        // Who published may have gone.
        let tell = Box::new(move |outcome| drop(done.send(outcome)));
        shared.node().store(entry, false, tell);
        answers.push(answer);
    }
    async move {
        for answer in answers {
            // Not answered: its node is gone.
            answer.await.unwrap_or(Err(BackplaneError::Closed))?;
        }
        Ok(())
    }
}
