//! Clients that never read, while much is sent: what all of them cost at most, and when the server is rid of them.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::{
    args::Args,
    load::Fleet,
    process::{Server, kernel_memory},
    report::{Measure, Outcome},
    servers::Kind,
};

const DATA: usize = 16 * 1024;
/// A small one, so that what piles up does so at the server.
const RECEIVE_BUFFER: usize = 8 * 1024;
/// One event in this time: whoever reads has no trouble with it.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a server has to be rid of them.
const TIME: Duration = Duration::from_secs(60);

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let clients = args.or_quick(2_000, 200);
    let mut outcome = Outcome::default();
    let mut process = Measure::new("process memory of 2,000 silent clients at most", "MB");
    let mut kernel = Measure::new("kernel memory of 2,000 silent clients at most", "MB");
    let mut gone = Measure::new("silent clients whose connection was over in a minute", "%");
    let mut took = Measure::new("until the last of those was over", "s");
    for kind in args.servers(&[Kind::Axum, Kind::BodyAlone, Kind::Body, Kind::Direct]) {
        let server = Server::start(kind)?;
        let mut fleet = Fleet::new(server.address)?;
        fleet.publish_and_wait(DATA)?;
        let before = (server.memory()?, kernel_memory()?, server.files()?);
        fleet.connect_with(clients, Some(RECEIVE_BUFFER), |_| "/events".to_owned())?;
        fleet.stop_reading(0..clients)?;
        let (began, mut last) = (Instant::now(), Duration::ZERO);
        let (mut most, mut left) = ((0, 0), clients);
        while left > 0 && began.elapsed() < TIME {
            fleet.publish(DATA)?;
            fleet.until_answered()?;
            thread::sleep(PAUSE);
            most = (server.memory()?.max(most.0), kernel_memory()?.max(most.1));
            let open = server.files()?.saturating_sub(before.2);
            if open < left {
                (left, last) = (open, began.elapsed());
            }
        }
        let megabytes = |before: u64, most: u64| most.saturating_sub(before) as f64 / 1e6;
        process.push(kind, megabytes(before.0, most.0));
        kernel.push(kind, megabytes(before.1, most.1));
        gone.push(kind, 100.0 * (clients - left) as f64 / clients as f64);
        took.push(kind, last.as_secs_f64());
    }
    outcome.measures.extend([process, kernel, gone, took]);
    Ok(outcome)
}
