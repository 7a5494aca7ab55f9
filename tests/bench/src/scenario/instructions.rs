//! Instructions in user space, cache lines, and how often memory is allocated, which repeat where times do not.
//!
//! Lines are those that a first-level cache of 32 KB did not have: much of what a processor waits for.

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
    let mut event_lines = Measure::new("cache lines of data fetched per delivered event", "");
    let mut flow = Measure::new("user-space instructions per keyed flow", "");
    let mut code = Measure::new("cache lines of code fetched per keyed flow", "");
    let mut data = Measure::new("cache lines of data fetched per keyed flow", "");
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
                code: (long.code - short.code) / times,
                data: (long.data - short.data) / times,
                allocations: (long.allocations - short.allocations) / times,
            })
        };
        let fan_out = cost(EVENTS, CLIENTS, fan_out)?;
        event.push(kind, fan_out.instructions);
        event_lines.push(kind, fan_out.data);
        let keyed = cost(FLOWS, 1, |fleet, flows| keyed::flows(fleet, 0, flows))?;
        flow.push(kind, keyed.instructions);
        code.push(kind, keyed.code);
        data.push(kind, keyed.data);
        blocks.push(kind, keyed.allocations);
    }
    outcome.measures.extend([event, event_lines, flow, code, data, blocks]);
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
    /// Lines of the two caches that were not there.
    code: f64,
    data: f64,
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
    if kind != Kind::Floor {
        // The floor has no end of a connection to notice.
        server.until_descriptors(before + PUBLISHER)?;
    }
    server.stop()?;
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    let cost = Cost {
        instructions: total(&text, "Ir")?,
        code: total(&text, "I1mr")?,
        data: total(&text, "D1mr")? + total(&text, "D1mw")?,
        allocations: allocations(&text) as f64,
    };
    Ok((cost, fleet.tally()))
}

/// How often this happened.
fn total(callgrind: &str, event: &str) -> io::Result<f64> {
    let line = |name| callgrind.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
    let mut both = line("events: ").split_whitespace().zip(line("totals: ").split_whitespace());
    let count = both.find(|(name, _)| *name == event).and_then(|(_, count)| count.parse().ok());
    count.ok_or_else(|| Error::other(format!("callgrind wrote no total of {event}")))
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
    fn a_total_is_found_by_the_name_of_its_event() {
        let text = "events: Ir Dr I1mr\nfn=(1) main\n16 3\ntotals: 100 20 3\n";
        assert_eq!(total(text, "I1mr").unwrap(), 3.0);
        assert!(total(text, "D1mr").is_err());
    }

    #[test]
    fn calls_of_the_allocator_are_counted_wherever_they_come_from() {
        let text = "fn=(1) main\n16 3\ncfn=(2) malloc\ncalls=3 0\n16 9\ncfn=(3) free\ncalls=5 0\n\n\
            fn=(4) other\ncfn=(2)\ncalls=4 0\ncfn=(5) realloc\ncalls=1 0\n";
        assert_eq!(allocations(text), 8);
    }
}
