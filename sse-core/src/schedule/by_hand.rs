//! `Schedule`: schedules made of closures.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    bus::{
        declare::{Listener, ListenerBuilder, ListenerOutput},
        scheduled::{ScheduledRun, Target, Timetable, When},
    },
    component::{Component, ComponentName},
};

/// A function and when it runs, for [`ContextBuilder::schedule`](crate::ContextBuilder::schedule). Begun by
/// [`every`](Self::every), [`fixed_delay`](Self::fixed_delay) or [`cron`](Self::cron); `#[scheduled]` writes the same.
///
/// ```
/// # use sse_tower_core::{ApplicationContext, Component, Schedule};
/// # use std::{sync::atomic::{AtomicU32, Ordering}, time::Duration};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Reports(AtomicU32);
///
/// let hourly = Schedule::every(Duration::from_secs(60 * 60))
///     .id("reports")
///     .run_on(|reports: Component<Reports>| async move {
///         reports.0.fetch_add(1, Ordering::Relaxed);
///     });
/// let context = ApplicationContext::bare().component(Reports(AtomicU32::new(0))).schedule(hourly).build()?;
/// tokio::time::sleep(Duration::from_secs(60 * 60 * 24 + 1)).await; // a moment, on a paused clock
/// assert_eq!(context.component::<Reports>().unwrap().0.load(Ordering::Relaxed), 25);
/// # Ok(()) }
/// ```
#[must_use = "it runs once a context has it"]
#[derive(Debug)]
pub struct Schedule(pub(crate) Listener);

/// A schedule on its way. The function comes last, by [`run`](Self::run) or [`run_on`](Self::run_on).
#[must_use = "a schedule needs its function: `.run(..)`"]
#[derive(Debug)]
pub struct ScheduleBuilder {
    table: Timetable,
    id: Option<&'static str>,
}

impl Schedule {
    /// Runs at once, and then at each `period` counted from the beginning of the first run. At least 1 ms.
    pub fn every(period: Duration) -> ScheduleBuilder {
        ScheduleBuilder::new(When::Every(period))
    }

    /// Runs at once, and then each time `delay` after the last run ended. At least 1 ms.
    pub fn fixed_delay(delay: Duration) -> ScheduleBuilder {
        ScheduleBuilder::new(When::Delay(delay))
    }

    /// Runs at the times of a cron expression of six fields, seconds first, in UTC. Feature `cron`; what cannot be read
    /// is told by `build()`.
    ///
    /// ```
    /// # #[cfg(feature = "cron")] {
    /// # use sse_tower_core::{ApplicationContext, Schedule};
    /// let build = |expression| {
    ///     let schedule = Schedule::cron(expression).zone("Asia/Shanghai").run(|| async {});
    ///     ApplicationContext::bare().schedule(schedule).build()
    /// };
    /// assert!(build("0 30 9 * * MON-FRI").is_ok());
    /// assert!(build("half past nine").is_err());
    /// # }
    /// ```
    pub fn cron(expression: &'static str) -> ScheduleBuilder {
        ScheduleBuilder::new(When::Cron { expression, zone: None })
    }
}

impl ScheduleBuilder {
    fn new(when: When) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let target = Target::ByHand(NEXT.fetch_add(1, Ordering::Relaxed));
        let table = Timetable { when, initial_delay: Duration::ZERO, target, once: None };
        Self { table, id: None }
    }

    /// Its name, which no listener of the context may have: in the log, in the graph, in failures.
    pub fn id(mut self, id: &'static str) -> Self {
        self.id = Some(id);
        self
    }

    /// How long after the context's beginning the first run is at the earliest; not later unless said.
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.table.initial_delay = delay;
        self
    }

    /// The time zone of a cron expression, by its name in the IANA database; UTC unless said. Has no effect on the
    /// others.
    pub fn zone(mut self, name: &'static str) -> Self {
        if let When::Cron { zone, .. } = &mut self.table.when {
            *zone = Some(name);
        }
        self
    }

    /// With a [backplane](crate::ContextBuilder::backplane), one process at a time runs it: one of those that have a
    /// schedule of this name. When that process drains, another goes on at once; when it dies, within about fifteen
    /// seconds. Who takes over begins as a context begins. Without a backplane every process runs it.
    ///
    /// A process that cannot renew its lease is stopped in the middle of a run, before another may begin.
    ///
    /// ```
    /// # use sse_tower_core::{ApplicationContext, Schedule, backplane::{MemoryStore, Node, NodeOptions}};
    /// # use std::{sync::{Arc, atomic::{AtomicU32, Ordering}}, time::Duration};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = MemoryStore::new();
    /// # let (here, there) = (Node::new(store.engine(), NodeOptions::default()), Node::new(store.engine(), NodeOptions::default()));
    /// # let runs = Arc::new(AtomicU32::new(0));
    /// let report = || {
    ///     let runs = Arc::clone(&runs);
    ///     Schedule::every(Duration::from_secs(60)).once("report").run(move || {
    ///         runs.fetch_add(1, Ordering::Relaxed);
    ///         async {}
    ///     })
    /// };
    /// let here = ApplicationContext::bare().backplane(&here).schedule(report()).build()?;
    /// let there = ApplicationContext::bare().backplane(&there).schedule(report()).build()?;
    /// tokio::time::sleep(Duration::from_secs(60 * 60)).await; // a moment, on a paused clock
    /// assert!((60..=61).contains(&runs.load(Ordering::Relaxed)), "and not 120");
    /// # Ok(()) }
    /// ```
    pub fn once(mut self, name: &'static str) -> Self {
        self.table.once = Some(name);
        self
    }

    /// What runs. What it returns is taken as a listener's result is: events are published, an `Err` is a failure.
    #[track_caller]
    pub fn run<R, Fut, F>(self, f: F) -> Schedule
    where
        R: ListenerOutput,
        Fut: Future<Output = R> + Send + 'static,
        F: Fn() -> Fut + Send + Sync + 'static,
    {
        let listener = Listener::on_async(move |_: Arc<ScheduledRun>| f());
        self.finish(listener)
    }

    /// [`run`](Self::run), with a component of the context.
    #[track_caller]
    pub fn run_on<T, N, R, Fut, F>(self, f: F) -> Schedule
    where
        T: ?Sized + Send + Sync + 'static,
        N: ComponentName,
        R: ListenerOutput,
        Fut: Future<Output = R> + Send + 'static,
        F: Fn(Component<T, N>) -> Fut + Send + Sync + 'static,
    {
        let listener =
            Listener::on_component_async(move |component, _: Arc<ScheduledRun>| f(component));
        self.finish(listener)
    }

    fn finish(self, listener: ListenerBuilder<ScheduledRun>) -> Schedule {
        let target = self.table.target;
        let listener = listener.condition(move |run| run.target == target).timetable(self.table);
        let listener = match self.id {
            Some(id) => listener.id(id),
            None => listener,
        };
        Schedule(listener.into())
    }
}
