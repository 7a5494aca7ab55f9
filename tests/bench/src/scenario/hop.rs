//! From the send to the first byte at one client, one event at a time; on two nodes the way from the one to the other is
//! in it.

use std::{
    io::{self, Error, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::stores::{Pair, Store};
use crate::{
    args::Args,
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

/// How long an event may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events in one turn.
const TURN: usize = 200;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let over = &[Kind::Direct];
    let mut middle = Measure::new("send to byte at one client, p50", "µs").over(over);
    let mut slow = Measure::new("send to byte at one client, p99", "µs").over(over);
    let mut outcome = Outcome::default();
    let direct = Server::start(Kind::Direct)?;
    let mut ways = vec![(Kind::Direct, Way::open(direct.address, direct.address)?)];
    let mut pairs: Vec<Pair> = vec![Store::Memory.pair()?];
    match Store::redis() {
        Ok(store) => pairs.push(store.pair()?),
        Err(error) => outcome.missing.push(format!("send to byte over Redis: {error}")),
    }
    for pair in &pairs {
        ways.push((pair.server.kind, Way::open(pair.first, pair.second)?));
    }
    // The first round warms up.
    for round in 0..=args.or_quick(15, 4) {
        fastrand::shuffle(&mut ways);
        for (kind, way) in &mut ways {
            let mut times = (0..TURN).map(|_| way.time_one()).collect::<io::Result<Vec<_>>>()?;
            times.sort_unstable();
            if round > 0 {
                middle.push(*kind, times[TURN / 2].as_secs_f64() * 1e6);
                slow.push(*kind, times[TURN * 99 / 100].as_secs_f64() * 1e6);
            }
        }
    }
    outcome.measures.extend([middle, slow]);
    Ok(outcome)
}

/// A client and a publisher, both of which wait in their reads.
struct Way {
    client: TcpStream,
    publisher: TcpStream,
    buffer: [u8; 4096],
}

impl Way {
    fn open(publishes_at: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let dial = |address| -> io::Result<TcpStream> {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let (client, publisher) = (dial(server)?, dial(publishes_at)?);
        let mut way = Self { client, publisher, buffer: [0; 4096] };
        way.client.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        read_until(&mut way.client, &mut way.buffer, b"\r\n\r\n")?;
        Ok(way)
    }

    fn time_one(&mut self) -> io::Result<Duration> {
        const PUBLISH: &[u8] =
            b"POST /publish HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n\
            content-length: 4\r\n\r\npaid";
        let began = Instant::now();
        self.publisher.write_all(PUBLISH)?;
        read_until(&mut self.client, &mut self.buffer, b"data:paid")?;
        let took = began.elapsed();
        read_until(&mut self.publisher, &mut self.buffer, b"\r\n\r\n")?;
        Ok(took)
    }
}

/// Reads until this has come; it comes in one piece, as short as it is.
fn read_until(stream: &mut TcpStream, buffer: &mut [u8], what: &[u8]) -> io::Result<()> {
    loop {
        match stream.read(buffer)? {
            0 => return Err(Error::other("the server closed a connection")),
            length if memchr::memmem::find(&buffer[..length], what).is_some() => return Ok(()),
            _ => {}
        }
    }
}
