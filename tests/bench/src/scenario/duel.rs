//! Servers driven in turn.
//!
//! The time that one server takes for the same work differs by a third from one minute to the next
//! on a shared machine. So several run side by side and get short slices of work in a new order each
//! round; what counts is the median of the ratios within a round.

use std::io;

use crate::{
    load::Fleet,
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

pub(super) struct Duel {
    pub(super) sides: Vec<(Server, Fleet)>,
}

impl Duel {
    /// Starts the servers, each with this many clients.
    pub(super) fn start(kinds: &[Kind], clients: usize) -> io::Result<Self> {
        let mut sides = Vec::new();
        for &kind in kinds {
            let server = Server::start(kind)?;
            let mut fleet = Fleet::new(server.address)?;
            fleet.connect(clients)?;
            sides.push((server, fleet));
        }
        Ok(Self { sides })
    }

    /// Runs `slice` on each in `rounds` rounds; it returns how many units of work it was, and `cpu` is what takes
    /// the microseconds of each.
    pub(super) fn run(
        mut self,
        mut cpu: Measure,
        rounds: usize,
        mut slice: impl FnMut(Kind, &mut Fleet) -> io::Result<u64>,
    ) -> io::Result<Outcome> {
        let mut values = vec![Vec::new(); self.sides.len()];
        let mut order: Vec<_> = (0..self.sides.len()).collect();
        let before: Vec<_> =
            self.sides.iter().map(|(server, _)| server.ticks()).collect::<Result<_, _>>()?;
        // The first round warms up.
        for round in 0..=rounds {
            fastrand::shuffle(&mut order);
            for &side in &order {
                let (server, fleet) = &mut self.sides[side];
                let start = server.settled_cpu()?;
                let units = slice(server.kind, fleet)?;
                let took = server.settled_cpu()? - start;
                if round > 0 {
                    values[side].push(took.as_secs_f64() * 1e6 / units as f64);
                }
            }
        }
        let mut outcome = Outcome::default();
        let mut user = Measure::new("of that in user space", "%");
        for (((server, fleet), values), before) in self.sides.iter().zip(values).zip(before) {
            cpu.set(server.kind, values);
            let now = server.ticks()?;
            let (u, s) = ((now.0 - before.0) as f64, (now.1 - before.1) as f64);
            user.set(server.kind, vec![100.0 * u / (u + s).max(1.0)]);
            outcome.tallies.push((server.kind, fleet.tally()));
        }
        outcome.measures.push(cpu);
        outcome.measures.push(user);
        Ok(outcome)
    }
}
