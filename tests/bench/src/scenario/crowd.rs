//! 10,000 connections: what they hold while nothing happens, and how long a publish to them takes.

use std::{io, thread, time::Duration};

use super::DATA;
use crate::{
    args::Args,
    load::Fleet,
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let clients = args.or_quick(10_000, 2_000);
    let publishes = args.or_quick(15, 5);
    let mut kinds =
        args.servers(&[Kind::Floor, Kind::Axum, Kind::AxumMakeService, Kind::Body, Kind::Direct]);
    let mut outcome = Outcome::default();
    let mut connect = Measure::new("CPU per connect", "µs");
    let mut idle = Measure::new("process memory per idle connection", "B");
    let mut used = Measure::new("the same after the first event", "B");
    let mut answered = Measure::new("publish to 10,000 answered after", "ms");
    let mut delivered = Measure::new("fan-out to 10,000, CPU per delivered event", "µs");
    for _ in 0..args.or_quick(3, 1) {
        fastrand::shuffle(&mut kinds);
        for &kind in &kinds {
            let server = Server::start(kind)?;
            let mut fleet = Fleet::new(server.address)?;
            // What the first request brings into memory is not a connection's.
            fleet.connect(1)?;
            let per_client =
                |before: u64, after: u64| after.saturating_sub(before) as f64 / clients as f64;
            let (memory, cpu) = (server.memory()?, server.settled_cpu()?);
            fleet.connect(clients - 1)?;
            let took = server.settled_cpu()? - cpu;
            connect.push(kind, took.as_secs_f64() * 1e6 / clients as f64);
            thread::sleep(Duration::from_millis(300));
            idle.push(kind, per_client(memory, server.memory()?));
            let cpu = server.settled_cpu()?;
            let mut times = Vec::new();
            for publish in 0..publishes {
                let events = fleet.events + clients as u64;
                times.push(fleet.time_publish(DATA)?.as_secs_f64() * 1e3);
                fleet.until("events", |fleet| fleet.events >= events)?;
                if publish == 0 {
                    used.push(kind, per_client(memory, server.memory()?));
                }
            }
            let took = server.settled_cpu()? - cpu;
            delivered.push(kind, took.as_secs_f64() * 1e6 / (publishes * clients) as f64);
            times.sort_by(f64::total_cmp);
            answered.push(kind, times[times.len() / 2]);
            outcome.tallies.push((kind, fleet.tally()));
        }
    }
    outcome.measures.extend([connect, idle, used, answered, delivered]);
    Ok(outcome)
}
