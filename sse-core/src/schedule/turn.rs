//! `turn`: a function that one process at a time runs.

use std::sync::Arc;

use super::{runner::Runs, times::Times};
use crate::{
    bus::{
        carrier::Arrival,
        profile::Profile,
        publish::{Run, RunsOne},
        scheduled::Timetable,
        state::Bus,
    },
    drain::{DrainPhase, OpenStreams},
    durable::Turn,
};

/// The runs of the function with this profile, for as long as it is this process's turn.
pub(crate) fn turn(
    name: &'static str,
    streams: &OpenStreams,
    profile: Arc<Profile>,
    table: Timetable,
) -> Turn {
    Turn { name, runs: Arc::new(Turns { streams: streams.clone(), profile, table }) }
}

struct Turns {
    streams: OpenStreams,
    profile: Arc<Profile>,
    table: Timetable,
}

impl RunsOne for Turns {
    /// Runs the function from now on, until the drain, or until the turn is taken away.
    fn run(&self, bus: &Bus, _: &Arrival) -> Run {
        // Read once already, when the context was built, which refuses what cannot be.
        let times = Times::new(&self.table);
        let runs = Runs {
            bus: bus.downgrade(),
            streams: self.streams.clone(),
            profile: Arc::clone(&self.profile),
            table: self.table,
        };
        Run::of(async move {
            if let Ok(times) = times {
                runs.run(times).await;
            }
            // After its last run it is still this process's turn: nobody else has any.
            if runs.bus.upgrade().is_some() {
                runs.streams.reached(DrainPhase::Draining).await;
            }
        })
    }
}
