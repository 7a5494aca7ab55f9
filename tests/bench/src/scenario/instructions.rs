//! Instructions in user space, and how often memory is allocated, which repeat where times do not.

use std::{collections::HashMap, fs, io, io::Error};

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
/// The connection of the publisher, which may not be accepted yet.
const PUBLISHER: usize = 1;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut event = Measure::new("user-space instructions per delivered event", "");
    let mut flow = Measure::new("user-space instructions per keyed flow", "");
    let mut blocks = Measure::new("allocations per keyed flow", "");
    for kind in
        args.servers(&[Kind::Floor, Kind::Axum, Kind::AxumMakeService, Kind::Body, Kind::Direct])
    {
        let mut cost = |lengths: (usize, usize), each: usize, work: Work| -> io::Result<Cost> {
            let (short, tally) = count(kind, lengths.0, work)?;
            outcome.tallies.push((kind, tally));
            let (long, tally) = count(kind, lengths.1, work)?;
            outcome.tallies.push((kind, tally));
            let times = ((lengths.1 - lengths.0) * each) as f64;
            Ok(Cost {
                instructions: (long.instructions - short.instructions) / times,
                allocations: (long.allocations - short.allocations) / times,
            })
        };
        event.push(kind, cost(EVENTS, CLIENTS, fan_out)?.instructions);
        let keyed = cost(FLOWS, 1, |fleet, flows| keyed::flows(fleet, 0, flows))?;
        flow.push(kind, keyed.instructions);
        blocks.push(kind, keyed.allocations);
    }
    outcome.measures.extend([event, flow, blocks]);
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

/// What a server did during its life.
struct Cost {
    instructions: f64,
    allocations: f64,
}

fn count(kind: Kind, size: usize, work: Work) -> io::Result<(Cost, Tally)> {
    let name = format!("sse-tower-bench-{}-{}.callgrind", std::process::id(), kind.name());
    let output = std::env::temp_dir().join(name);
    let server = Server::start_under_callgrind(kind, &output)?;
    let mut fleet = Fleet::new(server.address)?;
    let before = server.descriptors()?;
    work(&mut fleet, size)?;
    fleet.hang_up();
    // The ends of connections belong to the work, whatever each server does when it is ended.
    server.until_descriptors(before + PUBLISHER)?;
    server.stop()?;
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    let mut lines = text.lines();
    let total = lines.find_map(|line| line.strip_prefix("totals: "));
    match total.and_then(|total| total.trim().parse().ok()) {
        Some(instructions) => {
            let allocations = allocations(&text) as f64;
            Ok((Cost { instructions, allocations }, fleet.tally()))
        }
        None => Err(Error::other("callgrind wrote no total")),
    }
}

/// How often the allocator was called. callgrind writes a function's name once, and its number from
/// then on: `cfn=(7) malloc`, `cfn=(7)`; the line after it says how often it was called from there.
fn allocations(callgrind: &str) -> u64 {
    let mut names = HashMap::new();
    let mut called = None;
    let mut count = 0;
    for line in callgrind.lines() {
        if let Some(function) = line.strip_prefix("cfn=").or_else(|| line.strip_prefix("fn=")) {
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            called = line.starts_with("cfn=").then(|| names.get(number).copied()).flatten();
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let calls = calls.split(' ').next().and_then(|calls| calls.parse::<u64>().ok());
            if matches!(called.take(), Some("malloc" | "calloc" | "realloc")) {
                count += calls.unwrap_or(0);
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_the_allocator_are_counted_wherever_they_come_from() {
        let text = "fn=(1) main\n16 3\ncfn=(2) malloc\ncalls=3 0\n16 9\ncfn=(3) free\ncalls=5 0\n\n\
            fn=(4) other\ncfn=(2)\ncalls=4 0\ncfn=(5) realloc\ncalls=1 0\n";
        assert_eq!(allocations(text), 8);
    }
}
