//! `History` and `Lag`: how much a log keeps, and what a slow reader gets.

use std::time::Duration;

/// What a log keeps for those who come later: the newest events, bounded by count, age and bytes.
///
/// Whichever bound is met first drops the oldest. The bytes are those on the wire plus a fixed
/// cost for each event.
///
/// ```
/// # use {sse_tower_core::{Emitters, History}, std::time::Duration};
/// let emitters: Emitters<String> = Emitters::builder()
///     .history(History::events(100).age(Duration::from_secs(60)).bytes(64 * 1024))
///     .build();
/// # let _ = emitters;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct History {
    pub(crate) events: usize,
    pub(crate) age: Duration,
    pub(crate) bytes: usize,
}

impl History {
    /// How many events of each key are kept by default.
    pub const DEFAULT_EVENTS: usize = 256;
    /// How long an event is kept by default: five minutes, more than a browser takes to come back.
    pub const DEFAULT_AGE: Duration = Duration::from_secs(300);
    /// How many bytes of each key are kept by default: 256 KiB.
    pub const DEFAULT_BYTES: usize = 256 * 1024;

    /// Keeps the newest `count` events of each key, within the default age and bytes.
    pub const fn events(count: usize) -> Self {
        Self { events: count, age: Self::DEFAULT_AGE, bytes: Self::DEFAULT_BYTES }
    }

    /// Keeps nothing for later: only those connected at the time of a send get the event.
    ///
    /// ```
    /// # use sse_tower_core::{Emitters, History};
    /// // A price of a minute ago is worse than none.
    /// let prices: Emitters<String> = Emitters::builder().history(History::none()).build();
    /// # drop(prices);
    /// ```
    pub const fn none() -> Self {
        Self { events: 0, age: Duration::ZERO, bytes: 0 }
    }

    /// Keeps an event for at most this long, instead of [`DEFAULT_AGE`](Self::DEFAULT_AGE).
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Keeps at most this many bytes of each key, instead of [`DEFAULT_BYTES`](Self::DEFAULT_BYTES).
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Default for History {
    fn default() -> Self {
        Self::events(Self::DEFAULT_EVENTS)
    }
}

/// What happens to a client that reads more slowly than events come.
///
/// A connection may be behind by the backlog
/// ([`EmittersBuilder::backlog`](crate::EmittersBuilder::backlog)) or by the history, whichever is
/// more. Beyond that the oldest events are dropped, and this decides what the client sees. Nobody
/// else notices.
///
/// A stream that nobody polls, since its server has enough for a client that takes nothing, notices nothing either. Its
/// connection is over [`MAX_STALL`](crate::MAX_STALL) after it was overtaken, whatever the policy, with
/// [`CloseReason::Lagged`](crate::CloseReason::Lagged); should it be polled after all, the client is told `stream-bye`,
/// and comes back from where it was.
///
/// ```
/// # use {futures_util::StreamExt, std::pin::pin};
/// # use sse_tower_core::{Emitters, History, Lag, LastEventId, SseEvent};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let progress: Emitters<u64> = Emitters::builder()
///     .history(History::none())
///     .backlog(10, 64 * 1024)
///     .lag(Lag::Latest)
///     .build();
/// let slow = progress.connect(7, LastEventId::default());
/// for percent in 1..=100 {
///     progress.send(&7, SseEvent::builder().name("percent").data(percent.to_string()));
/// }
/// progress.complete(&7);
///
/// let bytes: Vec<u8> = slow.into_stream().collect::<Vec<_>>().await.concat();
/// let text = String::from_utf8(bytes).unwrap();
/// assert!(text.starts_with("event:stream-gap\n"));
/// assert_eq!(text.matches("event:percent").count(), 1);
/// assert!(text.contains("data:100\n"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lag {
    /// It is told with `stream-gap` how many it missed, and goes on from the oldest that is kept.
    #[default]
    Gap,
    /// Its stream ends; it comes back with its position, and gets what the history still has. Where nobody polls the
    /// stream, it ends after one to two seconds.
    Close,
    /// It is told with `stream-gap`, and gets only the newest event of each name.
    Latest,
    /// It gets the state as it is now, and goes on from there, without being told of a gap. The default where there
    /// is a [snapshot](crate::EmittersBuilder::snapshot); without one it is [`Gap`](Self::Gap).
    Snapshot,
}

/// Bounds on everything that one [`Emitters`](crate::Emitters) keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) history: History,
    /// How far a connection may fall behind.
    pub(crate) backlog_events: usize,
    pub(crate) backlog_bytes: usize,
    /// What all logs together may keep.
    pub(crate) total_events: usize,
    pub(crate) total_bytes: usize,
}

/// How far a connection may fall behind by default, in events.
pub const DEFAULT_BACKLOG_EVENTS: usize = 1024;
/// How far a connection may fall behind by default, in bytes: 1 MiB.
pub const DEFAULT_BACKLOG_BYTES: usize = 1024 * 1024;
/// How many events all keys of one `Emitters` keep together by default.
pub const DEFAULT_TOTAL_EVENTS: usize = 1_000_000;
/// How many bytes all keys of one `Emitters` keep together by default: 128 MiB.
pub const DEFAULT_TOTAL_BYTES: usize = 128 * 1024 * 1024;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            history: History::default(),
            backlog_events: DEFAULT_BACKLOG_EVENTS,
            backlog_bytes: DEFAULT_BACKLOG_BYTES,
            total_events: DEFAULT_TOTAL_EVENTS,
            total_bytes: DEFAULT_TOTAL_BYTES,
        }
    }
}
