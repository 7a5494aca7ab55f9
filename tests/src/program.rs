//! Example programs, built as a user builds them and spoken to from outside.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::{Result, within};

/// A running example. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    name: String,
    options: Vec<String>,
    address: SocketAddr,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it wrote on standard error.
    log: NamedTempFile,
}

/// How a program ended, and how long it took from the signal.
#[derive(Debug)]
pub struct Exit {
    /// What the system reports.
    pub status: ExitStatus,
    /// From the signal until it was gone.
    pub after: Duration,
}

impl Program {
    /// Builds the example `name`, starts it at a free port and waits for its `listening on` line.
    pub async fn start(name: &str) -> Result<Self> {
        Self::start_with(name, &[]).await
    }

    /// The same with more options.
    pub async fn start_with(name: &str, options: &[&str]) -> Result<Self> {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self::launch(name.to_owned(), options, ([127, 0, 0, 1], 0).into()).await
    }

    async fn launch(name: String, options: Vec<String>, address: SocketAddr) -> Result<Self> {
        let log = NamedTempFile::with_prefix("sse-tower-log-")?;
        let mut child = Command::new(binary(&name).await?)
            .arg("--listen")
            .arg(address.to_string())
            .args(&options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().append(true).open(log.path())?)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("a program without standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = within("the first line of the program", lines.next_line()).await??;
        let line = line.ok_or_else(|| {
            let log = std::fs::read_to_string(log.path()).unwrap_or_default();
            format!("{name} ended before it listened: {log}")
        })?;
        let address = line
            .strip_prefix("listening on http://")
            .ok_or_else(|| format!("{name} said {line:?}, not where it listens"))?
            .parse()?;
        Ok(Self { name, options, address, child, lines, log })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The whole address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next line on its standard output.
    pub async fn line(&mut self) -> Result<String> {
        let line = within("a line of the program", self.lines.next_line()).await??;
        Ok(line.ok_or("the program closed its standard output")?)
    }

    /// What it wrote on standard error so far.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.log.path())?)
    }

    /// How many connections of clients it holds, to see whether it lets go of those that left.
    ///
    /// Counted at its port, not among its files: a program opens sockets of its own whenever a runtime of its starts.
    pub fn connections(&self) -> Result<usize> {
        const LISTENS: &str = "0A";
        // Closed by the program, or not accepted yet.
        const OF_NOBODY: &str = "0";
        let port = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp")?;
        let held = table.lines().skip(1).filter(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            fields[1].ends_with(&port) && fields[3] != LISTENS && fields[9] != OF_NOBODY
        });
        Ok(held.count())
    }

    /// Sends `signal` to this process alone and waits for its end.
    pub async fn signal(&mut self, signal: Signal) -> Result<Exit> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let sent = Instant::now();
        kill_process(pid.ok_or("the program has ended already")?, signal)?;
        let status = within("the end of the program", self.child.wait()).await??;
        Ok(Exit { status, after: sent.elapsed() })
    }

    /// Kills it as a crash would: no goodbye to anybody.
    pub async fn kill(&mut self) -> Result {
        self.signal(Signal::KILL).await.map(drop)
    }

    /// Starts the program that was ended before, at the same port, with the same options.
    pub async fn start_again(&mut self) -> Result {
        *self = Self::launch(self.name.clone(), self.options.clone(), self.address).await?;
        Ok(())
    }
}

/// The built example `name`: once in a process, so that an error of the compiler is shown once.
async fn binary(name: &str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, Option<PathBuf>>> = Mutex::const_new(BTreeMap::new());
    let mut built = BUILT.lock().await;
    let path = match built.get(name) {
        Some(path) => path.clone(),
        None => {
            let path = build(name).await?;
            built.insert(name.to_owned(), path.clone());
            path
        }
    };
    Ok(path.ok_or_else(|| format!("`cargo build --bin {name}` failed"))?)
}

/// Cargo decides whether there is anything to do, and lets one process in at a time.
async fn build(name: &str) -> Result<Option<PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--message-format=json-render-diagnostics", "--bin", name])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?
        .wait_with_output()
        .await?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
    Ok(built)
}
