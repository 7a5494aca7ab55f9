//! Pages that show a state which changes, on paused time: whatever happens, each page shows the state at rest, and is never
//! told that something is missing.
//!
//! A seed decides everything; [`seeds`] says how to choose them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
mod seeds;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::next;
use fastrand::Rng;
use sse_tower_core::{Emitters, History, LastEventId, SseEvent};
use tokio::{
    task::{AbortHandle, spawn_local},
    time::sleep,
};

/// How many seeds each test run tries.
const SEEDS: u64 = 2_000;
/// How often something happens.
const STEPS: usize = 80;
const KEYS: u8 = 3;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What there is to show, by key; and how long it takes to read it.
#[derive(Clone, Default)]
struct Truth {
    state: Arc<Mutex<BTreeMap<u8, u64>>>,
    slowest: u64,
    fails: bool,
}

impl Truth {
    fn of(&self, key: u8) -> u64 {
        self.state.lock().unwrap().get(&key).copied().unwrap_or(0)
    }

    /// Reads at some moment, and answers at a later one.
    async fn read(self, key: u8) -> Result<SseEvent, BoxError> {
        let pause = |most: u64| sleep(Duration::from_millis(fastrand::u64(..=most)));
        pause(self.slowest).await;
        if self.fails && fastrand::u8(..6) == 0 {
            assert!(fastrand::bool(), "on purpose");
            return Err("on purpose".into());
        }
        let value = self.of(key);
        pause(self.slowest).await;
        Ok(SseEvent::builder().name("state").data(format!("{key} {value}")).build().unwrap())
    }
}

/// In which order a page gets its state.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// The library's.
    Snapshot,
    /// With a function for each connection.
    Own,
    /// First read, then join: what falls between is lost. The test of the test.
    ReadThenJoin,
}

#[derive(Default)]
struct Page {
    keys: Vec<u8>,
    shown: BTreeMap<u8, u64>,
    last: String,
    ended: bool,
    states: usize,
}

struct Client {
    page: Rc<RefCell<Page>>,
    reader: Option<AbortHandle>,
}

struct World {
    rng: Rng,
    how: How,
    truth: Truth,
    emitters: Emitters<u8>,
    clients: Vec<Client>,
    slowest_reader: u64,
}

fn emitters(rng: &mut Rng, how: How, truth: &Truth) -> Emitters<u8> {
    let history =
        *rng.choice(&[History::none(), History::events(2), History::events(100)]).unwrap();
    let backlog = *rng.choice(&[1, 3, 1000]).unwrap();
    let age = Duration::from_millis(*rng.choice(&[0, 50, 1_000]).unwrap());
    let builder = Emitters::builder().history(history).backlog(backlog, 1 << 20).snapshot_age(age);
    let truth = truth.clone();
    match how {
        How::Snapshot => builder.snapshot(move |key| truth.clone().read(key)).build(),
        How::Own | How::ReadThenJoin => builder.build(),
    }
}

impl World {
    fn new(seed: u64, how: How) -> Self {
        let mut rng = Rng::with_seed(seed);
        let slowest = *rng.choice(&[0, 5, 500]).unwrap();
        let truth =
            Truth { slowest, fails: how != How::ReadThenJoin && rng.bool(), ..Truth::default() };
        let emitters = emitters(&mut rng, how, &truth);
        let slowest_reader = *rng.choice(&[0, 20, 3_000]).unwrap();
        let mut clients = Vec::new();
        for _ in 0..rng.usize(1..6) {
            let mut keys: Vec<_> = (0..KEYS).filter(|_| rng.bool()).collect();
            if keys.is_empty() || rng.bool() || how == How::ReadThenJoin {
                keys = vec![rng.u8(..KEYS)];
            }
            let page = Page { keys, ..Page::default() };
            clients.push(Client { page: Rc::new(RefCell::new(page)), reader: None });
        }
        Self { rng, how, truth, emitters, clients, slowest_reader }
    }

    async fn step(&mut self) {
        match self.rng.u8(..100) {
            0..50 => self.change().await,
            50..70 => self.dial(),
            70..78 => self.hang_up(),
            78..80 => self.say_to_all().await,
            80..82 => self.complete(),
            82..83 => self.restart(),
            _ => sleep(Duration::from_millis(self.rng.u64(..400))).await,
        }
        if self.rng.bool() {
            tokio::task::yield_now().await;
        }
    }

