//! The contract of engines, each rule in a namespace of its own, on a server that no other rule has meanwhile.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use engine_servers::Postgres as Server;
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{Engine, contract::Harness};

/// Servers that rules are done with. A start costs more than most rules, and a rule may restart its server, so they are
/// handed on and not shared. The last rule that runs ends them: nothing would drop them with the process.
static SPARE: Mutex<Spare> = Mutex::new(Spare { running: 0, servers: Vec::new() });
static NAMESPACES: AtomicUsize = AtomicUsize::new(0);

struct Spare {
    running: usize,
    servers: Vec<Server>,
}

struct Contract {
    server: Option<Server>,
    namespace: String,
}

impl Contract {
    fn url(&self) -> String {
        self.server.as_ref().unwrap().url()
    }
}

impl Drop for Contract {
    fn drop(&mut self) {
        let mut spare = SPARE.lock().unwrap();
        spare.running -= 1;
        spare.servers.extend(self.server.take());
        if spare.running == 0 {
            spare.servers.clear();
        }
    }
}

impl Harness for Contract {
    fn is_wanted() -> bool {
        engine_servers::wanted("postgres")
    }

    async fn fresh() -> Self {
        let found = {
            let mut spare = SPARE.lock().unwrap();
            spare.running += 1;
            spare.servers.pop()
        };
        let namespace = format!("contract{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
        let mut contract = Self { server: found, namespace };
        if contract.server.is_none() {
            contract.server = Some(crate::support::server());
        }
        contract
    }

    async fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(Postgres::new(&self.url(), &self.namespace).unwrap())
    }

    async fn restart(&mut self) -> bool {
        self.server.as_mut().unwrap().restart().unwrap();
        true
    }
}

sse_tower_core::engine_contract!(Contract);
sse_tower_core::queue_contract!(Contract);
