//! Nodes that send, fail, die and come back, and clients that move between them.

use std::time::Duration;

use sse_tower_core::{
    Emitters, History, SendError, Sent,
    backplane::{
        Epoch, MemoryStore, Mutant, Node, NodeOptions, Position,
        memory::{Mend, NodeFaults, Snapshot},
    },
};
use tokio::time::sleep;

use super::{
    client::Client,
    seeds::Chance,
    truth::{KEYS, NAME, Truth},
};

const STEPS: usize = 120;
const CLIENTS: usize = 6;

struct Place {
    node: Node,
    emitters: Emitters<u8>,
    faults: NodeFaults,
    /// Its feed loses something without a word.
    is_lossy: bool,
}

struct Attempt {
    text: String,
    sent: Sent,
}

struct World {
    chance: Chance,
    store: MemoryStore,
    truth: Truth,
    places: Vec<Place>,
    clients: Vec<Client>,
    attempts: Vec<Attempt>,
    sends: usize,
    mutant: Option<Mutant>,
    /// Which faults this run has: each alone in some, some or all together in others.
    faults: Vec<usize>,
    history: usize,
    /// What the store would restart with, and how far it was then.
    saved: Option<((Epoch, Position), Snapshot)>,
    /// What happened, for whoever looks for a fault.
    story: Vec<String>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SSE_SEED").is_some() {
            eprintln!("history {}, faults {:?}", self.history, self.faults);
            self.story.iter().for_each(|line| eprintln!("{line}"));
            self.clients.iter().for_each(|it| eprintln!("== {}\n{}", it.name, it.read));
            self.places.iter().for_each(|place| eprintln!("{:?}", place.node));
        }
    }
}

/// More than a run sends: every gap that is told is one too many.
const AMPLE: usize = 256;

const FAULTS: usize = 14;
/// The feed loses records, and nobody says so.
const SILENT_LOSS: usize = 12;
/// The store restarts without what it stored last.
const LOST_TAIL: usize = 13;

pub(crate) async fn run(seed: u64, mutant: Option<Mutant>) -> String {
    let mut chance = Chance::of(seed);
    let store = MemoryStore::fixed(Epoch::new(seed + 1), Duration::from_secs(1_700_000_000));
    let truth = Truth::of(&store).await;
    let faults = match chance.below(8) {
        0 => Vec::new(),
        1 => (0..FAULTS).collect(),
        2 | 3 => (0..FAULTS).filter(|_| chance.one_in(4)).collect(),
        _ => vec![chance.below(FAULTS)],
    };
    let history = if chance.one_in(3) { AMPLE } else { 2 + chance.below(4) };
    let mut world = World {
        store,
        truth,
        places: Vec::new(),
        clients: Vec::new(),
        attempts: Vec::new(),
        sends: 0,
        mutant,
        faults,
        history,
        saved: None,
        story: Vec::new(),
        chance,
    };
    let nodes = 2 + world.chance.below(4);
    for _ in 0..nodes {
        let place = world.place();
        world.places.push(place);
    }
    for name in 0..CLIENTS {
        let head = world.truth.head().await;
        let mut keys: Vec<u8> = (0..KEYS).filter(|_| world.chance.one_in(3)).collect();
        if keys.is_empty() {
            keys.push(world.chance.below(KEYS.into()) as u8);
        }
        world.clients.push(Client::new(name, keys, head));
    }
    for _ in 0..STEPS {
        world.step().await;
    }
    world.end().await;
    world.clients.iter().map(|client| format!("== {}\n{}", client.name, client.read)).collect()
}

impl World {
    fn place(&self) -> Place {
        let engine = self.store.engine();
        let faults = engine.faults();
        let mut options = NodeOptions::default();
        options.mutant = self.mutant;
        let node = Node::new(engine, options);
        let emitters = Emitters::builder()
            .history(History::events(self.history))
            .without_keep_alive()
            .backplane(&node, NAME)
            .build();
        Place { node, emitters, faults, is_lossy: false }
    }

    async fn settle(&mut self) {
        for _ in 0..self.chance.below(30) {
            tokio::task::yield_now().await;
        }
    }

    async fn step(&mut self) {
        match self.chance.below(20) {
            0..8 => self.send(),
            8..12 => self.dial().await,
            12..14 => {
                let index = self.chance.below(CLIENTS);
                self.clients[index].hang_up();
            }
            14..16 => self.read().await,
            16 | 17 => {
                let longest = [1, 50, 3_000][self.chance.below(3)];
                let long = self.chance.below(longest) as u64;
                self.story.push(format!("{long} ms"));
                sleep(Duration::from_millis(long)).await;
            }
            _ if self.faults.is_empty() => {}
            _ => {
                let fault = self.faults[self.chance.below(self.faults.len())];
                self.fail(fault).await;
            }
        }
        if self.chance.one_in(2) {
            self.settle().await;
        }
    }

    fn send(&mut self) {
        let place = self.chance.below(self.places.len());
        let emitters = &self.places[place].emitters;
        self.sends += 1;
        let text = format!("event {}", self.sends);
        let sent = if self.chance.one_in(8) {
            emitters.send_all(text.as_str())
        } else {
            emitters.send(&(self.chance.below(KEYS.into()) as u8), text.as_str())
        };
        self.story.push(format!("{text} by {place}"));
        self.attempts.push(Attempt { text, sent });
    }

