//! All clients of one server.

use std::{
    io::{self, Error, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use rustix::event::{
    Timespec,
    epoll::{self, CreateFlags, Event, EventData, EventFlags},
};

use super::{
    client::{Client, DIGITS, dial},
    ledger::Tally,
};

/// The publisher among the tokens of clients.
const PUBLISHER: u64 = u64::MAX;
/// How many connections are opened before the server is given time to answer: fewer than any listener here lets wait. One
/// that comes when the queue is full is asked for again after a second.
pub(crate) const BATCH: usize = 100;
/// How long anything may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// After how long without a request the publisher dials anew.
const IDLE: Duration = Duration::from_secs(4);
/// How long the generator sleeps between looks at the sockets.
const TICK: Duration = Duration::from_micros(300);

pub(crate) struct Fleet {
    /// Where clients connect.
    server: SocketAddr,
    /// What requests for streams have more than they need.
    headers: &'static str,
    /// Where events are published: the same, or another node's.
    publishes_at: SocketAddr,
    epoll: OwnedFd,
    clients: Vec<Option<Client>>,
    publisher: TcpStream,
    /// When something was last asked of the publisher's connection.
    spoke: Instant,
    buffer: Vec<u8>,
    ready: Vec<Event>,
    /// The number of the next event.
    next: u64,
    /// What clients that are gone have seen.
    past: Tally,
    pub(crate) heads: u64,
    pub(crate) refused: u64,
    pub(crate) events: u64,
    pub(crate) ends: u64,
    asked: u64,
    answers: u64,
}

impl Fleet {
    pub(crate) fn new(server: SocketAddr) -> io::Result<Self> {
        Self::across(server, server)
    }

    /// Publishes at one address, and has its clients at another.
    pub(crate) fn across(publishes_at: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let publisher = dial(publishes_at, 0, None)?;
        epoll::add(&epoll, &publisher, EventData::new_u64(PUBLISHER), EventFlags::IN)?;
        let nothing = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        Ok(Self {
            server,
            headers: "",
            publishes_at,
            epoll,
            clients: Vec::new(),
            publisher,
            spoke: Instant::now(),
            buffer: vec![0; 64 * 1024],
            ready: vec![nothing; 512],
            next: 1,
            past: Tally::default(),
            heads: 0,
            refused: 0,
            events: 0,
            ends: 0,
            asked: 0,
            answers: 0,
        })
    }

    /// Says that it wants a stream, as browsers do and some servers insist on.
    pub(crate) fn accepting_streams(self) -> Self {
        Self { headers: "accept: text/event-stream\r\n", ..self }
    }

    /// Opens `count` streams of everything that is published, and waits until they are open.
    pub(crate) fn connect(&mut self, count: usize) -> io::Result<()> {
        self.connect_with(count, None, |_| "/events".to_owned())
    }

    /// Opens `count` streams, with a receive buffer of this size in the kernel.
    pub(crate) fn connect_with(
        &mut self,
        count: usize,
        receive_buffer: Option<usize>,
        target: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        self.open_streams(count, receive_buffer, self.next, target)
    }

    /// Opens `count` streams that must get the event that was published last.
    pub(crate) fn connect_behind(
        &mut self,
        count: usize,
        target: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        self.open_streams(count, None, self.next - 1, target)
    }

    fn open_streams(
        &mut self,
        count: usize,
        receive_buffer: Option<usize>,
        next: u64,
        target: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        let first = self.clients.len();
        for index in first..first + count {
            let stream = dial(self.server, index, receive_buffer)?;
            let mut client = Client::new(stream, next);
            client.ask(&target(index - first), self.headers)?;
            self.watch(index, &client)?;
            self.clients.push(Some(client));
            if (index + 1 - first).is_multiple_of(BATCH) {
                self.until_heads((index + 1) as u64)?;
            }
        }
        self.until_heads((first + count) as u64)
    }

    fn until_heads(&mut self, open: u64) -> io::Result<()> {
        // Every client that there ever was has had one head, also when it came back.
        self.until("heads", |fleet| fleet.heads >= open)
    }

    fn watch(&self, index: usize, client: &Client) -> io::Result<()> {
        let data = EventData::new_u64(index as u64);
        match &client.stream {
            Some(stream) => Ok(epoll::add(&self.epoll, stream, data, EventFlags::IN)?),
            None => Ok(()),
        }
    }

    /// Sends a publish of `size` bytes of data, without waiting for the answer.
    pub(crate) fn publish(&mut self, size: usize) -> io::Result<()> {
        self.publish_to("/publish", size)
    }

    /// The same, at another path of the server's.
    pub(crate) fn publish_to(&mut self, target: &str, size: usize) -> io::Result<()> {
        let data = format!("{:0DIGITS$}{:x<width$}", self.next, "", width = size - DIGITS);
        self.next += 1;
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {size}\r\n\r\n"
        );
        self.send([head.as_bytes(), data.as_bytes()].concat())
    }

    /// Sends the callback of a payment, without waiting for the answer.
    pub(crate) fn call_back(&mut self, key: u64) -> io::Result<()> {
        let head =
            format!("GET /pay-callback?pay_record_id={key} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.send(head.into_bytes())
    }

    fn send(&mut self, request: Vec<u8>) -> io::Result<()> {
        // A server may close a connection that nothing comes on; while others have their turn,
        // that can be long.
        if self.answers == self.asked && self.spoke.elapsed() > IDLE {
            self.publisher = dial(self.publishes_at, 0, None)?;
            let data = EventData::new_u64(PUBLISHER);
            epoll::add(&self.epoll, &self.publisher, data, EventFlags::IN)?;
        }
        self.spoke = Instant::now();
        self.asked += 1;
        let mut rest = &request[..];
        while !rest.is_empty() {
            match self.publisher.write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(TICK),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How long a publish takes to be answered; what the clients got is read afterwards.
    pub(crate) fn time_publish(&mut self, size: usize) -> io::Result<Duration> {
        let began = Instant::now();
        self.publish(size)?;
        self.until_answered()?;
        Ok(began.elapsed())
    }

    /// Publishes one event, and waits until every client and the publisher have heard of it.
    pub(crate) fn publish_and_wait(&mut self, size: usize) -> io::Result<()> {
        let events = self.events + self.open() as u64;
        self.publish(size)?;
        self.until("events", |fleet| fleet.events >= events)?;
        self.until_answered()
    }

    /// Waits until every request was answered. What the clients get is read afterwards.
    pub(crate) fn until_answered(&mut self) -> io::Result<()> {
        self.until_unanswered(0)
    }

    /// Waits until at most this many requests are without an answer.
    pub(crate) fn until_unanswered(&mut self, count: u64) -> io::Result<()> {
        self.publisher.set_nonblocking(false)?;
        self.publisher.set_read_timeout(Some(PATIENCE))?;
        while self.answers + count < self.asked {
            self.hear()?;
        }
        self.publisher.set_nonblocking(true)
    }

    fn hear(&mut self) -> io::Result<()> {
        match self.publisher.read(&mut self.buffer)? {
            0 if self.answers == self.asked => {
                self.spoke -= IDLE;
                Ok(epoll::delete(&self.epoll, &self.publisher)?)
            }
            0 => Err(Error::other("the server closed the publisher's connection")),
            length => {
                self.answers += answers(&self.buffer[..length]);
                Ok(())
            }
        }
    }

    /// Reads until `done`.
    pub(crate) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            if Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    format!(
                        "{what} did not come from {}: {} heads, {} events, {} ends, {} answers",
                        self.server, self.heads, self.events, self.ends, self.answers
                    ),
                ));
            }
            self.pump()?;
        }
        Ok(())
    }

    /// Reads until nothing has come for this long.
    pub(crate) fn until_quiet(&mut self, time: Duration) -> io::Result<()> {
        let mut came = (self.events, self.heads, Instant::now());
        while came.2.elapsed() < time {
            self.pump()?;
            if (self.events, self.heads) != (came.0, came.1) {
                came = (self.events, self.heads, Instant::now());
            }
        }
        Ok(())
    }

    /// Waits a little, then reads what there is.
    ///
    /// Never sleeps on the sockets: a server that wakes somebody with each event pays for that, the
    /// more the less it has to do itself, and in a virtual machine it pays dearly.
    pub(crate) fn pump(&mut self) -> io::Result<()> {
        thread::sleep(TICK);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            let count = epoll::wait(&self.epoll, &mut self.ready[..], Some(&now))?;
            self.read_ready(count)?;
            if count < self.ready.len() {
                return Ok(());
            }
        }
    }

    fn read_ready(&mut self, count: usize) -> io::Result<()> {
        for ready in 0..count {
            let token = self.ready[ready].data.u64();
            if token == PUBLISHER {
                self.hear()?;
                continue;
            }
            let Some(slot) = usize::try_from(token).ok().and_then(|at| self.clients.get_mut(at))
            else {
                continue;
            };
            let Some(client) = slot else { continue };
            let brought = client.read(&mut self.buffer);
            self.heads += brought.heads;
            self.refused += brought.refused;
            self.events += brought.events;
            self.ends += brought.ends;
            if brought.closed
                && let Some(gone) = slot.take()
            {
                // It had everything up to here; what it misses later is not the server's fault.
                self.past += gone.tally(gone.ledger.next());
            }
        }
        Ok(())
    }

    /// How many clients there are.
    pub(crate) fn open(&self) -> usize {
        self.clients.iter().flatten().count()
    }

    /// Takes these clients' ears off the wire.
    pub(crate) fn stop_reading(&self, clients: Range<usize>) -> io::Result<()> {
        let clients = self.clients[clients].iter().flatten();
        for stream in clients.filter_map(|client| client.stream.as_ref()) {
            epoll::delete(&self.epoll, stream)?;
        }
        Ok(())
    }

    pub(crate) fn read_again(&self, clients: Range<usize>) -> io::Result<()> {
        for index in clients {
            if let Some(client) = &self.clients[index] {
                self.watch(index, client)?;
            }
        }
        Ok(())
    }

    /// Cuts every connection, with a reset.
    pub(crate) fn cut(&mut self) {
        for client in self.clients.iter_mut().flatten() {
            client.stream = None;
        }
    }

    /// Dials again with the id of the last event that each has got.
    pub(crate) fn dial_again(
        &mut self,
        clients: Range<usize>,
        target: impl Fn(usize) -> String,
    ) -> io::Result<()> {
        for index in clients {
            let stream = dial(self.server, index, None)?;
            if let Some(client) = &mut self.clients[index] {
                client.stream = Some(stream);
                client.ask(&target(index), self.headers)?;
            }
            if let Some(client) = &self.clients[index] {
                self.watch(index, client)?;
            }
        }
        Ok(())
    }

    /// Where clients dial from now on.
    pub(crate) fn move_to(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// The id of the last event of the first client.
    pub(crate) fn first_id(&self) -> String {
        let first = self.clients.first().and_then(Option::as_ref);
        first.map_or_else(String::new, |client| {
            String::from_utf8_lossy(&client.last_id).into_owned()
        })
    }

    /// Forgets all clients, closing what is open.
    pub(crate) fn hang_up(&mut self) {
        self.past = self.tally();
        self.clients.clear();
        self.heads = 0;
    }

    /// Have all clients got what was published last?
    pub(crate) fn is_level(&self) -> bool {
        self.clients.iter().flatten().all(|client| client.ledger.next() == self.next)
    }

    /// What went wrong up to now.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = self.past;
        for client in self.clients.iter().flatten() {
            tally += client.tally(self.next);
        }
        tally
    }
}

/// How many answers begin in this piece; answers are small and come whole.
fn answers(bytes: &[u8]) -> u64 {
    memchr::memmem::find_iter(bytes, b"HTTP/1.1 2").count() as u64
}
