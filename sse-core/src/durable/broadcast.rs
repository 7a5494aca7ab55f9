//! What other nodes publish, to the listeners here.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{
    envelope,
    shared::{RESERVED_TOPIC, Shared},
};
use crate::{
    backplane::{After, Bell, Change, Found, Owner, Position, Record, Sink, Topic, Wanted},
    bus::{
        carrier::Arrival,
        event::{ApplicationEvent, EventType},
        publish::{Arrivals, Kinds, publish},
        tasks::InFlight,
    },
    observe,
    sync::plain::{Mutex, lock},
};

/// How many broadcasts of other nodes wait for this process at most: 65 536. One more is missed, and told of by
/// [`BroadcastGap`].
pub const MAX_PENDING_BROADCASTS: usize = 65_536;

/// How many bytes of them wait at most: 64 MiB.
pub const MAX_PENDING_BROADCAST_BYTES: usize = 64 * 1024 * 1024;

/// How many broadcasts have asynchronous listeners running at a time.
const MAX_RUNNING: usize = 1_024;

/// How much is looked at of what came while this node began to follow.
const AT_FIRST: usize = 1_024;

/// This process has missed broadcasts of other nodes: it was cut off for longer than they are kept, or did not keep up.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, BroadcastGap, Listener, WiringError};
/// let context = ApplicationContext::bare()
///     .listener(Listener::on(|_: &BroadcastGap| println!("caches are stale: drop them")))
///     .build()?;
/// # Ok::<(), WiringError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BroadcastGap;

impl ApplicationEvent for BroadcastGap {
    fn event_type() -> EventType<Self> {
        EventType::new().name("context.broadcast-gap").optional()
    }
}

/// The log of what goes to every node, as it looks from here.
pub(super) struct Broadcasts {
    pending: Mutex<Pending>,
    bell: Bell,
}

#[derive(Default)]
struct Pending {
    /// The newest that was brought here.
    newest: Position,
    came: VecDeque<Bytes>,
    bytes: usize,
    missed: bool,
}

impl Pending {
    fn take(&mut self, record: &Record) {
        if record.position <= self.newest {
            return;
        }
        let Change::Event { body, .. } = &record.change else { return };
        if record.previous > self.newest && self.newest != Position::ZERO {
            self.missed = true;
        }
        self.newest = record.position;
        let bytes = self.bytes.saturating_add(body.len());
        if self.came.len() >= MAX_PENDING_BROADCASTS || bytes > MAX_PENDING_BROADCAST_BYTES {
            self.missed = true;
            return;
        }
        self.bytes = bytes;
        self.came.push_back(body.clone());
    }
}

impl Sink for Broadcasts {
    fn wanted(&self, again: bool) -> Wanted {
        let pending = lock(&self.pending);
        let events = if again { MAX_PENDING_BROADCASTS } else { AT_FIRST };
        Wanted { after: pending.newest, events, bytes: MAX_PENDING_BROADCAST_BYTES }
    }

    fn load(&self, found: Found, after: &mut After) {
        let mut pending = lock(&self.pending);
        if !found.again {
            // It hears what comes from now on, not what was before it.
            let newest = found.loaded.head.map_or(Position::ZERO, |head| head.newest);
            pending.newest = found.since.unwrap_or(newest);
        }
        for record in found.loaded.records.iter().chain(&found.aside) {
            pending.take(record);
        }
        drop(pending);
        let _ = after;
        self.bell.ring();
    }

    fn apply(&self, record: Record, _: &mut After) -> bool {
        lock(&self.pending).take(&record);
        true
    }

    fn pause(&self) {}

    fn reset(&self, _: &mut After) {
        let mut pending = lock(&self.pending);
        pending.newest = Position::ZERO;
        pending.missed = true;
        drop(pending);
        self.bell.ring();
    }

    fn unfollowed(&self) {}

    fn wake(&self) {
        self.bell.ring();
    }
}

impl fmt::Debug for Broadcasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broadcasts")
    }
}

/// How events come in, by their names.
#[derive(Default)]
pub(super) struct Known(HashMap<&'static str, Vec<(Kinds, Arrivals)>>);

impl Known {
    pub(super) fn new(events: Vec<(Kinds, Arrivals)>) -> Self {
        let mut known = Self::default();
        for (kinds, arrivals) in events {
            known.0.entry(kinds.name).or_default().push((kinds, arrivals));
        }
        known
    }

    /// Several types of one name are several versions: each that can read it has listeners of its own.
    fn reading(&self, name: &str, version: u32) -> impl Iterator<Item = &Arrivals> {
        let of_name = self.0.get(name).into_iter().flatten();
        of_name.filter(move |(kinds, _)| kinds.versions.contains(&version)).map(|it| &it.1)
    }
}

/// Follows, and delivers what comes, until the context ends.
pub(super) async fn run(shared: Arc<Shared>, known: Known) {
    let Ok(topic) = Topic::new(RESERVED_TOPIC) else { return };
    let broadcasts = Arc::new(Broadcasts { pending: Mutex::default(), bell: Bell::default() });
    // No other copy of this topic at this node has this address while this one lives.
    let owner: Owner = Arc::as_ptr(&broadcasts).addr();
    let sink = Arc::clone(&broadcasts);
    shared.node().shared().join(|joining| joining.join(&topic, owner, || sink));
    shared.ended().run_until_cancelled(deliver(&shared, &broadcasts, &known)).await;
    shared.node().shared().leave(&topic, owner);
}

async fn deliver(shared: &Shared, broadcasts: &Broadcasts, known: &Known) {
    let running = Arc::new(Semaphore::new(MAX_RUNNING));
    loop {
        let (body, missed) = {
            let mut pending = lock(&broadcasts.pending);
            let body = pending.came.pop_front();
            pending.bytes -= body.as_ref().map_or(0, Bytes::len);
            (body, std::mem::take(&mut pending.missed))
        };
        let Some(bus) = shared.bus().upgrade() else { return };
        if missed {
            observe::broadcasts_missed();
            publish(&bus, BroadcastGap, std::panic::Location::caller()).detach();
        }
        let Some(body) = body else {
            drop(bus);
            broadcasts.bell.rung().await;
            continue;
        };
        let Some((head, body)) = envelope::split(&body) else {
            observe::broadcast_unreadable("?", "not an event of this library");
            continue;
        };
        if head.source == shared.source() {
            continue;
        }
        let (version, id, trace) = (head.version, head.id, head.trace());
        let arrival = Arrival { version, id, tried: 0, elsewhere: true, body };
        for arrivals in known.reading(&head.name, version) {
            let within = trace.clone().broadcast();
            let run = match within.enter(|| (arrivals.deliver)(&bus, &arrival)) {
                Ok(run) => run,
                Err(error) => {
                    observe::broadcast_unreadable(&head.name, &error.to_string());
                    continue;
                }
            };
            // Asynchronous listeners go on beside those of the next: up to a bound.
            let Ok(place) = Arc::clone(&running).acquire_owned().await else { return };
            let in_flight = InFlight::new(bus.tasks());
            bus.tasks().hand_over(Box::pin(async move {
                // Failures are in the log.
                drop(within.run(run).await);
                drop((in_flight, place));
            }));
        }
    }
}