    async fn dial(&mut self) {
        let index = self.chance.below(CLIENTS);
        if self.clients[index].is_connected() {
            return;
        }
        let head = self.truth.head().await;
        let place = self.chance.below(self.places.len());
        let client = &mut self.clients[index];
        let keys = client.keys.clone();
        let emitter = self.places[place].emitters.connect_many(keys, client.last());
        let (keys, last) = (&client.keys, client.last());
        self.story.push(format!("{index} {keys:?} dials {place} from {last:?} at {}", head.1));
        client.connected(place, emitter.into_stream(), head, self.places[place].is_lossy);
    }

    async fn read(&mut self) {
        let head = self.truth.head().await;
        let index = self.chance.below(CLIENTS);
        self.story.push(format!("{index} reads at {}", head.1));
        self.clients[index].poll(&self.truth, head);
    }

    async fn fail(&mut self, fault: usize) {
        let index = self.chance.below(self.places.len());
        let well = self.chance.one_in(2);
        let some = self.chance.below(3);
        self.story.push(format!("fault {fault} at {index}: {well} {some}"));
        let faults = &self.places[index].faults;
        match fault {
            0 if well => faults.mend(Mend { repeat: some * 3, newest_first: some == 1 }),
            0 => faults.break_feed(),
            1 if well => faults.back(),
            1 => faults.away(),
            2 => faults.deafen(),
            3 if well => faults.release_feed(),
            3 => faults.hold_feed(),
            4 => faults.fail_appends_before_storing(some),
            5 => faults.fail_appends_after_storing(some),
            6 => faults.fail_loads(some),
            7 => faults.slow_loads(Duration::from_millis(200 * some as u64)),
            8 if well => self.places.iter().for_each(|place| place.faults.back()),
            8 => self.places.iter().for_each(|place| place.faults.away()),
            9 if self.chance.one_in(4) => {
                let epoch = Epoch::new(1_000_000 + self.chance.below(1 << 30) as u64);
                self.store.faults().new_epoch(epoch);
            }
            10 => self.store.faults().set_clock_back(Duration::from_secs(some as u64 * 60)),
            11 => self.die(index, well),
            LOST_TAIL => self.restart_without_its_tail().await,
            SILENT_LOSS => {
                faults.lose(1 + some);
                self.places[index].is_lossy = true;
                let there = self.clients.iter_mut().filter(|client| client.node == index);
                there.for_each(Client::may_lose);
            }
            _ => {}
        }
    }

    /// The store forgets what came since it was asked to before, and is asked to remember what it has now.
    async fn restart_without_its_tail(&mut self) {
        let head = self.truth.head().await;
        if let Some((at, saved)) = self.saved.take()
            && at.0 == head.0
        {
            self.store.faults().restore(&saved);
            self.truth.lose_after(at);
        } else {
            self.saved = Some((head, self.store.faults().snapshot()));
        }
    }

    /// A node dies: with what it had queued, or having written it. Another one comes in its place.
    fn die(&mut self, index: usize, gracefully: bool) {
        for client in self.clients.iter_mut().filter(|client| client.node == index) {
            client.hang_up();
        }
        if !gracefully {
            self.places[index].faults.away();
        }
        let new = self.place();
        self.places[index] = new;
    }

    /// Everything is well again, and every client comes back once more.
    async fn end(&mut self) {
        for place in &self.places {
            place.faults.lose(0);
            place.faults.fail_appends_before_storing(0);
            place.faults.fail_appends_after_storing(0);
            place.faults.fail_loads(0);
            place.faults.slow_loads(Duration::ZERO);
            place.faults.release_feed();
            place.faults.back();
            place.faults.mend(Mend::default());
        }
        sleep(Duration::from_secs(20)).await;
        for _ in 0..2 {
            let head = self.truth.head().await;
            for index in 0..CLIENTS {
                self.clients[index].poll(&self.truth, head);
                if !self.clients[index].is_connected() {
                    let client = &mut self.clients[index];
                    let place = self.chance.below(self.places.len());
                    let emitters = &self.places[place].emitters;
                    let emitter = emitters.connect_many(client.keys.clone(), client.last());
                    let is_lossy = self.places[place].is_lossy;
                    client.connected(place, emitter.into_stream(), head, is_lossy);
                }
            }
            sleep(Duration::from_secs(6)).await;
        }
        self.places[0].emitters.send_all("the end").await.unwrap();
        // A feed that went deaf just before is replaced by then.
        sleep(Duration::from_secs(7)).await;
        let head = self.truth.head().await;
        for client in &mut self.clients {
            client.poll(&self.truth, head);
            client.check_end(&self.truth, head);
            let (name, read) = (client.name, &client.read);
            assert!(read.contains("data:the end\n"), "{name} did not come back, after {read}");
            // What the store has lost is gone from the logs as well, also for those who had yet to read it.
            let loses = [SILENT_LOSS, LOST_TAIL].iter().any(|fault| self.faults.contains(fault));
            let may_be_missed = self.history < AMPLE || loses;
            assert!(client.gaps == 0 || may_be_missed, "{name} was told of a gap, in {read}");
        }
        for Attempt { text, sent } in std::mem::take(&mut self.attempts) {
            let count = self.truth.count(&text);
            match sent.await {
                Ok(_) if self.truth.has_lost(&text) => {}
                Ok(_) => assert_eq!(count, 1, "{text} was stored, it says"),
                Err(SendError::Backplane { source, .. }) if source.is_unknown() => {
                    assert!(count <= 1, "{text} was stored {count} times");
                }
                Err(_) => assert_eq!(count, 0, "{text} was not stored, it says"),
            }
        }
        for place in &self.places {
            assert!(place.node.health().borrow().is_ready());
        }
    }
}
