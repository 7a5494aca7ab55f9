//! A payment: a stream is opened, the callback comes, one event is written, the stream ends.
//!
//! With servers that do nothing else, and within a program as people write it; driven in turn with the others, as on a
//! machine that has other work, and alone with everything warm.

use std::io::{self, Error};

use super::duel::Duel;
use crate::{
    args::Args,
    load::Fleet,
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

/// Callbacks that are asked for before the first is answered.
const WINDOW: u64 = 8;
/// Payments in one turn.
const TURN: usize = 200;
/// Payments before those that count, where a server has the machine to itself; and those that do.
const WARM_UP: usize = 400;
const ALONE: usize = 1_600;
/// How many of them are open at the same time.
const TOGETHER: usize = 200;

const LEAN: [Kind; 5] = [Kind::Floor, Kind::Axum, Kind::AxumMakeService, Kind::Body, Kind::Direct];
const PROGRAMS: [Kind; 3] = [Kind::AxumProgram, Kind::BodyProgram, Kind::DirectProgram];

/// In turn with others.
pub(super) fn in_turn(args: &Args) -> io::Result<Outcome> {
    let lean = Measure::new("keyed flow, CPU per flow", "µs");
    let mut outcome = turns(args, lean, &LEAN)?;
    let program = Measure::new("keyed flow in a whole program, CPU per flow", "µs");
    outcome += turns(args, program.over(&[Kind::AxumProgram]), &PROGRAMS)?;
    Ok(outcome)
}

fn turns(args: &Args, cpu: Measure, kinds: &[Kind]) -> io::Result<Outcome> {
    let duel = Duel::start(&args.servers(kinds), 0)?;
    let mut key = 0;
    duel.run(cpu, args.or_quick(60, 8), |_, fleet| {
        flows(fleet, key, TURN)?;
        key += TURN as u64;
        Ok(TURN as u64)
    })
}

/// Each alone, after some that do not count.
pub(super) fn alone(args: &Args) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let lean = Measure::new("keyed flow alone and warm, CPU per flow", "µs");
    let program = Measure::new("keyed flow alone and warm in a whole program, CPU per flow", "µs");
    let pairs = [(lean, &LEAN[..]), (program.over(&[Kind::AxumProgram]), &PROGRAMS[..])];
    for (mut cpu, kinds) in pairs {
        let mut kinds = args.servers(kinds);
        for _ in 0..args.or_quick(7, 3) {
            fastrand::shuffle(&mut kinds);
            for &kind in &kinds {
                let server = Server::start(kind)?;
                let mut fleet = Fleet::new(server.address)?;
                let mut key = 0;
                let mut some = |count: usize| -> io::Result<()> {
                    for _ in 0..count / TOGETHER {
                        flows(&mut fleet, key, TOGETHER)?;
                        key += TOGETHER as u64;
                    }
                    Ok(())
                };
                some(WARM_UP)?;
                let start = server.settled_cpu()?;
                some(ALONE)?;
                let took = server.settled_cpu()? - start;
                cpu.push(kind, took.as_secs_f64() * 1e6 / ALONE as f64);
                outcome.tallies.push((kind, fleet.tally()));
            }
        }
        outcome.measures.push(cpu);
    }
    Ok(outcome)
}

/// Opens `count` streams, completes all of their payments and hangs up.
pub(super) fn flows(fleet: &mut Fleet, first: u64, count: usize) -> io::Result<()> {
    let (events, ends) = (fleet.events + count as u64, fleet.ends + count as u64);
    fleet.connect_with(count, None, |index| {
        format!("/push?pay_record_id={}", first + index as u64)
    })?;
    for key in first..first + count as u64 {
        fleet.call_back(key)?;
        if (key + 1 - first).is_multiple_of(WINDOW) {
            fleet.until_answered()?;
        }
    }
    fleet.until("events", |fleet| fleet.events >= events && fleet.ends >= ends)?;
    fleet.until_answered()?;
    if fleet.events != events || fleet.ends != ends || fleet.refused > 0 {
        return Err(Error::other("a stream had more than one event"));
    }
    fleet.hang_up();
    Ok(())
}
