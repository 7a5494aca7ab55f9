//! One connection of the floor.

use std::{
    io::{self, ErrorKind, IoSlice, Read as _, Write as _},
    net::TcpStream,
    os::fd::OwnedFd,
};

use rustix::event::epoll::{self, EventData, EventFlags};

use super::Log;

/// How many waiting frames go into one `writev`.
const SLICES: usize = 64;

pub(super) struct Conn {
    stream: TcpStream,
    inbox: Vec<u8>,
    subscription: Option<Subscription>,
}

struct Subscription {
    /// The number of the next frame.
    next: u64,
    /// How much of it is written.
    written: usize,
    /// Its index among the subscribers.
    place: usize,
    /// The socket is full: the loop says when it is not.
    full: bool,
}

pub(super) enum Request {
    Events { last: Option<u64> },
    Publish(Vec<u8>),
    Push(u64),
    PayCallback(u64),
}

impl Conn {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, inbox: Vec::new(), subscription: None }
    }

    pub(super) fn subscribe(&mut self, next: u64, place: usize) {
        self.subscription = Some(Subscription { next, written: 0, place, full: false });
        self.inbox = Vec::new();
    }

    pub(super) fn place(&self) -> Option<usize> {
        self.subscription.as_ref().map(|subscription| subscription.place)
    }

    pub(super) fn move_to(&mut self, place: usize) {
        if let Some(subscription) = &mut self.subscription {
            subscription.place = place;
        }
    }

    /// Takes in what has come. An error is the end of the connection.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.stream.read(buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.inbox.extend_from_slice(&buffer[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The next whole request.
    pub(super) fn request(&mut self) -> Option<Request> {
        let head = memchr::memmem::find(&self.inbox, b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&self.inbox[..head]).ok()?;
        let header = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(": "));
            let mut values = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
            values.next().and_then(|(_, value)| value.parse::<u64>().ok())
        };
        let length = usize::try_from(header("content-length").unwrap_or(0)).ok()?;
        if self.inbox.len() < head + length {
            return None;
        }
        let target = text.split(' ').nth(1)?;
        let key = target.rsplit_once('=').and_then(|(_, key)| key.parse().ok());
        let request = match target.split('?').next()? {
            "/events" => Request::Events { last: header("last-event-id") },
            "/publish" => Request::Publish(self.inbox[head..head + length].to_vec()),
            "/push" => Request::Push(key?),
            _ => Request::PayCallback(key?),
        };
        self.inbox.drain(..head + length);
        Some(request)
    }

    /// Writes something small at once.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// One frame was added: one `send`, unless this connection is behind.
    pub(super) fn deliver(&mut self, log: &Log, epoll: &OwnedFd, index: usize) {
        if let Some(subscription) = &mut self.subscription
            && subscription.next + 1 == log.end()
            && subscription.written == 0
            && let Some(frame) = log.frames.back()
        {
            match self.stream.write(frame) {
                Ok(length) if length == frame.len() => subscription.next += 1,
                Ok(length) => {
                    subscription.written = length;
                    self.catch_up(log, epoll, index);
                }
                Err(_) => self.catch_up(log, epoll, index),
            }
        } else if self.subscription.as_ref().is_some_and(|subscription| !subscription.full) {
            self.catch_up(log, epoll, index);
        }
    }

    /// Writes everything that waits, as far as the socket takes it.
    pub(super) fn catch_up(&mut self, log: &Log, epoll: &OwnedFd, index: usize) {
        let Some(subscription) = &mut self.subscription else { return };
        if subscription.next < log.first {
            (subscription.next, subscription.written) = (log.first, 0);
        }
        while subscription.next < log.end() {
            let start = (subscription.next - log.first) as usize;
            let mut skip = subscription.written;
            let slices: Vec<_> = log
                .frames
                .range(start..log.frames.len().min(start + SLICES))
                .map(|frame| IoSlice::new(&frame[std::mem::take(&mut skip)..]))
                .collect();
            let Ok(mut length) = self.stream.write_vectored(&slices) else {
                subscription.wait(&self.stream, epoll, index, true);
                return;
            };
            for slice in &slices {
                if length < slice.len() {
                    break;
                }
                length -= slice.len();
                subscription.next += 1;
                subscription.written = 0;
            }
            subscription.written += length;
        }
        subscription.wait(&self.stream, epoll, index, false);
    }
}

impl Subscription {
    fn wait(&mut self, stream: &TcpStream, epoll: &OwnedFd, index: usize, full: bool) {
        if self.full != full {
            self.full = full;
            let flags = if full { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            // A connection that has failed is removed by the loop.
            let _ = epoll::modify(epoll, stream, EventData::new_u64(index as u64), flags);
        }
    }
}
