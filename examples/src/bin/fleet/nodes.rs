//! Who runs: three processes of this program, or three nodes in this one.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sse_tower::backplane::MemoryStore;
use sse_tower_examples::Failure;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::node;

/// How many nodes there are.
pub(crate) const NODES: usize = 3;
/// How long a process may take to listen, and to leave.
const BEGIN: Duration = Duration::from_secs(20);
const LEAVE: Duration = Duration::from_secs(2);

/// The nodes, by number: 1 to 3.
pub(crate) struct Nodes {
    kind: Kind,
    every: Duration,
    running: Mutex<[Option<Running>; NODES]>,
}

/// What a node is.
pub(crate) enum Kind {
    /// A process of its own, at the store of this URL.
    Process(String),
    /// A part of this process, at a store that is one too.
    Here(MemoryStore),
}

struct Running {
    address: SocketAddr,
    node: Node,
}

enum Node {
    Process(Child),
    Here(JoinHandle<()>, AbortOnDrop),
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Nodes {
    pub(crate) async fn start(kind: Kind, every: Duration) -> Result<Arc<Self>, Failure> {
        let nodes = Self { kind, every, running: Mutex::default() };
        for number in 1..=NODES {
            nodes.begin(number).await?;
        }
        Ok(Arc::new(nodes))
    }

    fn running(&self) -> MutexGuard<'_, [Option<Running>; NODES]> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where this node listens, if it runs.
    pub(crate) fn address(&self, number: usize) -> Option<SocketAddr> {
        Some(self.running().get(number.checked_sub(1)?)?.as_ref()?.address)
    }

    /// Starts this node; one that runs is replaced.
    pub(crate) async fn begin(&self, number: usize) -> Result<(), Failure> {
        let Some(place) = number.checked_sub(1).filter(|place| *place < NODES) else {
            return Ok(());
        };
        let running = match &self.kind {
            Kind::Process(url) => process(number, self.every, url).await?,
            Kind::Here(store) => here(number, self.every, store).await?,
        };
        let before = self.running()[place].replace(running);
        drop(before);
        Ok(())
    }

    /// Ends this node without a word to anybody: `kill -9`, or the drop of all that it is made of.
    pub(crate) async fn kill(&self, number: usize) {
        let Some(place) = number.checked_sub(1).filter(|place| *place < NODES) else { return };
        let taken = self.running()[place].take();
        match taken.map(|running| running.node) {
            // One that is gone already is what was wanted.
            Some(Node::Process(mut child)) => drop(child.kill().await),
            Some(Node::Here(task, abort)) => {
                drop(abort);
                let _ = task.await;
            }
            None => {}
        }
    }

    /// Lets every node leave in its own time.
    pub(crate) async fn leave(&self) {
        let all = std::mem::take(&mut *self.running());
        for running in all.into_iter().flatten() {
            if let Node::Process(mut child) = running.node {
                // It leaves when this end is closed; what is not gone then is killed.
                drop(child.stdin.take());
                let _ = timeout(LEAVE, child.wait()).await;
            }
        }
    }
}

async fn process(number: usize, every: Duration, url: &str) -> Result<Running, Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--node", &number.to_string()])
        .args(["--every", &format!("{}ms", every.as_millis())])
        // Not an argument: others can read those, and there may be a password in it.
        .env("SSE_BACKPLANE", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut address = None;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        if let Ok(Ok(Some(line))) = timeout(BEGIN, lines.next_line()).await {
            address = line.strip_prefix("listening on http://").and_then(|at| at.parse().ok());
        }
    }
    match address {
        Some(address) => Ok(Running { address, node: Node::Process(child) }),
        None => Err(std::io::Error::other(format!("node {number} did not begin")).into()),
    }
}

async fn here(number: usize, every: Duration, store: &MemoryStore) -> Result<Running, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let engine = Arc::new(store.engine());
    let task = tokio::spawn(async move {
        let number = u8::try_from(number).unwrap_or(u8::MAX);
        let end = sse_tower::shutdown_signal();
        if let Err(error) = node::run(number, every, engine, listener, end).await {
            eprintln!("node {number}: {error:?}");
        }
    });
    let abort = AbortOnDrop(task.abort_handle());
    Ok(Running { address, node: Node::Here(task, abort) })
}
