//! Everybody comes back to one key, and gets its state: from a snapshot that all share, or as the one event of the
//! history that they have missed.

use std::io::{self, Error};

use super::DATA;
use crate::{
    args::Args,
    load::{Fleet, ask},
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let clients = args.or_quick(10_000, 2_000);
    let mut cpu = Measure::new("return to one key, CPU per client", "µs").over(&[Kind::History]);
    let mut runs = Measure::new("runs of the function for all who return", "");
    // Both, whatever was chosen: the position from before is the other's.
    let mut sides = Vec::new();
    for kind in [Kind::History, Kind::Snapshot] {
        let server = Server::start(kind)?;
        let fleet = Fleet::new(server.address)?;
        sides.push((server, fleet));
    }
    for round in 0..=args.or_quick(5, 3) {
        let path = format!("/state?pay_record_id={round}");
        // What a client of the history has seen: the first of two events. Nothing of it means anything to the other.
        let history = &mut sides[0].1;
        history.connect_with(1, None, |_| path.clone())?;
        let seen = history.events + 1;
        history.publish_to(&path, DATA)?;
        history.until("an event", |fleet| fleet.events >= seen)?;
        let last = history.first_id();
        history.until_answered()?;
        for (_, fleet) in &mut sides {
            fleet.publish_to(&path, DATA)?;
            fleet.until_answered()?;
        }
        sides[0].1.until("the other event", |fleet| fleet.events > seen)?;
        let mut order = [0, 1];
        fastrand::shuffle(&mut order);
        for side in order {
            let (server, fleet) = &mut sides[side];
            let events = fleet.events + clients as u64;
            let ran = runs_of(server)?;
            let start = server.settled_cpu()?;
            fleet.connect_behind(clients, |_| format!("{path}&lastEventId={last}"))?;
            fleet.until("the state", |fleet| fleet.events >= events)?;
            let took = server.settled_cpu()? - start;
            // The first round warms up.
            if round > 0 {
                cpu.push(server.kind, took.as_secs_f64() * 1e6 / clients as f64);
                runs.push(server.kind, (runs_of(server)? - ran) as f64);
            }
            fleet.hang_up();
        }
    }
    let tallies = sides.iter().map(|(server, fleet)| (server.kind, fleet.tally())).collect();
    Ok(Outcome { measures: vec![cpu, runs], tallies, ..Outcome::default() })
}

fn runs_of(server: &Server) -> io::Result<u64> {
    ask(server.address, "/runs")?.parse().map_err(Error::other)
}
