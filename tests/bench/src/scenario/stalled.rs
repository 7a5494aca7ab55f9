//! Clients that stop reading: what each of them costs, and what it gets when it reads again.

use std::{io, time::Duration};

use crate::{
    args::Args,
    load::{Fleet, Tally},
    process::{Server, kernel_memory},
    report::{Measure, Outcome},
    servers::Kind,
};

const STALLED: usize = 40;
const READING: usize = 10;
const DATA: usize = 16 * 1024;
/// More than any server keeps for a client.
const EVENTS: usize = 1_500;
/// A small one, so that what piles up does so at the server.
const RECEIVE_BUFFER: usize = 8 * 1024;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut process =
        Measure::new("process memory per stalled client, the shared log included", "KB");
    let mut kernel = Measure::new("kernel memory per stalled client", "KB");
    let mut both = Measure::new("process + kernel memory per stalled client", "KB");
    let mut told = Measure::new("what a stalled client missed and was told of", "%");
    let mut silent = Measure::new("what a stalled client missed without a word", "%");
    for kind in args.servers(&[Kind::Floor, Kind::Axum, Kind::Body, Kind::Direct]) {
        let server = Server::start(kind)?;
        let mut fleet = Fleet::new(server.address)?;
        fleet.connect_with(STALLED, Some(RECEIVE_BUFFER), |_| "/events".to_owned())?;
        fleet.connect(READING)?;
        // The log fills, with everybody reading: what it holds then is no stalled client's.
        publish(&mut fleet, 300, STALLED + READING)?;
        let before = (server.memory()?, kernel_memory()?);
        fleet.stop_reading(0..STALLED)?;
        publish(&mut fleet, EVENTS, READING)?;
        let after = (server.memory()?, kernel_memory()?);
        fleet.read_again(0..STALLED)?;
        fleet.until_quiet(Duration::from_millis(500))?;
        let per_client =
            |before: u64, after: u64| after.saturating_sub(before) as f64 / STALLED as f64 / 1024.0;
        let kilobytes = (per_client(before.0, after.0), per_client(before.1, after.1));
        process.push(kind, kilobytes.0);
        kernel.push(kind, kilobytes.1);
        both.push(kind, kilobytes.0 + kilobytes.1);
        let tally = fleet.tally();
        let share = |events: u64| 100.0 * events as f64 / (STALLED * EVENTS) as f64;
        told.push(kind, share(tally.told));
        silent.push(kind, share(tally.lost));
        outcome.tallies.push((kind, Tally { told: 0, ..tally }));
    }
    outcome.measures.extend([process, kernel, both, told, silent]);
    Ok(outcome)
}

fn publish(fleet: &mut Fleet, events: usize, readers: usize) -> io::Result<()> {
    for _ in 0..events {
        let all = fleet.events + readers as u64;
        fleet.publish(DATA)?;
        fleet.until("events", |fleet| fleet.events >= all)?;
        fleet.until_answered()?;
    }
    Ok(())
}
