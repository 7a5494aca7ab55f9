//! One client.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{
    ledger::{Ledger, Tally},
    wire::{Item, Wire},
};

/// How many connections one source address makes before the next address is taken.
const PER_ADDRESS: usize = 5_000;

/// Digits at the start of the data of each event.
pub(super) const DIGITS: usize = 10;

/// The data of the event that ends a payment.
const PAID: &str = "支付成功";

pub(super) struct Client {
    /// `None` while it is away.
    pub(super) stream: Option<TcpStream>,
    wire: Wire,
    pub(super) ledger: Ledger,
    /// The newest event's id.
    pub(super) last_id: Vec<u8>,
}

/// What one read brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brought {
    pub(super) heads: u64,
    pub(super) refused: u64,
    pub(super) events: u64,
    pub(super) ends: u64,
    /// The server closed the connection.
    pub(super) closed: bool,
}

/// Opens a connection whose end leaves nothing behind in the kernel.
pub(super) fn dial(
    server: SocketAddr,
    index: usize,
    receive_buffer: Option<usize>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    if let Some(size) = receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    // A reset instead of minutes in TIME_WAIT: ports are few.
    socket.set_linger(Some(Duration::ZERO))?;
    let last = u8::try_from(1 + index / PER_ADDRESS).unwrap_or(1);
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect(&server.into())?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

impl Client {
    pub(super) fn new(stream: TcpStream, next: u64) -> Self {
        Self {
            stream: Some(stream),
            wire: Wire::default(),
            ledger: Ledger::new(next),
            last_id: Vec::new(),
        }
    }

    /// Asks for a stream, with `headers` as they are written.
    pub(super) fn ask(&mut self, target: &str, headers: &str) -> io::Result<()> {
        let mut request =
            format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{headers}").into_bytes();
        if !self.last_id.is_empty() {
            request.extend_from_slice(b"last-event-id: ");
            request.extend_from_slice(&self.last_id);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        self.wire = Wire::default();
        self.stream.as_mut().map_or(Ok(()), |stream| stream.write_all(&request))
    }

    /// Reads once.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Brought {
        let mut brought = Brought::default();
        let Some(stream) = &mut self.stream else { return brought };
        let length = match stream.read(buffer) {
            Ok(0) => return Brought { closed: true, ..brought },
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return brought,
            Err(_) => return Brought { closed: true, ..brought },
        };
        let Self { wire, ledger, last_id, .. } = self;
        wire.read(&buffer[..length], |item| match item {
            Item::Head(status) => {
                brought.heads += 1;
                brought.refused += u64::from(!(200..300).contains(&status));
            }
            Item::End => brought.ends += 1,
            Item::Line(line) => brought.events += u64::from(note(line, ledger, last_id)),
        });
        brought
    }

    pub(super) fn tally(&self, end: u64) -> Tally {
        self.ledger.close(end)
    }
}

/// Takes note of one line; is it an event's data?
pub(super) fn note(line: &[u8], ledger: &mut Ledger, last_id: &mut Vec<u8>) -> bool {
    if let Some(data) = line.strip_prefix(b"data:") {
        let data = data.strip_prefix(b" ").unwrap_or(data);
        match number(data) {
            Some(number) => ledger.event(number),
            None if data == PAID.as_bytes() => {}
            // What a server says itself: how many are missing, in JSON.
            None if data.starts_with(b"{") => return false,
            None => ledger.corrupt(),
        }
        return true;
    }
    if let Some(id) = line.strip_prefix(b"id:") {
        last_id.clear();
        last_id.extend_from_slice(id.trim_ascii());
    } else if line == b"event:stream-gap" {
        ledger.gap();
    } else if !(line.is_empty() || line.starts_with(b":") || line.starts_with(b"event:")) {
        ledger.corrupt();
    }
    false
}

fn number(data: &[u8]) -> Option<u64> {
    let digits = data.get(..DIGITS)?;
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}
