//! Events for listeners that survive the process: the second half of an engine.
//!
//! One ordered log of queued events; for each listener and each kind of event a cursor there, its *lane*; and a
//! *held* entry for what runs, waits for another attempt, or was lost with its process. What is done is deleted;
//! what will not be tried again is a *dead letter*. First attempts of a listener start in the order of the log.

use std::{fmt, sync::Arc, time::Duration};

use super::{EngineFuture, EventKind, NodeId, Position, QueuedEvent};

/// Where a listener that was not known before begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub enum Since {
    /// With what is published from now on.
    #[default]
    Now,
    /// With what the queue still has.
    Earliest,
}

/// A listener that some process has.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Registration {
    /// Its id: names it in the store, over all processes and releases.
    pub listener: Arc<str>,
    /// The names of the events that it hears, of any version.
    pub hears: Vec<Arc<str>>,
    /// Where it begins if it is new.
    pub since: Since,
}

/// What a node can take for one listener now.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Claim {
    /// Which listener.
    pub listener: Arc<str>,
    /// The kinds that this node can read. Others wait for a node that can.
    pub kinds: Vec<EventKind>,
    /// How many at most: 1 to 256.
    pub count: usize,
    /// Whether it takes only if no other node holds anything of this listener, and nothing of it waits for another
    /// attempt before.
    pub ordered: bool,
}

/// What [`Queue::claim`] gave.
#[derive(Clone, Debug)]
pub enum Claimed {
    /// Deliveries, now held by the node.
    Deliveries(Deliveries),
    /// The node's lease ran out and others have what it held. It has to begin a new life with another [`NodeId`].
    Reaped,
}

/// What a node is to do.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    /// In order of their due times and then of the log.
    pub now: Vec<Delivery>,
    /// In which time the earliest other attempt of the claimed listeners is due; of an ordered one, that of the first
    /// in the log. Zero if it is due and something else has to end before it is given.
    pub next: Option<Duration>,
}

/// One event for one listener.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The listener that it is for.
    pub listener: Arc<str>,
    /// Where the event stands in the log.
    pub position: Position,
    /// The event.
    pub event: QueuedEvent,
    /// How often it failed.
    pub failures: u32,
    /// How often it was lost with its process.
    pub losses: u32,
}

/// Which attempt a verdict is about. If the entry has another owner or other counts by now, the verdict is stale: nothing is
/// done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Fence {
    /// Of which listener.
    pub listener: Arc<str>,
    /// Of which event.
    pub position: Position,
    /// Who ran it.
    pub owner: NodeId,
    /// How often it had failed before.
    pub failures: u32,
    /// How often it had been lost before.
    pub losses: u32,
}

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub enum Verdict {
    /// Done: the entry is deleted.
    Finished,
    /// Failed: counted, and due again after this time.
    Failed {
        /// What to remember of the error; the newest five, 1 KB each.
        error: Arc<str>,
        /// After which time from now it is due again.
        again: Duration,
    },
    /// Not tried again: it becomes a dead letter.
    Dead {
        /// What to remember of the error.
        error: Arc<str>,
        /// Why.
        reason: DeadReason,
    },
    /// Not begun: given back at once, nothing is counted.
    Released,
}

/// Why something is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub enum DeadReason {
    /// All attempts failed or were lost.
    Attempts,
    /// The listener gave up.
    GivenUp,
    /// It fell off the queue's hard bounds before the listener took it.
    Expired,
}

/// A dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its number in the store, for [`Letters::One`].
    pub id: u64,
    /// Of which listener.
    pub listener: Arc<str>,
    /// The event, with its body as published.
    pub event: QueuedEvent,
    /// How often it failed.
    pub failures: u32,
    /// How often it was lost.
    pub losses: u32,
    /// The newest errors, oldest first.
    pub errors: Vec<Arc<str>>,
    /// Why.
    pub reason: DeadReason,
    /// How long ago it was buried, by the store's clock.
    pub age: Duration,
}

/// Which dead letters of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub enum Letters {
    /// The one with this [`DeadLetter::id`].
    One(u64),
    /// This many, the oldest first.
    Oldest(usize),
}

/// What a node hears of its own lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It was renewed.
    Alive,
    /// It had run out, and was taken away.
    Reaped,
}

/// What can be done to a listener, for all processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub enum Steer {
    /// Nothing more is claimed for it.
    Pause,
    /// Its events are claimed again.
    Resume,
    /// Nothing is kept for it any more, and its backlog is gone. A process that registers it again begins as a new
    /// one.
    Retire,
}

