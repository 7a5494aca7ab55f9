//! A NATS server with JetStream.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{Child, Error, Signal, find, free_port};

/// How long a server may take until it answers.
const READY: Duration = Duration::from_secs(20);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Nats {
    child: Child,
    port: u16,
    folder: TempDir,
    options: Vec<String>,
}

impl Nats {
    /// Starts a server with JetStream in a folder of its own.
    ///
    /// # Errors
    /// `nats-server` is missing, or does not answer in time.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(&[]).await
    }

    /// The same with more options of the command line.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(options: &[&str]) -> Result<Self, Error> {
        let mut folder = TempDir::with_prefix("nats-")?;
        let mut options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let mut said = String::new();
        for _ in 0..5 {
            // Known before it starts, so that it is the same after a restart.
            let port = free_port()?;
            let child = spawn(folder.path(), port, &options)?;
            let mut server = Self { child, port, folder, options };
            if server.ready().await? {
                return Ok(server);
            }
            // Somebody took the port since.
            said = server.child.log();
            Self { folder, options, .. } = server;
        }
        Err(format!("nats-server ended at once: {said}").into())
    }

    /// Where it listens: `127.0.0.1:4222`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again, on the same port and with what it had stored.
    ///
    /// # Errors
    /// It does not answer in time.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.child.kill();
        self.child = spawn(self.folder.path(), self.port, &self.options)?;
        if self.ready().await? { Ok(()) } else { Err(self.child.log().into()) }
    }

    /// Where it stores.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.child.signal(signal)
    }

    async fn ready(&mut self) -> Result<bool, Error> {
        let began = Instant::now();
        while began.elapsed() < READY {
            if self.child.has_ended() {
                return Ok(false);
            }
            if self.child.log().contains("Server is ready")
                && tokio::net::TcpStream::connect(self.address()).await.is_ok()
            {
                return Ok(true);
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(format!("nats-server does not answer: {}", self.child.log()).into())
    }
}

fn spawn(folder: &Path, port: u16, options: &[String]) -> Result<Child, Error> {
    let program = find("nats-server", "SSE_TEST_NATS_SERVER", "nats-server", &["/usr/sbin"])?;
    let store = folder.join("store");
    fs::create_dir_all(&store)?;
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(store);
    Child::start(command.args(options))
}
