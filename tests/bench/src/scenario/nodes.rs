//! What a backplane costs: fan-out through it over the same without one, and beside nginx with nchan on the same Redis.

use std::io;

use super::{
    duel::Duel,
    fan_out::{CLIENTS, one_by_one},
    nchan::Nchan,
    stores::Store,
};
use crate::{
    args::Args,
    load::Fleet,
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

/// One node on a store in memory.
pub(super) fn in_memory(args: &Args) -> io::Result<Outcome> {
    let cpu = Measure::new("backplane in memory, fan-out to 1,000, CPU per delivered event", "µs");
    let duel = Duel::start(&args.servers(&[Kind::Direct, Kind::Memory]), CLIENTS)?;
    let cpu = cpu.over(&[Kind::Direct]);
    duel.run(cpu, args.or_quick(60, 12), |_, fleet| one_by_one(fleet))
}

/// Sent in one process, delivered in another, over Redis; what counts is the process that delivers.
pub(super) fn on_redis(args: &Args) -> io::Result<Outcome> {
    let pair = match Store::redis() {
        Ok(store) => store.pair()?,
        Err(error) => return Ok(Outcome::without(format!("fan-out across nodes: {error}"))),
    };
    let mut missing = Vec::new();
    let nchan = match pair.redis().map(Nchan::start) {
        Some(Ok(nchan)) => Some(nchan),
        Some(Err(error)) => {
            missing.push(format!("fan-out through nchan: {error}"));
            None
        }
        None => None,
    };
    let direct = Server::start(Kind::Direct)?;
    let fleet = Fleet::new(direct.address)?;
    let mut sides = vec![(direct, fleet)];
    let (fleet, (server, _pair)) = (Fleet::across(pair.first, pair.second)?, pair.apart());
    sides.push((server, fleet));
    let mut _nchan = None;
    if let Some(Nchan { server, beside }) = nchan {
        let fleet = Fleet::across(beside.address(), server.address)?.accepting_streams();
        sides.push((server, fleet));
        _nchan = Some(beside);
    }
    for (_, fleet) in &mut sides {
        fleet.connect(CLIENTS)?;
    }
    let cpu =
        Measure::new("across nodes over Redis, fan-out to 1,000, CPU per delivered event", "µs");
    let cpu = cpu.over(&[Kind::Direct, Kind::Nchan]);
    let duel = Duel { sides };
    let mut outcome = duel.run(cpu, args.or_quick(60, 12), |_, fleet| one_by_one(fleet))?;
    outcome.missing = missing;
    Ok(outcome)
}
