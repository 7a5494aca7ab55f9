//! What is aimed at.

use super::measure::{Measure, show};
use crate::servers::Kind;

/// A bound on a measure, or on its ratio to another server.
pub(super) struct Goal {
    /// How the measure's name begins.
    pub(super) measure: &'static str,
    pub(super) kind: Kind,
    pub(super) to: Option<Kind>,
    pub(super) at_most: f64,
}

const fn ratio(measure: &'static str, kind: Kind, to: Kind, at_most: f64) -> Goal {
    Goal { measure, kind, to: Some(to), at_most }
}

const fn bound(measure: &'static str, kind: Kind, at_most: f64) -> Goal {
    Goal { measure, kind, to: None, at_most }
}

pub(super) const GOALS: &[Goal] = &[
    ratio("keyed flow, CPU", Kind::Body, Kind::Axum, 1.0),
    ratio("keyed flow in a whole program", Kind::BodyProgram, Kind::AxumProgram, 1.0),
    ratio("keyed flow alone and warm, CPU", Kind::Body, Kind::Axum, 0.95),
    ratio("keyed flow alone and warm in", Kind::BodyProgram, Kind::AxumProgram, 0.95),
    bound("user-space instructions per keyed", Kind::Body, 68_000.0),
    bound("allocations per keyed", Kind::Body, 60.0),
    ratio("fan-out to 1,000", Kind::Body, Kind::Floor, 1.55),
    ratio("fan-out to 1,000", Kind::Body, Kind::Axum, 0.80),
    bound("user-space instructions per delivered", Kind::Body, 3_000.0),
    ratio("bursts", Kind::Body, Kind::Axum, 0.50),
    bound("process memory per idle", Kind::Body, 16_500.0),
    ratio("publish to 10,000", Kind::Body, Kind::Axum, 0.10),
    bound("process + kernel", Kind::Body, 256.0),
    ratio("reconnect storm", Kind::Body, Kind::Floor, 2.0),
    ratio("keyed flow, CPU", Kind::Direct, Kind::Axum, 0.95),
    ratio("keyed flow in a whole program", Kind::DirectProgram, Kind::AxumProgram, 0.95),
    ratio("keyed flow alone and warm, CPU", Kind::Direct, Kind::Axum, 0.92),
    ratio("keyed flow alone and warm in", Kind::DirectProgram, Kind::AxumProgram, 0.92),
    bound("user-space instructions per keyed", Kind::Direct, 70_000.0),
    bound("allocations per keyed", Kind::Direct, 62.0),
    ratio("fan-out to 1,000", Kind::Direct, Kind::Floor, 1.15),
    ratio("fan-out to 1,000", Kind::Direct, Kind::Axum, 0.58),
    bound("user-space instructions per delivered", Kind::Direct, 950.0),
    ratio("bursts", Kind::Direct, Kind::Axum, 0.14),
    bound("process memory per idle", Kind::Direct, 1_300.0),
    ratio("publish to 10,000", Kind::Direct, Kind::Axum, 0.04),
    bound("process + kernel", Kind::Direct, 256.0),
    ratio("reconnect storm", Kind::Direct, Kind::Floor, 1.4),
    ratio("return to one key", Kind::Snapshot, Kind::History, 1.1),
    bound("runs of the function", Kind::Snapshot, 1.0),
    ratio("backplane in memory, fan-out", Kind::Memory, Kind::Direct, 1.05),
    ratio("across nodes over Redis, fan-out", Kind::Redis, Kind::Direct, 1.05),
    ratio("across nodes over Redis, fan-out", Kind::Redis, Kind::Nchan, 0.6),
    bound("lost or doubled in the move", Kind::Memory, 0.0),
    bound("lost or doubled in the move", Kind::Redis, 0.0),
    bound("loads of one key in the move", Kind::Memory, 1.0),
    bound("loads of one key in the move", Kind::Redis, 1.0),
    ratio("building the README's program, seconds", Kind::Direct, Kind::Axum, 1.15),
];

impl Goal {
    /// Of an aim that nothing was measured for.
    pub(super) fn unmeasured(&self) -> String {
        let to = self.to.map_or_else(String::new, |to| format!(" x {}", to.name()));
        let (measure, kind) = (self.measure, self.kind.name());
        format!("  not measured  {measure:55} {kind:>14} at most {}{to}", self.at_most)
    }

    pub(super) fn text(&self, measure: &Measure) -> Option<String> {
        let (spread, to) = match self.to {
            Some(to) => (measure.ratio(self.kind, to)?, format!(" x {}", to.name())),
            None => (measure.spread(self.kind)?, String::new()),
        };
        let reached = if spread.median <= self.at_most { "reached" } else { "MISSED " };
        Some(format!(
            "  {reached}  {:62} {:>14} at most {}{to}: {}",
            measure.name,
            self.kind.name(),
            self.at_most,
            show(spread)
        ))
    }
}
