//! One client over all its connections: what it has got, and what it must have got by then.

use std::{
    fmt::Write as _,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use sse_tower_core::{
    EventId, EventStream, LastEventId,
    backplane::{Epoch, Position},
};

use super::truth::{Event, Truth};

/// Up to where a client has everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    /// It comes for the first time, when the store stood here: what comes after that it must get, and whatever it gets
    /// first, nothing may be missing after it.
    Come(Epoch, Position),
    /// Everything up to here.
    UpTo(Epoch, Position),
}

pub(crate) struct Client {
    pub(crate) name: usize,
    pub(crate) keys: Vec<u8>,
    has: Has,
    last_id: Option<EventId>,
    /// A gap of unknown size was told when the store stood here: what came before may be missing.
    gap: Option<(Epoch, Position)>,
    /// And so many others.
    told: usize,
    /// Its node's feed loses something without a word: what is missing may be told later.
    is_lossy: bool,
    /// What it has yet to be told of.
    owed: Vec<(Position, Event)>,
    /// A reset was told, so that the next event may stand anywhere behind the moment at which it was read.
    reset: bool,
    stream: Option<EventStream>,
    pub(crate) node: usize,
    /// Everything it read.
    pub(crate) read: String,
    pub(crate) gaps: usize,
}

impl Client {
    pub(crate) fn new(name: usize, keys: Vec<u8>, (epoch, position): (Epoch, Position)) -> Self {
        Self {
            name,
            keys,
            has: Has::Come(epoch, position),
            last_id: None,
            gap: None,
            told: 0,
            is_lossy: false,
            owed: Vec::new(),
            reset: false,
            stream: None,
            node: 0,
            read: String::new(),
            gaps: 0,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    pub(crate) fn last(&self) -> LastEventId {
        self.last_id.clone().map_or_else(LastEventId::default, LastEventId::from)
    }

    /// It has a stream now; the store stood at `head` when it dialled.
    pub(crate) fn connected(
        &mut self,
        node: usize,
        stream: EventStream,
        head: (Epoch, Position),
        is_lossy: bool,
    ) {
        self.is_lossy = is_lossy;
        if self.last_id.is_none() {
            // It has got nothing that it could go on from.
            self.has = Has::Come(head.0, head.1);
        }
        (self.node, self.stream) = (node, Some(stream));
    }

    /// The feed of its node has begun to lose something.
    pub(crate) fn may_lose(&mut self) {
        self.is_lossy = true;
    }

    pub(crate) fn hang_up(&mut self) {
        // Whoever leaves before his node has noticed is not told.
        self.stream = None;
        self.owed.clear();
    }

    /// Reads what is there, and checks it.
    pub(crate) fn poll(&mut self, truth: &Truth, head: (Epoch, Position)) {
        let Some(mut stream) = self.stream.take() else { return };
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut stream).poll_next(&mut cx) {
                Poll::Ready(Some(bytes)) => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    let _ = write!(self.read, "{text}");
                    for event in text.split("\n\n") {
                        self.take(event, truth, head);
                    }
                }
                Poll::Ready(None) => return,
                Poll::Pending => break,
            }
        }
        self.stream = Some(stream);
    }

    fn take(&mut self, event: &str, truth: &Truth, head: (Epoch, Position)) {
        let field =
            |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        match field("event") {
            Some("stream-gap") => {
                self.gaps += 1;
                // What it is told of first it has to come back from.
                let before = field("id").map(parse);
                let missed = field("data").and_then(|data| data.rsplit_once(':')).unwrap().1;
                match missed.trim_end_matches('}').parse::<usize>() {
                    Ok(missed) => {
                        let owed = self.owed.len().min(missed);
                        self.owed.drain(..owed);
                        self.told += missed - owed;
                    }
                    Err(_) => {
                        self.owed.clear();
                        let of = field("id").map_or(head.0, |id| parse(id).0);
                        // Of an epoch that is over nothing more comes.
                        let until = if of == head.0 { head.1 } else { Position::new(u64::MAX) };
                        self.gap = Some((of, until));
                    }
                }
                if let Some((epoch, position)) = before {
                    self.goes_on_from(epoch, position, truth);
                }
                return;
            }
            Some("stream-reset") => {
                self.last_id = field("id").map(|id| EventId::try_from(id).unwrap());
                (self.reset, self.told) = (true, 0);
                self.owed.clear();
                self.has = Has::Come(head.0, head.1);
                return;
            }
            Some(_) => return,
            None => {}
        }
        let (Some(data), Some(id)) = (field("data"), field("id")) else { return };
        let (epoch, position) = parse(id);
        let who = self.name;
        let known = truth.at(epoch, position);
        let known =
            known.unwrap_or_else(|| panic!("{who} got {data} at {id}, which was not stored"));
        assert_eq!(known.text, data, "{who} got another event at {id}");
        let theirs = known.key.is_none_or(|key| self.keys.contains(&key));
        assert!(theirs, "{who} got {data} of {:?}", known.key);
        match self.has {
            Has::UpTo(of, has) if of == epoch => {
                assert!(position > has, "{who} got {data} at {id} after {has}");
                let missing = self.missing(truth, epoch, has, position);
                let read = &self.read[self.read.len().saturating_sub(500)..];
                assert!(missing.is_empty(), "{who} missed {missing:?} before {id}, after {read}");
            }
            Has::UpTo(of, _) => panic!("{who} went from {of} to {id} without a reset"),
            Has::Come(of, came) => {
                let missing = self.missing(truth, epoch, came, position);
                let excused = self.reset || of != epoch;
                let read = &self.read[self.read.len().saturating_sub(500)..];
                let fine = missing.is_empty() || excused;
                assert!(fine, "{who} missed {missing:?} before {id}, after {read}");
                if let Some((last_of, last)) = self.last_id.as_ref().map(|id| parse(id.as_str())) {
                    let rises = last_of != epoch || position > last || self.reset;
                    assert!(rises, "{who} got {data} at {id} after {last}");
                }
            }
        }
        // Of the history it gets the newest of each key, which is not everything; also from a node that has not heard of
        // the epoch by now.
        let is_history = match self.has {
            Has::Come(of, came) if of == epoch => position <= came,
            Has::Come(of, _) => truth.is_older(epoch, of),
            Has::UpTo(..) => false,
        };
        if !is_history {
            self.has = Has::UpTo(epoch, position);
        }
        self.reset = false;
        self.last_id = Some(EventId::try_from(id).unwrap());
    }

    /// It holds an id without having got an event there: everything up to it was there, or it was told.
    fn goes_on_from(&mut self, epoch: Epoch, position: Position, truth: &Truth) {
        if let Has::UpTo(of, has) = self.has
            && of == epoch
            && position > has
        {
            let behind = Position::new(position.get() + 1);
            let missing = self.missing(truth, epoch, has, behind);
            let (who, read) = (self.name, &self.read[self.read.len().saturating_sub(500)..]);
            assert!(missing.is_empty(), "{who} missed {missing:?} up to {position}, after {read}");
            self.has = Has::UpTo(epoch, position);
        }
        let id = format!("1.{:x}.{}", epoch.get(), position.get());
        self.last_id = Some(EventId::try_from(id).unwrap());
    }

    /// What it has not got between these, and was not told of before.
    fn missing(
        &mut self,
        truth: &Truth,
        epoch: Epoch,
        from: Position,
        to: Position,
    ) -> Vec<(Position, Event)> {
        let mut missing = truth.between(epoch, &self.keys, from, to);
        let told = self.gap.filter(|(of, _)| *of == epoch).map(|(_, until)| until);
        missing.retain(|(position, _)| told.is_none_or(|until| *position > until));
        if let Some(left) = self.told.checked_sub(missing.len()) {
            self.told = left;
            missing.clear();
        }
        if self.is_lossy {
            // Some of it was told before, be it less than all.
            let told = self.told.min(missing.len());
            self.told -= told;
            missing.drain(..told);
            self.owed.append(&mut missing);
        }
        missing
    }

    /// Everything is well again and has settled: it must have all that there is.
    pub(crate) fn check_end(&mut self, truth: &Truth, head: (Epoch, Position)) {
        let (epoch, from) = match self.has {
            Has::UpTo(epoch, has) => (epoch, has),
            Has::Come(epoch, came) => (epoch, came),
        };
        let who = self.name;
        // It was there for longer than a node needs to find what its feed has lost.
        self.is_lossy = false;
        // Of what the store has lost as well nobody can know.
        self.owed.retain(|(_, event)| !truth.has_lost(&event.text));
        let owed = &self.owed;
        assert!(owed.is_empty(), "{who} was not told of {owed:?}, after {}", self.read);
        if epoch != head.0 {
            // The store lost its past after the last event: nothing may have come since.
            let since = truth.between(head.0, &self.keys, Position::ZERO, Position::new(u64::MAX));
            assert!(since.is_empty() || self.reset, "{who} never heard of {:?}", head.0);
            return;
        }
        let missing = self.missing(truth, epoch, from, Position::new(u64::MAX));
        let last = &self.read[self.read.len().saturating_sub(200)..];
        let there = self.is_connected();
        assert!(missing.is_empty(), "{who} ({there}) missed {missing:?} at the end, after {last}");
    }
}

fn parse(id: &str) -> (Epoch, Position) {
    let mut parts = id.split('.').skip(1);
    let epoch = u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
    (Epoch::new(epoch), Position::new(parts.next().unwrap().parse().unwrap()))
}
