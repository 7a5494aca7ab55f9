//! Instructions in user space, which repeat where times do not.

use std::{fs, io, io::Error};

use super::{DATA, keyed};
use crate::{
    args::Args,
    load::{Fleet, Tally},
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

/// Subscribers in the fan-out.
const CLIENTS: usize = 250;
/// Two lengths: what is the same in both, starting and connecting, falls out of the difference.
const EVENTS: (usize, usize) = (10, 60);
const FLOWS: (usize, usize) = (40, 240);

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut event = Measure::new("user-space instructions per delivered event", "");
    let mut flow = Measure::new("user-space instructions per keyed flow", "");
    for kind in
        args.servers(&[Kind::Floor, Kind::Axum, Kind::AxumMakeService, Kind::Body, Kind::Direct])
    {
        let mut cost = |lengths: (usize, usize), each: usize, work: Work| -> io::Result<f64> {
            let (short, tally) = count(kind, lengths.0, work)?;
            outcome.tallies.push((kind, tally));
            let (long, tally) = count(kind, lengths.1, work)?;
            outcome.tallies.push((kind, tally));
            Ok((long - short) as f64 / ((lengths.1 - lengths.0) * each) as f64)
        };
        event.push(kind, cost(EVENTS, CLIENTS, fan_out)?);
        flow.push(kind, cost(FLOWS, 1, |fleet, flows| keyed::flows(fleet, 0, flows))?);
    }
    outcome.measures.extend([event, flow]);
    Ok(outcome)
}

type Work = fn(&mut Fleet, usize) -> io::Result<()>;

fn fan_out(fleet: &mut Fleet, events: usize) -> io::Result<()> {
    fleet.connect(CLIENTS)?;
    for _ in 0..events {
        fleet.publish_and_wait(DATA)?;
    }
    Ok(())
}

/// All instructions of a server during its life.
fn count(kind: Kind, size: usize, work: Work) -> io::Result<(u64, Tally)> {
    let name = format!("sse-tower-bench-{}-{}.callgrind", std::process::id(), kind.name());
    let output = std::env::temp_dir().join(name);
    let server = Server::start_under_callgrind(kind, &output)?;
    let mut fleet = Fleet::new(server.address)?;
    work(&mut fleet, size)?;
    server.stop()?;
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    let mut lines = text.lines();
    let total = lines.find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse().ok()) {
        Some(total) => Ok((total, fleet.tally())),
        None => Err(Error::other("callgrind wrote no total")),
    }
}
