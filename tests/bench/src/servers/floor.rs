//! The floor: an epoll loop that writes prepared bytes to each socket with one `send`.
//!
//! It speaks as much HTTP as the generator needs, keeps one log with a cursor for each subscriber,
//! and knows no limits, no keep-alive and no goodbye.

mod conn;

use std::{
    collections::{HashMap, VecDeque},
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

use rustix::event::{
    Timespec,
    epoll::{self, CreateFlags, Event, EventData, EventFlags},
};

use self::conn::{Conn, Request};

/// How many frames the log keeps.
const LOG: usize = 2048;
/// The listener among the tokens of connections.
const LISTENER: u64 = u64::MAX;

const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
const DONE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const SENT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\nlook at the listening page";
const MISSING: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

/// The frames that were published, ready for the wire.
struct Log {
    frames: VecDeque<Box<[u8]>>,
    /// The number of the first of them.
    first: u64,
}

impl Log {
    fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    fn append(&mut self, data: &[u8]) {
        let event = [format!("id:{}\ndata:", self.end()).as_bytes(), data, b"\n\n"].concat();
        let size = format!("{:x}\r\n", event.len());
        self.frames.push_back([size.as_bytes(), &event, b"\r\n"].concat().into());
        if self.frames.len() > LOG {
            self.frames.pop_front();
            self.first += 1;
        }
    }
}

struct Floor {
    epoll: OwnedFd,
    listener: TcpListener,
    conns: Vec<Option<Conn>>,
    vacant: Vec<usize>,
    subscribers: Vec<usize>,
    waiting: HashMap<u64, usize>,
    log: Log,
    /// What is read goes through here.
    buffer: Box<[u8]>,
}

pub(super) fn serve(announce: impl FnOnce(SocketAddr) -> io::Result<()>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // The standard library's backlog is too short for a storm.
    rustix::net::listen(&listener, 4096)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut floor = Floor {
        epoll,
        listener,
        conns: Vec::with_capacity(16 * 1024),
        vacant: Vec::new(),
        subscribers: Vec::new(),
        waiting: HashMap::new(),
        log: Log { frames: VecDeque::new(), first: 1 },
        buffer: vec![0; 64 * 1024].into(),
    };
    let nothing = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
    let mut events = vec![nothing; 256];
    loop {
        let ready = epoll::wait(&floor.epoll, &mut events[..], None::<&Timespec>)?;
        for event in &events[..ready] {
            let (token, flags) = (event.data.u64(), event.flags);
            if token == LISTENER {
                floor.accept()?;
            } else if let Ok(index) = usize::try_from(token) {
                floor.look(index, flags);
            }
        }
    }
}

impl Floor {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.vacant.pop().unwrap_or(self.conns.len());
            epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            if index == self.conns.len() {
                self.conns.push(None);
            }
            self.conns[index] = Some(Conn::new(stream));
        }
    }

    fn look(&mut self, index: usize, flags: EventFlags) {
        let Some(conn) = self.conns.get_mut(index).and_then(Option::as_mut) else { return };
        if flags.contains(EventFlags::OUT) {
            conn.catch_up(&self.log, &self.epoll, index);
        }
        if flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP) {
            if conn.read(&mut self.buffer).is_err() {
                self.remove(index);
                return;
            }
            while let Some(conn) = self.conns.get_mut(index).and_then(Option::as_mut)
                && let Some(request) = conn.request()
            {
                if self.answer(index, request).is_err() {
                    self.remove(index);
                }
            }
        }
    }

    fn answer(&mut self, index: usize, request: Request) -> io::Result<()> {
        match request {
            Request::Events { last } => {
                let end = self.log.end();
                let Some(Some(conn)) = self.conns.get_mut(index) else { return Ok(()) };
                conn.subscribe(last.map_or(end, |last| last + 1), self.subscribers.len());
                self.subscribers.push(index);
                conn.write(STREAM)?;
                conn.catch_up(&self.log, &self.epoll, index);
                Ok(())
            }
            Request::Publish(data) => {
                self.log.append(&data);
                for &index in &self.subscribers {
                    if let Some(conn) = &mut self.conns[index] {
                        conn.deliver(&self.log, &self.epoll, index);
                    }
                }
                self.write(index, DONE)
            }
            Request::Push(key) => {
                self.waiting.insert(key, index);
                self.write(index, STREAM)
            }
            Request::PayCallback(key) => match self.waiting.remove(&key) {
                Some(stream) => {
                    let event = format!("id:{key}\ndata:支付成功\n\n");
                    let last = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
                    self.write(stream, last.as_bytes())?;
                    self.write(index, SENT)
                }
                None => self.write(index, MISSING),
            },
        }
    }

    fn write(&mut self, index: usize, bytes: &[u8]) -> io::Result<()> {
        match self.conns.get_mut(index) {
            Some(Some(conn)) => conn.write(bytes),
            _ => Ok(()),
        }
    }

    fn remove(&mut self, index: usize) {
        // Closing the socket takes it out of the epoll set.
        let Some(conn) = self.conns.get_mut(index).and_then(Option::take) else { return };
        self.vacant.push(index);
        if let Some(place) = conn.place() {
            self.subscribers.swap_remove(place);
            if let Some(&moved) = self.subscribers.get(place)
                && let Some(moved) = &mut self.conns[moved]
            {
                moved.move_to(place);
            }
        }
    }
}
