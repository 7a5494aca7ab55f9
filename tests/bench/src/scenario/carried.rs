//! Streams on something else than bare sockets: 10,000 over 100 connections of HTTP/2, and 1,000 connections with TLS.

use std::{io, thread, time::Duration};

use super::DATA;
use crate::{
    args::Args,
    certificate::{Certificate, VARIABLE},
    load::{HyperFleet, Transport},
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

/// Streams of one HTTP/2 connection.
const STREAMS: usize = 100;

pub(super) fn http2(args: &Args) -> io::Result<Outcome> {
    let memory = Measure::new("HTTP/2, process memory per stream, 100 on each connection", "B");
    let cpu = Measure::new("HTTP/2, CPU per delivered event", "µs");
    let count = args.or_quick(10_000, 2_000);
    let measures = [memory.over(&[Kind::Hyper]), cpu.over(&[Kind::Hyper])];
    let transport = Transport::Http2 { streams: STREAMS };
    run(args, &[Kind::Hyper, Kind::Direct], count, &transport, "", measures)
}

pub(super) fn tls(args: &Args) -> io::Result<Outcome> {
    let memory = Measure::new("TLS, process memory per connection", "B");
    let cpu = Measure::new("TLS, CPU per delivered event", "µs");
    let count = args.or_quick(1_000, 300);
    let measures = [memory.over(&[Kind::HyperTls]), cpu.over(&[Kind::HyperTls])];
    let certificate = Certificate::new()?;
    let text = certificate.text();
    let kinds = [Kind::HyperTls, Kind::DirectTls];
    run(args, &kinds, count, &Transport::Tls(certificate), &text, measures)
}

fn run(
    args: &Args,
    kinds: &[Kind],
    count: usize,
    transport: &Transport,
    certificate: &str,
    [mut memory, mut cpu]: [Measure; 2],
) -> io::Result<Outcome> {
    let rounds = args.or_quick(15, 4);
    let mut outcome = Outcome::default();
    let mut sides = Vec::new();
    for kind in args.servers(kinds) {
        let server = Server::start_with(kind, &[(VARIABLE, certificate)])?;
        let mut fleet = HyperFleet::new(server.address, transport.clone())?;
        // What the first brings into memory is not a stream's.
        fleet.connect(1)?;
        let before = server.memory()?;
        fleet.connect(count)?;
        thread::sleep(Duration::from_millis(300));
        let took = server.memory()?.saturating_sub(before);
        memory.push(kind, took as f64 / count as f64);
        sides.push((server, fleet));
    }
    // The first round warms up.
    for round in 0..=rounds {
        fastrand::shuffle(&mut sides);
        for (server, fleet) in &mut sides {
            let start = server.settled_cpu()?;
            fleet.publish_and_wait(DATA)?;
            let took = server.settled_cpu()? - start;
            if round > 0 {
                cpu.push(server.kind, took.as_secs_f64() * 1e6 / (count + 1) as f64);
            }
        }
    }
    outcome.tallies.extend(sides.iter().map(|(server, fleet)| (server.kind, fleet.tally())));
    outcome.measures.extend([memory, cpu]);
    Ok(outcome)
}
