//! `Engine`: the contract of an engine.

use std::fmt;

use super::{Answer, Batch, EngineFuture, Epoch, Feed, Head, Mark, Position, Queue, Record, Topic};

/// What is wanted of one topic.
#[derive(Clone, Debug)]
pub struct Want {
    /// Which topic.
    pub topic: Topic,
    /// Only events after this position; [`Position::ZERO`] for all.
    pub after: Position,
    /// How many events at most: the newest.
    pub events: usize,
    /// How many bytes of bodies at most: the newest events, and always the newest one, whatever its size.
    pub bytes: usize,
}

/// A topic as it stood at one moment.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Which topic.
    pub topic: Topic,
    /// Its head; `None` if the store knows nothing of it, or nothing any more.
    pub head: Option<Head>,
    /// Its newest events that are kept and were wanted, oldest first: [`Change::Event`](super::Change::Event) alone.
    pub records: Vec<Record>,
    /// Where the forgotten part of the store ends: no event of a topic without a head has a later position.
    pub forgotten: Position,
    /// The epoch of the head and the records.
    pub epoch: Epoch,
}

/// A store that several processes share, or that survives one.
///
/// Small and without decisions: it gives positions, keeps what [`Keep`](super::Keep) says, and tells what it
/// stored. What a history is, who is told of a gap, when to try again: all of that is decided by its caller.
/// The suite in `backplane::contract` (feature `test-util`) is what an engine must pass.
///
/// # What the caller guarantees
/// [`start`](Self::start) is called once and has succeeded before anything else is called. Batches of one node do not
/// overlap. Everything else may be called at any time from any thread, and on any runtime of tokio with time and IO: leases
/// of durable listeners are renewed by a thread with a runtime of its own, since the program's may be blocked. What the engine
/// runs itself runs on the runtime on which `start` was called; while that stands still, a call from another one still
/// ends within its time.
///
/// # What the engine guarantees
/// * **One order.** Positions rise over all topics of the namespace, in the order in which changes become visible:
///   who sees one in a load, a mark or the feed can see every one before it. Never used again, whatever the clock does.
/// * **Time.** Each call ends within about three seconds, with [`Unavailable`](super::EngineErrorKind::Unavailable) if the store did not
///   answer. A connection that was silent for so long is replaced.
/// * **The feed** stays alive by itself: a connection that breaks or goes silent is replaced, with
///   [`Broke`](super::FeedItem::Broke) as soon as that is known and [`Whole`](super::FeedItem::Whole) when all topics are followed again.
/// * **The epoch** is made where it is missing, by whatever writes first, and is with every record, mark and load.
/// * **After [`close`](Self::close)** every call answers [`Closed`](super::EngineErrorKind::Closed), and the feed is silent.
pub trait Engine: Send + Sync + fmt::Debug + 'static {
    /// Connects, and begins to feed. Makes what the store needs (schema, scripts, stream) if it is not there.
    ///
    /// # Errors
    /// [`Refused`](super::EngineErrorKind::Refused) with what to do about it, or `Unavailable` while the store is away.
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark>;

    /// Stores a batch: all of it or nothing. One answer for each entry, in order.
    ///
    /// A batch with the number that was stored last for its node is not stored again: its answers are those of the
    /// first time, also after a restart of the store. A lower number is `Superseded`. Retention is applied to the
    /// topics of the batch here or in the background.
    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>>;

    /// The newest part of some topics, in one round trip, answered by the primary. Each topic is as it stood at one moment:
    /// its records end at its head's newest event. One `Loaded` for each `Want`, in order.
    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>>;

    /// From when this resolves, every later change of these topics comes through the feed. Following twice is following once.
    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()>;

    /// Ends [`follow`](Self::follow): changes of these topics need not come any more. Takes its place in the order of
    /// `follow` calls.
    fn unfollow(&self, topics: Vec<Topic>);

    /// How far the store is. The feed brings the same as [`FeedItem::Mark`](super::FeedItem::Mark), with that
    /// position or a later one. A mark is both a barrier and the test whether the feed can still hear.
    fn mark(&self) -> EngineFuture<'_, Mark>;

    /// Connects the feed anew: it did not bring a mark in time.
    fn restart_feed(&self);

    /// Topics whose head is later than `after`, with their [`Head::last`]; in rising positions, at most `limit`. Asked from time to
    /// time, to find changes that the feed lost without knowing.
    ///
    /// The default finds none, which is right for a store whose feed cannot lose without saying so.
    fn changed(&self, after: Position, limit: usize) -> EngineFuture<'_, Vec<(Topic, Position)>> {
        let _ = (after, limit);
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// The namespace at the store: what [`StoreIn`](super::StoreIn) and [`OnceIn`](super::OnceIn) are told.
    fn namespace(&self) -> &str {
        "sse"
    }

    /// A transaction of the application into which something was stored ([`StoreIn`](super::StoreIn)) has committed, or soon
    /// may: look at the outbox now rather than a moment later, and again soon. Only saves waiting.
    fn outbox_filled(&self) {}

    /// The queue for listeners that survive the process, if this engine has one.
    fn queue(&self) -> Option<&dyn Queue> {
        None
    }

    /// How durable the store is, in one sentence, for the log and for people.
    fn durability(&self) -> &'static str;

    /// Ends connections and tasks. What was begun is finished first.
    fn close(&self) -> EngineFuture<'_, ()>;
}
