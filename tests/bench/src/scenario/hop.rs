//! From the send to the first byte at one client, one event at a time; on two nodes over a store in memory, the way of
//! the event from one node to the other is in it.

use std::{
    io::{self, Error, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    args::Args,
    process::Server,
    report::{Measure, Outcome},
    servers::Kind,
};

/// How long an event may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events before the first that counts.
const WARM_UP: usize = 200;

pub(super) fn run(args: &Args) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut hop = Measure::new("from a publish to the byte at one client", "µs");
    let mut sides = Vec::new();
    for kind in args.servers(&[Kind::Axum, Kind::Body, Kind::Direct, Kind::Nodes]) {
        let server = Server::start(kind)?;
        let way = Way::open(server.address)?;
        sides.push((server, way));
    }
    let rounds = args.or_quick(2_000, 400);
    for round in 0..WARM_UP + rounds {
        for (server, way) in &mut sides {
            let took = way.time_one()?;
            if round >= WARM_UP {
                hop.push(server.kind, took.as_secs_f64() * 1e6);
            }
        }
    }
    outcome.measures.push(hop);
    Ok(outcome)
}

/// A client and a publisher, both of which wait in their reads.
struct Way {
    client: TcpStream,
    publisher: TcpStream,
    buffer: [u8; 4096],
}

impl Way {
    fn open(server: SocketAddr) -> io::Result<Self> {
        let dial = || -> io::Result<TcpStream> {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let mut way = Self { client: dial()?, publisher: dial()?, buffer: [0; 4096] };
        way.client.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let Self { client, buffer, .. } = &mut way;
        read_until(client, buffer, b"\r\n\r\n")?;
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

/// Reads until this was among what came: each of them comes in one piece, or at the end of one.
fn read_until(stream: &mut TcpStream, buffer: &mut [u8], what: &[u8]) -> io::Result<()> {
    let mut read = Vec::new();
    loop {
        let count = stream.read(buffer)?;
        if count == 0 {
            return Err(Error::other("the server hung up"));
        }
        read.extend_from_slice(&buffer[..count]);
        if read.windows(what.len()).any(|window| window == what) {
            return Ok(());
        }
    }
}