/// Whether a listener is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerState {
    /// Events are claimed.
    Active,
    /// Paused by [`Steer::Pause`].
    Paused,
    /// Retired by hand, or because no process had it for 14 days.
    Retired,
}

/// How a listener stands.
#[derive(Clone, Debug)]
pub struct ListenerStats {
    /// Its id.
    pub listener: Arc<str>,
    /// Whether it is served.
    pub state: ListenerState,
    /// The names of the events that it hears: of all that any process declared, until it is retired.
    pub hears: Vec<Arc<str>>,
    /// Those of [`hears`](Self::hears) that this process does not declare for a listener that it has: another
    /// program, or another release, declares something else under this id. If none does any more, those events wait
    /// for nobody. An engine leaves this empty;
    /// [`ApplicationContext::listeners`](crate::ApplicationContext::listeners) fills it.
    pub only_elsewhere: Vec<Arc<str>>,
    /// How many events wait for their first attempt: exact up to 10,000.
    pub backlog: usize,
    /// How many wait for another attempt.
    pub waiting: usize,
    /// How many are held by nodes.
    pub running: usize,
    /// How many are dead letters.
    pub dead: usize,
    /// How old the oldest event is that is not done, by the store's clock.
    pub oldest: Option<Duration>,
}

/// The queue of an engine. Events come in by [`Change::Enqueue`](super::Change::Enqueue), in the same batches and the same order of positions as
/// everything else.
///
/// An event stays until every listener that hears its name, and was registered before it, has passed it, nothing
/// holds it, and an hour is over; at most 14 days. What falls off before its listener took it becomes a dead letter,
/// [`DeadReason::Expired`].
///
/// # What the engine guarantees
/// * One node at a time holds an event for a listener; an event whose lease has run out is held again only after
///   [`reap`](Self::reap), with `losses` one higher.
/// * `claim` gives first what is due again, then first attempts in the order of the log, each lane without holes.
///   What was lost with its process (`losses > 0`) is given alone: at most one such for each claim.
/// * A [`Fence`] that fits nothing is stale: `false`, and nothing is done.
pub trait Queue: Send + Sync + fmt::Debug {
    /// Makes a listener known, or sees it again. A name that it hears for the first time begins at `since`. Rings the bell.
    fn register(&self, listeners: Vec<Registration>) -> EngineFuture<'_, ()>;

    /// Every event name that some listener hears which is not retired.
    fn heard(&self) -> EngineFuture<'_, Vec<Arc<str>>>;

    /// Takes what is due, and renews nothing.
    fn claim(&self, node: NodeId, claims: Vec<Claim>) -> EngineFuture<'_, Claimed>;

    /// Says what became of attempts. One answer for each: `false` if it was stale.
    fn settle(&self, verdicts: Vec<(Fence, Verdict)>) -> EngineFuture<'_, Vec<bool>>;

    /// Holds the node's lease for `lease` from now, and makes the node known with the first call.
    fn beat(&self, node: NodeId, lease: Duration) -> EngineFuture<'_, Beat>;

    /// Takes away what is held by nodes whose lease has run out: due again after `again`, `losses` one higher.
    /// Returns how many entries.
    fn reap(&self, again: Duration) -> EngineFuture<'_, usize>;

    /// Ends the node's lease: it leaves. What it still holds is released, without being counted.
    fn leave(&self, node: NodeId) -> EngineFuture<'_, ()>;

    /// Dead letters of a listener, oldest first, those after the id `after`, at most `limit`.
    fn dead(
        &self,
        listener: Arc<str>,
        after: u64,
        limit: usize,
    ) -> EngineFuture<'_, Vec<DeadLetter>>;

    /// Tries dead letters again: the same event with the same id, for this listener alone, both counts at 0, due now.
    /// Returns how many.
    fn revive(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize>;

    /// Deletes dead letters. Returns how many.
    fn discard(&self, listener: Arc<str>, letters: Letters) -> EngineFuture<'_, usize>;

    /// Pauses, resumes or retires a listener, in the store. `false` if it is not known, and for one that is retired unless that is
    /// what was asked: it is changed by [`register`](Self::register) alone.
    fn steer(&self, listener: Arc<str>, how: Steer) -> EngineFuture<'_, bool>;

    /// How all known listeners stand.
    fn stats(&self) -> EngineFuture<'_, Vec<ListenerStats>>;
}
