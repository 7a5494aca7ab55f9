//! The node of 2,000 clients dies, and all dial a fresh one that knows none of their keys, while events are sent: what it
//! costs, what is lost or doubled, and how often the fresh node asks its store for a key.

use std::io;

use super::{DATA, stores::Store};
use crate::{
    args::Args,
    load::{BATCH, Fleet},
    report::{Measure, Outcome},
    servers::KEYS,
};

/// Events for each key that everybody misses.
const MISSED: usize = 5;
/// After so many batches of clients that are back there is one more for each key.
const EVERY: usize = 4;

type Open = fn() -> io::Result<Store>;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let clients = args.or_quick(2_000, 1_000);
    let mut outcome = Outcome::default();
    let mut cpu = Measure::new("move to a fresh node, CPU per client", "µs").over(&[]);
    let mut wrong = Measure::new("lost or doubled in the move", "").over(&[]);
    let mut loads = Measure::new("loads of one key in the move, at most", "").over(&[]);
    let stores: [Open; 2] = [|| Ok(Store::Memory), Store::redis];
    for _ in 0..args.or_quick(3, 1) {
        for open in stores {
            let pair = match open() {
                Ok(store) => store.pair()?,
                Err(error) => {
                    outcome.missing.push(format!("move to a fresh node: {error}"));
                    continue;
                }
            };
            let kind = pair.server.kind;
            let mut fleet = Fleet::new(pair.first)?;
            fleet.connect_with(clients, None, target)?;
            one_for_each(&mut fleet)?;
            fleet.until("events", Fleet::is_level)?;
            fleet.cut();
            for _ in 0..MISSED {
                one_for_each(&mut fleet)?;
            }
            let before = pair.server.settled_cpu()?;
            fleet.move_to(pair.second);
            for (batch, start) in (0..clients).step_by(BATCH).enumerate() {
                fleet.dial_again(start..clients.min(start + BATCH), target)?;
                if batch.is_multiple_of(EVERY) {
                    one_for_each(&mut fleet)?;
                } else {
                    fleet.pump()?;
                }
            }
            fleet.until("events", Fleet::is_level)?;
            let took = pair.server.settled_cpu()? - before;
            cpu.push(kind, took.as_secs_f64() * 1e6 / clients as f64);
            let tally = fleet.tally();
            wrong.push(kind, tally.faults() as f64);
            loads.push(kind, pair.loads()?);
            outcome.tallies.push((kind, tally));
        }
    }
    outcome.measures.extend([cpu, wrong, loads]);
    Ok(outcome)
}

fn target(client: usize) -> String {
    format!("/order?pay_record_id={}", client as u64 % KEYS)
}

fn one_for_each(fleet: &mut Fleet) -> io::Result<()> {
    fleet.publish_to("/each", DATA)?;
    fleet.until_answered()?;
    fleet.pump()
}
