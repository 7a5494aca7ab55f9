//! Makes things happen, as a seed says.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use futures_core::Stream;
use sse_tower_core::{
    CloseReason, Emitters, EventId, EventStream, History, Lag, LastEventId, MEMORY_AGE, Second,
    SendError, SseEvent,
};
use tokio::{
    task::{AbortHandle, JoinHandle, spawn_local},
    time::{Instant, sleep},
};

use crate::connection::{Before, Connection, Order, Published, Seen, Token};

/// How often something happens.
const STEPS: usize = 120;

#[derive(Debug)]
struct Settings {
    keys: u8,
    history: History,
    history_events: usize,
    history_age: Duration,
    /// Whether `history_events` and `history_age` say all about what is kept.
    is_exact: bool,
    lag: Lag,
    backlog: usize,
    one_per_key: Option<Second>,
    total: Option<usize>,
    timeout: Option<Duration>,
    keep_alive: bool,
    ready: bool,
    /// The longest pause of a client between two reads, in milliseconds.
    slowest: u64,
    pause: u64,
}

impl Settings {
    fn draw(rng: &mut Rng) -> Self {
        let (events, age) =
            (*rng.choice(&[0, 1, 3, 20, 256]).unwrap(), *rng.choice(&[1, 30, 300]).unwrap());
        let age = Duration::from_secs(age);
        let tiny = rng.u8(..5) == 0;
        let total = (rng.u8(..6) == 0).then(|| rng.usize(1..30));
        let mut history = History::events(events).age(age);
        if tiny {
            history = history.bytes(rng.usize(..2000));
        }
        if events == 0 {
            history = History::none();
        }
        Self {
            keys: rng.u8(1..5),
            history,
            history_events: events,
            history_age: age,
            is_exact: !tiny && total.is_none(),
            lag: *rng.choice(&[Lag::Gap, Lag::Gap, Lag::Close, Lag::Latest]).unwrap(),
            backlog: *rng.choice(&[1, 3, 10, 1000]).unwrap(),
            one_per_key: *rng
                .choice(&[None, None, None, Some(Second::Replaces), Some(Second::Refused)])
                .unwrap(),
            total,
            timeout: (rng.u8(..5) == 0).then(|| Duration::from_secs(rng.u64(5..60))),
            keep_alive: rng.bool(),
            ready: rng.bool(),
            slowest: *rng.choice(&[1, 100, 5_000, 60_000]).unwrap(),
            pause: *rng.choice(&[1, 100, 2_000, 60_000]).unwrap(),
        }
    }

    fn emitters(&self) -> Emitters<u8> {
        let mut builder =
            Emitters::builder().history(self.history).lag(self.lag).backlog(self.backlog, 1 << 20);
        if let Some(second) = self.one_per_key {
            builder = builder.one_per_key(second);
        }
        if let Some(total) = self.total {
            builder = builder.total(total, 1 << 20);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        if !self.keep_alive {
            builder = builder.without_keep_alive();
        }
        if self.ready {
            builder = builder.ready_event();
        }
        builder.build()
    }
}

/// Somebody who dials, reads, and dials again.
#[derive(Default)]
struct Client {
    keys: BTreeSet<u8>,
    seen: Seen,
    current: Option<(Rc<RefCell<Connection>>, AbortHandle)>,
    /// Was told never to come back.
    stopped: bool,
    /// How often it dialled keys that are all complete, in vain.
    in_vain: usize,
}

struct World {
    rng: Rng,
    settings: Settings,
    emitters: Emitters<u8>,
    epoch: u64,
    order: Rc<RefCell<Order>>,
    /// The place of the newest event.
    newest: u64,
    completed: BTreeMap<u8, Instant>,
    /// No event up to here is kept, by key.
    forgotten: BTreeMap<u8, u64>,
    clients: Vec<Client>,
    all: Vec<Rc<RefCell<Connection>>>,
    completions: Vec<Arc<Mutex<Vec<CloseReason>>>>,
    readers: Vec<JoinHandle<()>>,
    to_all: bool,
}

pub(crate) async fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let settings = Settings::draw(&mut rng);
    if std::env::var_os("SSE_SEED").is_some() {
        eprintln!("{settings:#?}");
    }
    let mut world = World {
        emitters: settings.emitters(),
        rng,
        settings,
        epoch: 0,
        order: Rc::default(),
        newest: 0,
        completed: BTreeMap::new(),
        forgotten: BTreeMap::new(),
        clients: Vec::new(),
        all: Vec::new(),
        completions: Vec::new(),
        readers: Vec::new(),
        to_all: false,
    };
    for _ in 0..world.rng.usize(1..6) {
        let many = world.rng.u8(..4) == 0;
        let keys = (0..world.settings.keys).filter(|_| world.rng.bool()).collect::<BTreeSet<_>>();
        let one = BTreeSet::from([world.rng.u8(..world.settings.keys)]);
        let keys = if many && !keys.is_empty() { keys } else { one };
        world.clients.push(Client { keys, ..Client::default() });
    }
    for _ in 0..STEPS {
        world.step().await;
    }
    world.finish().await;
}