    /// First the state, then the word of it.
    async fn change(&mut self) {
        let key = self.rng.u8(..KEYS);
        let value = {
            let mut state = self.truth.state.lock().unwrap();
            let value = state.entry(key).or_default();
            *value += 1;
            *value
        };
        // Complete: it is in the state all the same.
        if self.emitters.send(&key, format!("{key} {value}")).await.is_err() {
            self.emitters.forget(&key);
            self.emitters.send(&key, format!("{key} {value}")).await.unwrap();
        }
    }

    async fn say_to_all(&mut self) {
        self.emitters.send_all(SseEvent::builder().name("all").data("-")).await.unwrap();
    }

    fn complete(&mut self) {
        let key = self.rng.u8(..KEYS);
        self.emitters.complete(&key);
    }

    fn restart(&mut self) {
        if self.how != How::ReadThenJoin {
            self.emitters = emitters(&mut self.rng, self.how, &self.truth);
        }
    }

    fn dial(&mut self) {
        let index = self.rng.usize(..self.clients.len());
        self.dial_one(index);
    }

    fn dial_one(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.reader.as_ref().is_some_and(|reader| !reader.is_finished()) {
            return;
        }
        let page = Rc::clone(&client.page);
        let (keys, last) = (page.borrow().keys.clone(), page.borrow().last.clone());
        let last = LastEventId::read(last.as_bytes());
        let (emitters, truth, how) = (self.emitters.clone(), self.truth.clone(), self.how);
        let (mut rng, slowest) = (self.rng.fork(), self.slowest_reader);
        page.borrow_mut().ended = false;
        let reader = spawn_local(async move {
            let response = match how {
                How::Snapshot => emitters.connect_many(keys, last),
                How::Own => {
                    let state = move |key| truth.clone().read(key);
                    emitters.connect_many_with(keys, last, state)
                }
                How::ReadThenJoin => {
                    let state = truth.read(keys[0]).await.unwrap();
                    let response = emitters.connect(keys[0], emitters.position().into());
                    response.try_send(state).unwrap();
                    response
                }
            };
            let mut stream = response.into_stream();
            drop(emitters);
            while let Some(text) = next(&mut stream).await {
                page.borrow_mut().read(&text);
                sleep(Duration::from_millis(rng.u64(..=slowest))).await;
            }
            page.borrow_mut().ended = true;
        });
        self.clients[index].reader = Some(reader.abort_handle());
    }

    fn hang_up(&mut self) {
        let index = self.rng.usize(..self.clients.len());
        if let Some(reader) = self.clients[index].reader.take() {
            reader.abort();
        }
    }

    /// Everyone is there, and nothing happens any more.
    async fn rest(&mut self) {
        self.truth.fails = false;
        self.restart_reliable();
        for _ in 0..20 {
            for index in 0..self.clients.len() {
                self.dial_one(index);
            }
            sleep(Duration::from_secs(10)).await;
        }
        for client in &self.clients {
            let page = client.page.borrow();
            for key in &page.keys {
                let shown = page.shown.get(key).copied();
                assert_eq!(shown, Some(self.truth.of(*key)), "key {key} of {:?}", page.keys);
            }
        }
    }

    /// Functions that fail may do so for ever by chance.
    fn restart_reliable(&mut self) {
        if self.how != How::ReadThenJoin {
            for client in &mut self.clients {
                if let Some(reader) = client.reader.take_if(|_| self.rng.bool()) {
                    reader.abort();
                }
            }
        }
    }
}

impl Page {
    fn read(&mut self, text: &str) {
        for block in text.split_terminator("\n\n") {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let (name, data) = (field("event:"), field("data:"));
            assert!(!matches!(name, Some("stream-gap" | "stream-reset")), "told: {block}");
            if let Some((key, value)) = data.and_then(|data| data.split_once(' ')) {
                self.states += usize::from(name == Some("state"));
                self.shown.insert(key.parse().unwrap(), value.parse().unwrap());
            }
            if let Some(id) = field("id:") {
                self.last = id.to_owned();
            }
        }
    }
}

fn run(seed: u64, how: How) {
    seeds::on_paused_time(seed, async {
        let mut world = World::new(seed, how);
        for _ in 0..STEPS {
            world.step().await;
        }
        world.rest().await;
    });
}

#[test]
fn at_rest_every_page_shows_the_state() {
    seeds::all(SEEDS, |seed| run(seed, How::Snapshot));
}

#[test]
fn at_rest_every_page_with_a_state_of_its_own_shows_it() {
    seeds::all(SEEDS, |seed| run(seed, How::Own));
}

#[test]
fn to_read_first_and_then_to_join_is_found_out() {
    assert!(seeds::one_fails(300, |seed| run(seed, How::ReadThenJoin)), "it was not noticed");
}
