//! One quantity, for each server, several times.

use std::fmt::Write as _;

use crate::servers::Kind;

pub(crate) struct Measure {
    pub(super) name: &'static str,
    unit: &'static str,
    /// What the others are compared with.
    bases: &'static [Kind],
    values: Vec<(Kind, Vec<f64>)>,
}

/// The middle half of some values.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values.get((values.len().saturating_sub(1) * quarter + 2) / 4);
        Some(Self { low: *at(1)?, median: *at(2)?, high: *at(3)? })
    }
}

impl Measure {
    pub(crate) fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, bases: &[Kind::Floor, Kind::Axum], values: Vec::new() }
    }

    /// Compares with these instead of the floor and axum.
    pub(crate) fn over(self, bases: &'static [Kind]) -> Self {
        Self { bases, ..self }
    }

    pub(crate) fn set(&mut self, kind: Kind, values: Vec<f64>) {
        self.values.push((kind, values));
    }

    pub(crate) fn push(&mut self, kind: Kind, value: f64) {
        match self.values.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, values)) => values.push(value),
            None => self.values.push((kind, vec![value])),
        }
    }

    fn values(&self, kind: Kind) -> Option<&[f64]> {
        self.values.iter().find(|(of, _)| *of == kind).map(|(_, values)| values.as_slice())
    }

    pub(super) fn spread(&self, kind: Kind) -> Option<Spread> {
        Spread::of(self.values(kind)?.to_vec())
    }

    /// The ratios within each round.
    pub(super) fn ratio(&self, kind: Kind, to: Kind) -> Option<Spread> {
        let pairs = self.values(kind)?.iter().zip(self.values(to)?);
        Spread::of(
            pairs.filter(|(_, base)| **base > 0.0).map(|(value, base)| value / base).collect(),
        )
    }

    pub(super) fn text(&self) -> String {
        let mut text = match self.unit {
            "" => format!("{}\n", self.name),
            unit => format!("{}, {unit}\n", self.name),
        };
        for kind in Kind::ALL {
            let Some(spread) = self.spread(kind) else { continue };
            let _ = write!(text, "  {:18} {:>24}", kind.name(), show(spread));
            for &base in self.bases {
                if base != kind
                    && self.unit != "%"
                    && let Some(ratio) = self.ratio(kind, base)
                    && ratio.median < 1_000.0
                {
                    let _ = write!(text, "   {:>22} x {}", show(ratio), base.name());
                }
            }
            text.push('\n');
        }
        text
    }
}

/// The median, and the middle half where there is one.
pub(super) fn show(Spread { low, median, high }: Spread) -> String {
    if low == high {
        return number(median);
    }
    format!("{} ({}-{})", number(median), number(low), number(high))
}

/// Three digits.
pub(super) fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 0.1 || value == 0.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let mut measure = Measure::new("time", "µs");
        measure.set(Kind::Floor, vec![1.0, 10.0, 100.0]);
        measure.set(Kind::Body, vec![2.0, 20.0, 50.0]);
        assert_eq!(measure.ratio(Kind::Body, Kind::Floor).map(|ratio| ratio.median), Some(2.0));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of(vec![5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (2.0, 3.0, 4.0));
        assert_eq!(Spread::of(vec![7.0]).map(|spread| spread.median), Some(7.0));
    }
}