impl World {
    async fn step(&mut self) {
        self.note_ends();
        match self.rng.u8(..100) {
            0..45 => self.publish().await,
            45..48 => self.publish_to_all().await,
            48..68 => self.dial(),
            68..74 => self.hang_up(),
            74..84 => self.send_own(),
            84..87 => self.complete(),
            87..88 => self.disconnect(),
            88..90 => self.forget(),
            90..91 => self.end_one(),
            91..92 => self.restart().await,
            _ => sleep(Duration::from_millis(self.rng.u64(..=self.settings.pause))).await,
        }
        if self.rng.bool() {
            tokio::task::yield_now().await;
        }
    }

    /// Connections whose time was over, or that were too slow: what is sent from now on is not for them.
    fn note_ends(&self) {
        for connection in &self.all {
            let mut connection = connection.borrow_mut();
            if connection.emitter.is_closed() {
                connection.ending.get_or_insert(self.newest);
            }
        }
    }

    fn key(&mut self) -> u8 {
        self.rng.u8(..self.settings.keys)
    }

    fn event(&mut self, place: u64) -> SseEvent {
        let mut event = SseEvent::builder().data(place.to_string());
        if self.rng.u8(..4) == 0 {
            event = event.name(*self.rng.choice(&["price", "volume"]).unwrap());
        }
        match self.rng.u8(..12) {
            0 | 1 => event = event.id(format!("own-{place}")),
            2 => event = event.id("same"),
            _ => {}
        }
        event.build().unwrap()
    }

    async fn publish(&mut self) {
        let (key, place) = (self.key(), self.newest + 1);
        let event = self.event(place);
        match self.emitters.send(&key, event).await {
            Ok(receipt) => {
                if let Some(since) = self.completed.get(&key) {
                    assert!(since.elapsed() >= MEMORY_AGE, "sent to a complete key");
                    self.completed.remove(&key);
                    // It is another conversation, with an end of its own.
                    self.clients.iter_mut().for_each(|client| client.in_vain = 0);
                }
                let here = self.all.iter().map(|c| c.borrow());
                let here: Vec<_> = here
                    .filter(|c| !c.over && c.epoch == self.epoch && c.keys.contains(&key))
                    .collect();
                let open = here.iter().filter(|c| !c.emitter.is_closed()).count();
                assert!((open..=here.len()).contains(&receipt.receivers), "receivers");
                drop(here);
                self.note(place, BTreeSet::from([key]));
            }
            Err(SendError::Closed { .. }) => assert!(self.completed.contains_key(&key)),
            Err(error) => panic!("{error}"),
        }
    }

    async fn publish_to_all(&mut self) {
        let place = self.newest + 1;
        let keys = 0..self.settings.keys;
        let keys = keys.filter(|key| !self.completed.contains_key(key)).collect();
        let event = self.event(place);
        self.emitters.send_all(event).await.unwrap();
        self.to_all = true;
        self.note(place, keys);
        if let Some(event) = self.order.borrow_mut().get_mut(&place) {
            event.to_all = true;
        }
        for connection in &self.all {
            let mut connection = connection.borrow_mut();
            connection.counts_may_be_high |= connection.keys.len() > 1;
        }
    }

    fn note(&mut self, place: u64, keys: BTreeSet<u8>) {
        self.newest = place;
        let position = Token::read(self.emitters.position().as_str()).unwrap();
        let at = Instant::now();
        self.order.borrow_mut().insert(place, Published { keys, to_all: false, at, position });
    }

    /// What a connection that comes for the first time has to get at once.
    fn history(&self, keys: &BTreeSet<u8>) -> BTreeSet<u64> {
        let order = self.order.borrow();
        let mut kept = BTreeSet::new();
        for key in keys {
            let forgotten = self.forgotten.get(key).copied().unwrap_or(0);
            let of_key = order
                .iter()
                .rev()
                .filter(|(place, event)| event.keys.contains(key) && **place > forgotten);
            let newest = of_key.take(self.settings.history_events);
            kept.extend(
                newest
                    .filter(|(_, event)| event.at.elapsed() < self.settings.history_age)
                    .map(|(place, _)| *place),
            );
        }
        kept
    }

