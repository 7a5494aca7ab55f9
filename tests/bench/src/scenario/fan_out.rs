//! One event for many clients.

use std::io;

use super::{DATA, duel::Duel};
use crate::{
    args::Args,
    load::Fleet,
    report::{Measure, Outcome},
    servers::Kind,
};

/// Subscribers where each event goes to all of them.
pub(super) const CLIENTS: usize = 1_000;
/// Events in a slice of that.
const EVENTS: u64 = 5;

const SERVERS: [Kind; 4] = [Kind::Floor, Kind::Axum, Kind::Body, Kind::Direct];

/// Each event is published after everybody has the last one.
pub(super) fn steady(args: &Args) -> io::Result<Outcome> {
    let duel = Duel::start(&args.servers(&SERVERS), CLIENTS)?;
    let cpu = Measure::new("fan-out to 1,000, CPU per delivered event", "µs");
    duel.run(cpu, args.or_quick(60, 12), |_, fleet| one_by_one(fleet))
}

/// Some events to everybody, each after everybody has the last one; it returns how many were delivered.
pub(super) fn one_by_one(fleet: &mut Fleet) -> io::Result<u64> {
    for _ in 0..EVENTS {
        fleet.publish_and_wait(DATA)?;
    }
    Ok(EVENTS * fleet.open() as u64)
}

/// Events are published as fast as publishes are answered. A few are on their way, so that it is the
/// server that sets the pace, however late the generator gets its turn on the processor.
pub(super) fn burst(args: &Args) -> io::Result<Outcome> {
    const EVENTS: u64 = 50;
    let clients = 500;
    let duel = Duel::start(&args.servers(&SERVERS), clients)?;
    let cpu = Measure::new("bursts of 50 to 500, CPU per delivered event", "µs");
    duel.run(cpu, args.or_quick(20, 5), |_, fleet| {
        let deliveries = EVENTS * clients as u64;
        let all = fleet.events + deliveries;
        for _ in 0..EVENTS {
            fleet.publish(DATA)?;
            fleet.until_unanswered(4)?;
        }
        fleet.until_answered()?;
        fleet.until("events", |fleet| fleet.events >= all)?;
        Ok(deliveries)
    })
}
