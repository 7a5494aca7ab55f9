//! NATS.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use engine_servers::{Nats, Signal};
use sse_tower_backplane::nats::connect;
use sse_tower_core::backplane::{Engine, Position};
use tempfile::TempDir;

use super::{scenarios::faults, store::Store};

struct OnNats(Nats);

impl OnNats {
    fn folder(&self) -> std::path::PathBuf {
        self.0.folder().join("store")
    }
}

impl Store for OnNats {
    /// A copy of its files.
    type Past = TempDir;

    /// Nodes hold what they know of an epoch in memory, and begin the new one with nothing.
    const KEEPS_WHAT_IS_LEFT: bool = false;

    async fn start() -> Self {
        Self(Nats::start().await.unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.address().parse().unwrap()
    }

    async fn engine(address: SocketAddr) -> Arc<dyn Engine> {
        Arc::new(connect(&format!("nats://{address}"), "faults").await.unwrap())
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    async fn restart(&mut self) {
        self.0.restart().await.unwrap();
    }

    fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }

    async fn remember(&mut self) -> TempDir {
        self.0.kill();
        let past = TempDir::with_prefix("nats-past-").unwrap();
        copy(&self.folder(), past.path());
        self.restart().await;
        past
    }

    async fn go_back(&mut self, past: TempDir) {
        self.0.kill();
        fs::remove_dir_all(self.folder()).unwrap();
        copy(past.path(), &self.folder());
        self.restart().await;
    }

    /// Everybody is told by the end of its consumer; a restart of the server makes it soon.
    async fn forget_everything(&mut self) {
        let client = async_nats::connect(self.0.url()).await.unwrap();
        async_nats::jetstream::new(client).delete_stream("sse_faults").await.unwrap();
        self.restart().await;
    }

    /// Its positions are the stream's sequence.
    async fn be_ahead(&self, _: Position) -> bool {
        false
    }
}

/// Copies a folder as it is.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

faults!(OnNats, "nats");
