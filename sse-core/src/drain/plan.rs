//! `Drain`: how a drain goes.

use std::{ops::RangeInclusive, time::Duration};

use crate::{spread::jittered, timer::FAR};

/// How a context leaves: how many streams are told goodbye a second, when their clients come back,
/// and how long all of it may take.
///
/// ```
/// # use {sse_tower_core::Drain, std::time::Duration};
/// let drain = Drain::new().slices(500).deadline(Duration::from_secs(20));
/// # assert_eq!(drain, drain.clone());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    per_second: u32,
    deadline: Duration,
    retry: (Duration, Duration),
}

impl Drain {
    /// How many streams are told goodbye each second, unless set: 1,000.
    pub const DEFAULT_PER_SECOND: u32 = 1000;
    /// How long a drain takes at most, unless set: 10 s, well under the 30 s after which
    /// orchestrators kill.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
    /// When clients come back, unless set: after 0.5 s to 3 s, each at a moment of its own.
    pub const DEFAULT_RETRY: RangeInclusive<Duration> =
        Duration::from_millis(500)..=Duration::from_secs(3);
    /// How long one slice is. A rate of 1,000 a second is 50 streams in each slice.
    pub const SLICE: Duration = Duration::from_millis(50);

    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            per_second: Self::DEFAULT_PER_SECOND,
            deadline: Self::DEFAULT_DEADLINE,
            retry: (*Self::DEFAULT_RETRY.start(), *Self::DEFAULT_RETRY.end()),
        }
    }

    /// Tells at most `per_second` streams goodbye each second, in slices of [`SLICE`](Self::SLICE): a slice is those that are
    /// told in one moment, and then there is a pause, so that their clients do not all dial in the same instant.
    /// That many clients a second then dial the other processes. 0 counts as 1.
    ///
    /// Where the deadline leaves no time for all at that rate, the rate rises until three quarters
    /// of the deadline are enough.
    ///
    /// ```
    /// # use {sse_tower_core::Drain, std::time::Duration};
    /// // 20,000 streams at this rate take 10 s, which three quarters of 20 s have room for.
    /// let drain = Drain::new().slices(2000).deadline(Duration::from_secs(20));
    /// assert_eq!((drain.per_second(), drain.longest()), (2000, Duration::from_secs(20)));
    /// ```
    #[must_use]
    pub const fn slices(mut self, per_second: u32) -> Self {
        self.per_second = if per_second == 0 { 1 } else { per_second };
        self
    }

    /// The longest that the drain takes, instead of [`DEFAULT_DEADLINE`](Self::DEFAULT_DEADLINE). What is still open then is cut off by
    /// `sse_tower::serve`; under another server it is left to that server.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// When clients that were told goodbye come back: each after a time of its own out of this
    /// range, both ends included, so that they do not all dial in the same instant.
    ///
    /// ```
    /// # use {sse_tower_core::Drain, std::time::Duration};
    /// // The new process needs two seconds to be there.
    /// let drain = Drain::new().retry(Duration::from_secs(2)..=Duration::from_secs(8));
    /// # let _ = drain;
    /// ```
    #[must_use]
    pub const fn retry(mut self, range: RangeInclusive<Duration>) -> Self {
        self.retry = (*range.start(), *range.end());
        self
    }

    /// The rate that was set, in streams a second.
    #[must_use]
    pub const fn per_second(&self) -> u32 {
        self.per_second
    }

    /// The deadline that was set, or the default.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.deadline
    }

    /// How long the drain takes at most, as a time that instants can be reckoned with.
    pub(crate) fn time(&self) -> Duration {
        self.deadline.min(FAR)
    }

    /// A moment out of the retry range.
    pub(super) fn jittered_retry(&self) -> Duration {
        let (low, high) = self.retry;
        jittered(low, high)
    }

    /// How many streams each slice takes, and the time from one slice to the next, when `open`
    /// streams have `time`.
    pub(super) fn slice(&self, open: usize, time: Duration) -> (usize, Duration) {
        let enough = (open as f64 / time.as_secs_f64().max(Self::SLICE.as_secs_f64())).ceil();
        let rate = f64::from(self.per_second).max(enough);
        let in_a_slice = (rate * Self::SLICE.as_secs_f64()).floor().max(1.0);
        (in_a_slice as usize, Duration::from_secs_f64(in_a_slice / rate))
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}
