//! A payment: a stream is opened, the callback comes, one event is written, the stream ends.

use std::io::{self, Error};

use super::duel::Duel;
use crate::{args::Args, load::Fleet, report::Outcome, servers::Kind};

/// Callbacks that are asked for before the first is answered.
const WINDOW: u64 = 8;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    const FLOWS: usize = 400;
    let kinds =
        args.servers(&[Kind::Floor, Kind::Axum, Kind::AxumMakeService, Kind::Body, Kind::Direct]);
    let duel = Duel::start(&kinds, 0)?;
    let mut key = 0;
    let name = "keyed flow, CPU per flow";
    duel.run(name, "µs", args.or_quick(30, 6), |_, fleet| {
        flows(fleet, key, FLOWS)?;
        key += FLOWS as u64;
        Ok(FLOWS as u64)
    })
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
