//! `Timetable`: when a scheduled function runs; `ScheduledRun`: the event that it hears then. Plain data.

use std::{fmt, time::Duration};

use super::event::{ApplicationEvent, EventType};

/// One run of a scheduled function, which is a listener of this type: it runs for the events that are meant for it,
/// and ignores all others.
///
/// Published by the context's schedule alone; a tap or a listener of one's own sees each run begin.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, Schedule, ScheduledRun, Listener};
/// # use std::{sync::Arc, time::Duration};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
/// let context = ApplicationContext::bare()
///     .schedule(Schedule::every(Duration::from_secs(5)).id("report").run(|| async {}))
///     .listener(Listener::on(move |run: &ScheduledRun| drop(tell.send(run.name().to_owned()))))
///     .build()?;
/// # told.recv().await;
/// assert_eq!(told.recv().await.as_deref(), Some("report"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ScheduledRun {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
}

impl ScheduledRun {
    /// The function's id, or its path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Whether the function at this path is meant.
    #[doc(hidden)]
    #[must_use]
    pub fn is_for(&self, declared: &'static str) -> bool {
        self.target == Target::Declared(declared)
    }
}

impl ApplicationEvent for ScheduledRun {
    fn event_type() -> EventType<Self> {
        EventType::new().name("context.scheduled-run").optional()
    }
}

/// Which function a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The path of an annotated one.
    Declared(&'static str),
    /// The number of one that was made by hand.
    ByHand(u64),
}

/// What `#[scheduled]` says: static data only.
#[derive(Clone, Copy, Debug)]
pub struct Timetable {
    pub(crate) when: When,
    pub(crate) initial_delay: Duration,
    pub(crate) target: Target,
    /// With a backplane, one process at a time runs it, of those that have a function of this name.
    pub(crate) once: Option<&'static str>,
}

/// When it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// At this period, counted from the beginning of the first run.
    Every(Duration),
    /// This long after the last run ended.
    Delay(Duration),
    /// At the times of a cron expression, in a time zone of the IANA database or UTC.
    #[cfg_attr(not(feature = "cron"), allow(dead_code, reason = "refused without the feature"))]
    Cron { expression: &'static str, zone: Option<&'static str> },
}

impl Timetable {
    const fn of(when: When, declared: &'static str) -> Self {
        let target = Target::Declared(declared);
        Self { when, initial_delay: Duration::ZERO, target, once: None }
    }

    /// With a period of `millis` milliseconds, for the function at path `declared`.
    #[must_use]
    pub const fn every_millis(millis: u64, declared: &'static str) -> Self {
        Self::of(When::Every(Duration::from_millis(millis)), declared)
    }

    /// `millis` milliseconds after the last run ended.
    #[must_use]
    pub const fn delay_millis(millis: u64, declared: &'static str) -> Self {
        Self::of(When::Delay(Duration::from_millis(millis)), declared)
    }

    /// At the times of a cron expression.
    #[must_use]
    pub const fn cron(
        expression: &'static str,
        zone: Option<&'static str>,
        declared: &'static str,
    ) -> Self {
        Self::of(When::Cron { expression, zone }, declared)
    }

    /// With a backplane one node at a time runs it, of those that have a function of this name.
    #[must_use]
    pub const fn once(mut self, name: &'static str) -> Self {
        self.once = Some(name);
        self
    }

    /// The first run is at least `millis` milliseconds after the context began.
    #[must_use]
    pub const fn initial_delay_millis(mut self, millis: u64) -> Self {
        self.initial_delay = Duration::from_millis(millis);
        self
    }
}

/// In words: `every 5s`, `at 0/5 * * * * * in UTC, on one node`.
impl fmt::Display for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.when {
            When::Every(period) => write!(f, "every {period:?}")?,
            When::Delay(delay) => write!(f, "{delay:?} after each run")?,
            When::Cron { expression, zone } => {
                write!(f, "at {expression} in {}", zone.unwrap_or("UTC"))?;
            }
        }
        if self.once.is_some() { f.write_str(", on one node") } else { Ok(()) }
    }
}
