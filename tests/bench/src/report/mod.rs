//! What was measured, as text and as a picture.

mod goals;
mod machine;
mod measure;
mod picture;

use std::{fmt::Write as _, ops::AddAssign};

pub(crate) use measure::Measure;

use self::{goals::GOALS, machine::Machine};
use crate::{load::Tally, servers::Kind};

/// What one scenario gives.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) measures: Vec<Measure>,
    pub(crate) tallies: Vec<(Kind, Tally)>,
    /// What was not measured, and why.
    pub(crate) missing: Vec<String>,
}

impl Outcome {
    /// Of a scenario that lacks something.
    pub(crate) fn without(what: String) -> Self {
        Self { missing: vec![what], ..Self::default() }
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.measures.extend(other.measures);
        self.tallies.extend(other.tallies);
        self.missing.extend(other.missing);
    }
}

pub(crate) struct Report {
    machine: Machine,
    measures: Vec<Measure>,
    tallies: Vec<(Kind, Tally)>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { machine: Machine::look(), measures: Vec::new(), tallies: Vec::new() }
    }

    /// Takes in what a scenario gave, and says it.
    pub(crate) fn add(&mut self, outcome: Outcome) -> String {
        let mut text: String =
            outcome.measures.iter().map(|measure| format!("\n{}", measure.text())).collect();
        for missing in outcome.missing {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "\nnot measured: {missing}");
        }
        self.measures.extend(outcome.measures);
        self.tallies.extend(outcome.tallies);
        text
    }

    fn tally(&self, kind: Kind) -> Tally {
        let mut sum = Tally::default();
        for (_, tally) in self.tallies.iter().filter(|(of, _)| *of == kind) {
            sum += *tally;
        }
        sum
    }

    /// How many events were lost without a word, doubled, reordered or made up.
    pub(crate) fn faults(&self, kind: Kind) -> u64 {
        self.tally(kind).faults()
    }

    pub(crate) fn heading(&self) -> String {
        self.machine.lines().map(|line| line + "\n").concat()
    }

    /// What became of the events, and of each aim whether it is reached; also of those that nothing was measured for, if
    /// `all` are to be told.
    pub(crate) fn summary(&self, all: bool) -> String {
        let mut text = String::from("\nevents, in all scenarios together\n");
        for kind in Kind::ALL {
            if self.tallies.iter().any(|(of, _)| *of == kind) {
                let Tally { lost, doubled, reordered, corrupt, .. } = self.tally(kind);
                // Writing to a `String` cannot fail.
                let _ = writeln!(
                    text,
                    "  {:18} lost {lost}, doubled {doubled}, reordered {reordered}, corrupt {corrupt}{}",
                    kind.name(),
                    if kind.replays() { "" } else { " (it replays nothing)" }
                );
            }
        }
        text.push_str("\naims\n");
        for goal in GOALS {
            let line = self.find(goal.measure).and_then(|measure| goal.text(measure));
            if let Some(line) = line.or_else(|| all.then(|| goal.unmeasured())) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    fn find(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.name.starts_with(name))
    }

    pub(crate) fn picture(&self) -> String {
        picture::draw(self)
    }
}
