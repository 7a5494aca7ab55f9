//! Everybody loses the connection, misses 50 events, and comes back while 50 more are published.

use std::{io, time::Duration};

use super::{DATA, duel::Duel};
use crate::{
    args::Args,
    report::{Measure, Outcome},
    servers::Kind,
};

const MISSED: usize = 50;
const BATCHES: usize = 50;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let clients = args.or_quick(2_000, 500);
    let kinds = args.servers(&[Kind::Floor, Kind::Axum, Kind::Body, Kind::Direct]);
    let duel = Duel::start(&kinds, clients)?;
    let cpu = Measure::new("reconnect storm, CPU per reconnect", "µs");
    duel.run(cpu, args.or_quick(6, 2), |kind, fleet| {
        fleet.publish_and_wait(DATA)?;
        fleet.cut();
        for _ in 0..MISSED {
            fleet.publish(DATA)?;
            fleet.until_answered()?;
        }
        let batch = clients / BATCHES;
        for start in (0..clients).step_by(batch) {
            fleet.dial_again(start..clients.min(start + batch), |_| "/events".to_owned())?;
            fleet.publish(DATA)?;
            fleet.pump()?;
        }
        fleet.until_answered()?;
        if kind.replays() {
            fleet.until("events", |fleet| fleet.is_level())?;
        } else {
            fleet.until_quiet(Duration::from_millis(300))?;
        }
        Ok(clients as u64)
    })
}