    fn dial(&mut self) {
        let index = self.rng.usize(..self.clients.len());
        let client = &mut self.clients[index];
        if client.stopped || client.current.as_ref().is_some_and(|(c, _)| !c.borrow().over) {
            return;
        }
        Self::remember(client);
        // Sometimes it has lost its memory.
        if self.rng.u8(..8) == 0 {
            (client.seen, client.in_vain) = (Seen::default(), 0);
        }
        let seen = client.seen.clone();
        let keys = client.keys.clone();
        let last = match seen.id.as_str() {
            "" => LastEventId::default(),
            id => EventId::try_from(id).unwrap().into(),
        };
        let others: Vec<_> = self.all.iter().filter(|c| self.is_rival(c, &keys)).cloned().collect();
        let emitter = self.emitters.connect_many(keys.iter().copied(), last);
        if !others.is_empty() {
            match self.settings.one_per_key.unwrap() {
                Second::Replaces => others.iter().for_each(|c| {
                    assert!(c.borrow().emitter.is_closed(), "two at one key");
                    c.borrow_mut().ending.get_or_insert(self.newest);
                }),
                _ => assert!(emitter.is_closed(), "not refused"),
            }
        }
        let of_another_life = Token::read(&seen.id).is_some() && seen.epoch != self.epoch;
        let before = match seen.id.is_empty() || of_another_life {
            true if self.settings.is_exact => Before::These(self.history(&keys)),
            true => Before::Any,
            // Whether an id of the program's is used in another life is the program's to know.
            false if seen.epoch != self.epoch => Before::Any,
            false => {
                let order = self.order.borrow();
                Before::These(order.range(seen.place + 1..).map(|(place, _)| *place).collect())
            }
        };
        let name =
            format!("connection {} of client {index} to {keys:?} after {seen:?}", self.all.len());
        let mut connection = Connection::new(
            name,
            keys.clone(),
            emitter.clone(),
            seen,
            self.epoch,
            self.newest,
            before,
        );
        connection.counts_may_be_high =
            keys.len() > 1 && (self.to_all || !connection.seen.id.starts_with("1."));
        let refused = !others.is_empty() && self.settings.one_per_key == Some(Second::Refused);
        connection.said_goodbye = refused;
        let all_complete = keys.iter().all(|key| self.completed.contains_key(key));
        if all_complete && !refused {
            connection.ending = Some(self.newest);
        }
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&reasons);
        emitter.on_completion(move |reason| told.lock().unwrap().push(reason));
        self.completions.push(reasons);
        let response = emitter.into_http();
        let client = &mut self.clients[index];
        if response.status() == 204 {
            assert!(all_complete, "{}: 204 for keys that are not complete", connection.name);
            connection.check_all(&self.order.borrow(), self.newest);
            client.stopped = true;
            return;
        }
        connection.of_complete_keys = all_complete && !refused;
        let connection = Rc::new(RefCell::new(connection));
        self.all.push(Rc::clone(&connection));
        let slowest = self.rng.u64(1..=self.settings.slowest);
        let reader = read(
            response.into_body(),
            Rc::clone(&connection),
            Rc::clone(&self.order),
            slowest,
            self.rng.fork(),
        );
        let reader = spawn_local(reader);
        self.clients[index].current = Some((connection, reader.abort_handle()));
        self.readers.push(reader);
    }

    /// Has it a place that a newcomer to these keys would take?
    fn is_rival(&self, connection: &Rc<RefCell<Connection>>, keys: &BTreeSet<u8>) -> bool {
        let connection = connection.borrow();
        self.settings.one_per_key.is_some()
            && connection.epoch == self.epoch
            && !connection.over
            && !connection.emitter.is_closed()
            && !connection.keys.is_disjoint(keys)
    }

    /// What a client knows when its connection is gone.
    fn remember(client: &mut Client) {
        if let Some((connection, reader)) = client.current.take() {
            reader.abort();
            let connection = connection.borrow();
            client.seen = connection.seen.clone();
            let in_vain = connection.of_complete_keys && connection.ended && !connection.got_any();
            client.in_vain = if in_vain { client.in_vain + 1 } else { 0 };
            assert!(client.in_vain < 3, "{}: dials complete keys for ever", connection.name);
        }
    }

    fn hang_up(&mut self) {
        let index = self.rng.usize(..self.clients.len());
        Self::remember(&mut self.clients[index]);
    }

    fn pick(&mut self) -> Option<Rc<RefCell<Connection>>> {
        let open: Vec<_> = self.all.iter().filter(|c| !c.borrow().over).collect();
        self.rng.choice(open).cloned()
    }

    fn send_own(&mut self) {
        let Some(connection) = self.pick() else { return };
        let mut connection = connection.borrow_mut();
        let text = format!("{} of {}", connection.own.len(), self.all.len());
        let mut event = SseEvent::builder().data(format!("own {text}"));
        match self.rng.u8(..6) {
            0 => event = event.id(format!("mine-{}-{}", self.newest, self.rng.u32(..))),
            1 => event = event.id("hello"),
            _ => {}
        }
        if connection.emitter.try_send(event).is_ok() {
            connection.own.push((self.newest, text));
        }
    }

    /// Everyone who follows nothing else than keys like this one is told to end now.
    fn end_where(&self, ends: impl Fn(&Connection) -> bool) {
        for connection in &self.all {
            let mut connection = connection.borrow_mut();
            if connection.epoch == self.epoch && !connection.over && ends(&connection) {
                connection.ending.get_or_insert(self.newest);
                assert!(connection.emitter.is_closed(), "{}: goes on", connection.name);
            }
        }
    }

    fn complete(&mut self) {
        let key = self.key();
        self.emitters.complete(&key);
        self.completed.entry(key).or_insert_with(Instant::now);
        let all = |c: &Connection| {
            c.keys.contains(&key) && c.keys.iter().all(|key| self.completed.contains_key(key))
        };
        self.end_where(all);
    }

    fn disconnect(&mut self) {
        let key = self.key();
        self.emitters.disconnect(&key);
        self.end_where(|c| c.keys.contains(&key));
    }

    fn forget(&mut self) {
        let key = self.key();
        self.emitters.forget(&key);
        self.completed.remove(&key);
        self.forgotten.insert(key, self.newest);
        for client in &mut self.clients {
            client.in_vain = 0;
        }
    }

    fn end_one(&mut self) {
        let Some(connection) = self.pick() else { return };
        let mut connection = connection.borrow_mut();
        connection.ending.get_or_insert(self.newest);
        if self.rng.bool() {
            connection.emitter.complete();
        } else {
            connection.emitter.complete_with_error("on purpose");
        }
    }

    /// The server is started again: nothing is known of before.
    async fn restart(&mut self) {
        self.emitters = self.settings.emitters();
        self.end_where(|_| true);
        for client in &mut self.clients {
            if self.rng.bool() {
                Self::remember(client);
            }
            client.in_vain = 0;
        }
        self.epoch += 1;
        self.completed.clear();
        let keys = 0..self.settings.keys;
        self.forgotten = keys.map(|key| (key, self.newest)).collect();
    }

    /// Everyone reads to the end.
    async fn finish(&mut self) {
        sleep(Duration::from_millis(self.settings.slowest * 1000)).await;
        for connection in &self.all {
            let connection = connection.borrow();
            if !connection.over && !connection.emitter.is_closed() && connection.epoch == self.epoch
            {
                let reading = self.clients.iter().filter_map(|client| client.current.as_ref());
                if reading.into_iter().any(|(c, reader)| {
                    !reader.is_finished() && std::ptr::eq(c.as_ptr(), &*connection)
                }) {
                    connection.check_all(&self.order.borrow(), self.newest);
                }
            }
        }
        for (_, reader) in self.clients.iter().filter_map(|client| client.current.as_ref()) {
            reader.abort();
        }
        for client in &mut self.clients {
            client.current = None;
        }
        for reader in std::mem::take(&mut self.readers) {
            if let Err(error) = reader.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        assert!(self.emitters.is_empty(), "somebody is still there");
        self.all.clear();
        for reasons in &self.completions {
            assert_eq!(reasons.lock().unwrap().len(), 1, "on_completion was not called once");
        }
    }
}

/// Says that the connection is over, also when the task is aborted.
struct Over(Rc<RefCell<Connection>>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.borrow_mut().over = true;
    }
}

async fn read(
    mut stream: EventStream,
    connection: Rc<RefCell<Connection>>,
    order: Rc<RefCell<Order>>,
    slowest: u64,
    mut rng: Rng,
) {
    // Dropped after the stream.
    let over = Over(connection);
    let connection = &over.0;
    let epoch = connection.borrow().epoch;
    loop {
        sleep(Duration::from_millis(rng.u64(..=slowest))).await;
        let item = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await;
        let mut connection = connection.borrow_mut();
        let order = order.borrow();
        match item {
            Some(item) => connection.read(std::str::from_utf8(&item).unwrap(), &order, epoch),
            None => {
                if let (Some(ending), false) = (connection.ending, connection.said_goodbye) {
                    connection.check_all(&order, ending);
                }
                connection.ended = true;
                break;
            }
        }
    }
    drop(stream);
}
