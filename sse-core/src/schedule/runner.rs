//! `Runs`: the task that publishes one function's runs.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::times::Times;
use crate::{
    bus::{
        profile::Profile,
        publish::publish,
        scheduled::{ScheduledRun, Timetable},
        state::{Bus, WeakBus},
    },
    drain::{DrainPhase, OpenStreams},
};

/// Begins the runs of the function with this profile: a task of its own, which ends with the drain or with the bus.
pub(crate) fn begin(
    bus: &Bus,
    streams: &OpenStreams,
    profile: Arc<Profile>,
    table: Timetable,
    times: Times,
) {
    let runs = Runs { bus: bus.downgrade(), streams: streams.clone(), profile, table };
    bus.tasks().hand_over(Box::pin(async move { runs.run(times).await }));
}

/// The runs of one function.
pub(super) struct Runs {
    /// Not the bus: a schedule keeps no context alive.
    pub(super) bus: WeakBus,
    pub(super) streams: OpenStreams,
    pub(super) profile: Arc<Profile>,
    pub(super) table: Timetable,
}

impl Runs {
    /// Publishes the runs until the drain, until the bus is gone, or until there is no other run.
    pub(super) async fn run(&self, times: Times) {
        let mut due = times.first(Instant::now());
        while let Some(at) = due {
            if timeout_at(at, self.streams.reached(DrainPhase::Draining)).await.is_ok() {
                return;
            }
            let Some(bus) = self.bus.upgrade() else { return };
            self.once(&bus).await;
            drop(bus);
            let next = times.next(at, Instant::now());
            if let Some(next) = next.filter(|next| next.left_out > 0) {
                self.too_long(next.left_out);
            }
            due = next.map(|next| next.at);
        }
    }

    /// Publishes one run. The drain waits for it, since it is under way.
    async fn once(&self, bus: &Bus) {
        let run = ScheduledRun { name: self.profile.label(), target: self.table.target };
        let outcome = publish(bus, run, self.profile.declared_at).await;
        #[cfg(feature = "tracing")]
        if let Err(error) = &outcome {
            tracing::error!(
                target: "sse_tower",
                schedule = self.profile.label(),
                error = %error,
                "scheduled function failed; it runs again at its next time"
            );
        }
        #[cfg(not(feature = "tracing"))]
        drop(outcome);
    }

    #[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
    fn too_long(&self, left_out: u64) {
        #[cfg(feature = "tracing")]
        tracing::warn!(
            target: "sse_tower",
            schedule = self.profile.label(),
            left_out,
            "scheduled function ran longer than the time between two runs; those in between were left out"
        );
    }
}
