//! A payment: a stream is opened, the callback comes, one event is written, the stream ends.

use std::io::{self, Error};

use super::duel::Duel;
use crate::{args::Args, report::Outcome, servers::Kind};

/// Callbacks that are asked for before the first is answered.
const WINDOW: u64 = 8;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    const FLOWS: usize = 400;
    let kinds = args.servers(&[Kind::Floor, Kind::Axum, Kind::AxumMakeService, Kind::Body]);
    let duel = Duel::start(&kinds, 0)?;
    let mut key = 0;
    let name = "keyed flow, CPU per flow";
    duel.run(name, "µs", args.or_quick(60, 8), |kind, fleet| {
        let first = key;
        key += FLOWS as u64;
        let (events, ends) = (fleet.events + FLOWS as u64, fleet.ends + FLOWS as u64);
        fleet.connect_with(FLOWS, None, |index| {
            format!("/push?pay_record_id={}", first + index as u64)
        })?;
        for key in first..key {
            fleet.call_back(key)?;
            if (key + 1 - first).is_multiple_of(WINDOW) {
                fleet.until_answered()?;
            }
        }
        fleet.until("events", |fleet| fleet.events >= events && fleet.ends >= ends)?;
        if fleet.events != events || fleet.ends != ends || fleet.refused > 0 {
            return Err(Error::other(format!("`{}` sent more than one event", kind.name())));
        }
        fleet.hang_up();
        Ok(FLOWS as u64)
    })
}
