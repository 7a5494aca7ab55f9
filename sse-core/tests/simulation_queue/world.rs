//! Processes that publish, listen, fail, die and come back.

use std::{collections::BTreeMap, panic::resume_unwind, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use sse_tower_core::{
    ApplicationContext, ApplicationEvent, Drain, EventMeta, EventType, Listener, ListenerError,
    backplane::{Epoch, MemoryStore, Mutant, Node, NodeOptions, memory::NodeFaults},
};
use tokio::time::sleep;

use super::{
    seeds::Chance,
    witness::{ATTEMPTS, Witness},
};

const STEPS: usize = 16;
const FAULTS: usize = 10;

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Paid {
    order: u32,
    /// What becomes of each of its attempts: so that a run depends on nothing else.
    fate: u64,
}

impl ApplicationEvent for Paid {
    fn event_type() -> EventType<Self> {
        EventType::new().name("order.paid").stored().json()
    }
}

struct Process {
    context: ApplicationContext,
    faults: NodeFaults,
    number: usize,
}

/// What the one who published knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Stored,
    /// Perhaps.
    Unknown,
}

struct World {
    chance: Chance,
    store: MemoryStore,
    witness: Witness,
    processes: Vec<Process>,
    started: usize,
    mutant: Option<Mutant>,
    ordered: bool,
    faults: Vec<usize>,
    published: BTreeMap<u32, Told>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("SSE_SEED").is_some() {
            eprintln!(
                "ordered {}, faults {:?}\n{}",
                self.ordered,
                self.faults,
                self.witness.story()
            );
        }
    }
}

pub(crate) async fn run(seed: u64, mutant: Option<Mutant>) -> String {
    let mut chance = Chance::of(seed);
    let faults = match chance.below(5) {
        0 => (0..FAULTS).collect(),
        1 => Vec::new(),
        // Leases, with what runs for long.
        2 => vec![4, 6],
        _ => vec![chance.below(FAULTS), chance.below(FAULTS)],
    };
    let mut world = World {
        store: MemoryStore::fixed(Epoch::new(seed + 1), Duration::from_secs(1_700_000_000)),
        witness: Witness::new(),
        processes: Vec::new(),
        started: 0,
        mutant,
        ordered: chance.one_in(4),
        faults,
        published: BTreeMap::new(),
        chance,
    };
    for _ in 0..2 + world.chance.below(3) {
        let process = world.process();
        world.processes.push(process);
    }
    for _ in 0..STEPS {
        world.step().await;
        world.witness.judge();
    }
    world.end().await;
    world.witness.story()
}

impl World {
    fn process(&mut self) -> Process {
        let engine = self.store.engine();
        let faults = engine.faults();
        let mut options = NodeOptions::default();
        options.mutant = self.mutant;
        let node = Node::new(engine, options);
        let number = self.started;
        self.started += 1;
        let witness = self.witness.clone();
        let listener = Listener::on_async_with_meta(move |paid: Arc<Paid>, meta: EventMeta| {
            let running = witness.begin(paid.order, number, meta.attempt());
            let fate = paid.fate >> (meta.attempt() * 8);
            async move {
                let takes = match fate % 16 {
                    0..9 | 15 => 0,
                    9..12 => 40,
                    12 => 700,
                    13 => 3_000,
                    // Longer than a lease.
                    _ => 13_000,
                };
                sleep(Duration::from_millis(takes)).await;
                match fate / 16 % 16 {
                    0 | 1 => Err(ListenerError::from("not today")),
                    // A panic, without its hook: that prints a backtrace, for longer than all else here takes.
                    2 => resume_unwind(Box::new("on purpose")),
                    3 => Err(ListenerError::retry_after(Duration::from_secs(3))),
                    4 if fate.is_multiple_of(2) => Err(ListenerError::give_up()),
                    _ => {
                        running.done();
                        Ok(())
                    }
                }
            }
        });
        let listener = listener.durable().id("mail").attempts(ATTEMPTS);
        let listener =
            listener.timeout(Duration::from_secs(40)).backoff(Duration::from_millis(500));
        let concurrency = 1 + self.chance.below(6) as u32;
        let listener = if self.ordered { listener.ordered() } else { listener };
        let context = ApplicationContext::bare()
            .backplane(&node)
            .listener(listener.concurrency(concurrency))
            .build()
            .unwrap();
        Process { context, faults, number }
    }

