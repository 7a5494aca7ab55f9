//! What is measured.

mod crowd;
mod duel;
mod fan_out;
mod instructions;
mod keyed;
mod stalled;
mod storm;

use std::io;

use crate::{args::Args, report::Outcome};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Args) -> io::Result<Outcome>,
}

pub(crate) const ALL: [Scenario; 7] = [
    Scenario { name: "fan-out", run: fan_out::steady },
    Scenario { name: "burst", run: fan_out::burst },
    Scenario { name: "keyed", run: keyed::run },
    Scenario { name: "instructions", run: instructions::run },
    Scenario { name: "crowd", run: crowd::run },
    Scenario { name: "stalled", run: stalled::run },
    Scenario { name: "storm", run: storm::run },
];

/// The size of an event's data where nothing else is said.
const DATA: usize = 100;
