//! Instructions in user space for each delivered event, which repeat where times do not.

use std::{fs, io, io::Error};

use super::DATA;
use crate::{
    args::Args,
    load::Fleet,
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

const CLIENTS: usize = 50;
/// Two lengths: what is the same in both, starting and connecting, falls out of the difference.
const SHORT: u64 = 20;
const LONG: u64 = 220;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut measure = Measure::new("user-space instructions per delivered event", "");
    for kind in args.servers(&[Kind::Floor, Kind::Axum, Kind::Body]) {
        let short = count(kind, SHORT, &mut outcome)?;
        let long = count(kind, LONG, &mut outcome)?;
        let deliveries = (LONG - SHORT) * CLIENTS as u64;
        measure.set(kind, vec![(long - short) as f64 / deliveries as f64]);
    }
    outcome.measures.push(measure);
    Ok(outcome)
}

fn count(kind: Kind, events: u64, outcome: &mut Outcome) -> io::Result<u64> {
    let name = format!("sse-tower-bench-{}-{}.callgrind", std::process::id(), kind.name());
    let output = std::env::temp_dir().join(name);
    let server = Server::start_under_callgrind(kind, &output)?;
    let mut fleet = Fleet::new(server.address)?;
    fleet.connect(CLIENTS)?;
    for _ in 0..events {
        fleet.publish_and_wait(DATA)?;
    }
    outcome.tallies.push((kind, fleet.tally()));
    server.stop()?;
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| Error::other("callgrind wrote no total"))
}