    async fn step(&mut self) {
        match self.chance.below(12) {
            0..5 => self.publish().await,
            5..8 => {
                let longest = [5, 300, 5_000, 20_000][self.chance.below(4)];
                let long = self.chance.below(longest) as u64;
                sleep(Duration::from_millis(long)).await;
            }
            _ if self.faults.is_empty() => {}
            _ => {
                let fault = self.faults[self.chance.below(self.faults.len())];
                self.fail(fault).await;
            }
        }
    }

    async fn publish(&mut self) {
        for _ in 0..1 + self.chance.below(4) {
            let order = self.published.len() as u32;
            let place = self.chance.below(self.processes.len());
            let fate = self.chance.any();
            let publication = self.processes[place].context.publish_event(Paid { order, fate });
            // Whoever has no patience does not know.
            let told = tokio::time::timeout(Duration::from_millis(50), publication).await;
            let told = if matches!(told, Ok(Ok(_))) { Told::Stored } else { Told::Unknown };
            self.witness.say(format_args!("{order} is published by {place}: {told:?}"));
            self.published.insert(order, told);
        }
    }

    async fn fail(&mut self, fault: usize) {
        let index = self.chance.below(self.processes.len());
        let well = self.chance.one_in(2);
        let some = self.chance.below(4);
        self.witness.say(format_args!("fault {fault} at {index}: {well} {some}"));
        let faults = self.processes[index].faults.clone();
        match fault {
            0 if well => faults.back(),
            0 => faults.away(),
            1 if well => self.store.faults().back(),
            1 => self.store.faults().away(),
            2 => faults.fail_settles_before_storing(some),
            3 => faults.fail_settles_after_storing(some),
            4 => {
                faults.freeze_renewals(!well);
                // Long enough for a lease to run out.
                let long = if well { 0 } else { 12 + some as u64 };
                sleep(Duration::from_secs(long)).await;
            }
            5 => faults.lose_bells(!well),
            6 => self.die(index),
            7 => self.leave(index).await,
            8 => {
                // Nobody may be reached, which is no mistake.
                let listeners = self.processes[index].context.listeners();
                drop(if well {
                    listeners.resume("mail").await
                } else {
                    listeners.pause("mail").await
                });
            }
            _ => {
                let letters = self.processes[index].context.dead_letters("mail");
                for letter in letters.clone().await.unwrap_or_default() {
                    let paid: Paid = serde_json::from_slice(&letter.body).unwrap();
                    self.witness.forget_attempts(paid.order);
                }
                drop(letters.retry_all().await);
            }
        }
    }

    /// Without a word. Another one comes in its place.
    fn die(&mut self, index: usize) {
        self.processes[index].faults.kill();
        self.witness.dies(self.processes[index].number);
        self.processes[index] = self.process();
    }

    /// In good order.
    async fn leave(&mut self, index: usize) {
        let deadline = Duration::from_millis(self.chance.below(3_000) as u64);
        let new = self.process();
        let old = std::mem::replace(&mut self.processes[index], new);
        old.context.drain().with(Drain::new().deadline(deadline)).await;
        // Who could not say goodbye is as good as dead.
        old.faults.kill();
        self.witness.dies(old.number);
        drop(old);
    }

    /// Everything is well again, and all is done, or dead.
    async fn end(&mut self) {
        self.store.faults().back();
        for process in &self.processes {
            process.faults.fail_settles_before_storing(0);
            process.faults.fail_settles_after_storing(0);
            process.faults.freeze_renewals(false);
            process.faults.lose_bells(false);
            process.faults.back();
        }
        sleep(Duration::from_secs(5)).await;
        let context = self.processes[0].context.clone();
        context.listeners().resume("mail").await.unwrap();
        let mut stats;
        let mut waited = 0;
        loop {
            stats = context.listeners().await.unwrap().remove(0);
            if stats.backlog + stats.waiting + stats.running == 0 {
                break;
            }
            waited += 1;
            assert!(waited < 3_000, "it never ends: {stats:?}");
            sleep(Duration::from_secs(5)).await;
        }
        self.witness.judge();
        let letters = context.dead_letters("mail").await.unwrap();
        let dead: Vec<u32> = letters
            .iter()
            .map(|it| serde_json::from_slice::<Paid>(&it.body).unwrap().order)
            .collect();
        for (order, told) in &self.published {
            let (done, begun) = (self.witness.done(*order), self.witness.begun(*order));
            let is_dead = dead.contains(order);
            if *told == Told::Stored {
                assert!(
                    done > 0 || is_dead,
                    "{order} was stored, begun {begun} times, and is lost"
                );
            }
            if self.faults.is_empty() {
                assert_eq!(done + u32::from(is_dead), 1, "{order}: nothing went wrong");
            }
        }
        assert_eq!(stats.dead, dead.len());
    }
}
