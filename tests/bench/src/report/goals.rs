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

pub(super) const GOALS: &[Goal] = &[
    ratio("fan-out to 1,000", Kind::Body, Kind::Floor, 1.60),
    ratio("fan-out to 1,000", Kind::Body, Kind::Axum, 0.80),
    ratio("bursts", Kind::Body, Kind::Axum, 0.75),
    ratio("keyed flow", Kind::Body, Kind::Axum, 0.94),
    ratio("user-space instructions per delivered", Kind::Body, Kind::Axum, 0.50),
    ratio("process memory per idle", Kind::Body, Kind::Axum, 0.80),
    ratio("publish to 10,000", Kind::Body, Kind::Axum, 0.30),
    Goal { measure: "process + kernel", kind: Kind::Body, to: None, at_most: 256.0 },
    ratio("reconnect storm", Kind::Body, Kind::Floor, 2.0),
    ratio("fan-out to 1,000", Kind::Direct, Kind::Floor, 1.15),
    ratio("fan-out to 1,000", Kind::Direct, Kind::Axum, 0.58),
    ratio("bursts", Kind::Direct, Kind::Axum, 0.27),
    ratio("keyed flow", Kind::Direct, Kind::Axum, 0.90),
    ratio("user-space instructions per delivered", Kind::Direct, Kind::Axum, 0.08),
    ratio("process memory per idle", Kind::Direct, Kind::Axum, 0.08),
    ratio("publish to 10,000", Kind::Direct, Kind::Axum, 0.10),
    Goal { measure: "process + kernel", kind: Kind::Direct, to: None, at_most: 256.0 },
    ratio("reconnect storm", Kind::Direct, Kind::Floor, 1.4),
];

impl Goal {
    pub(super) fn text(&self, measure: &Measure) -> Option<String> {
        let (spread, to) = match self.to {
            Some(to) => (measure.ratio(self.kind, to)?, format!(" x {}", to.name())),
            None => (measure.spread(self.kind)?, String::new()),
        };
        let reached = if spread.median <= self.at_most { "reached" } else { "MISSED " };
        Some(format!(
            "  {reached}  {:60} {:>6} at most {}{to}: {}",
            measure.name,
            self.kind.name(),
            self.at_most,
            show(spread)
        ))
    }
}
