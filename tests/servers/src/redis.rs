//! A Redis server.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Child, Error, Signal, find, free_port};

/// How long a start may take: longer than any that was seen, since it also reads what was stored.
const START: Duration = Duration::from_secs(20);
/// So often another port is tried if somebody took the one that was free.
const PORTS: usize = 5;

/// A Redis server in a folder of its own, with everything that is written appended to a file. Gone with its guard.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// Starts one on a free port of this machine. It can be used when this returns.
    ///
    /// # Errors
    /// The program is missing, or does not start.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&[])
    }

    /// Starts one with more options, as on its command line: `["--requirepass", "secret"]`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(options: &[&str]) -> Result<Self, Error> {
        let program = find("redis-server", "SSE_TEST_REDIS_SERVER", "redis-server", &[])?;
        let folder = TempDir::with_prefix("redis-")?;
        let options = options.iter().map(ToString::to_string).collect();
        let mut redis = Self { program, folder, port: 0, options, child: None };
        let mut tries = 1;
        loop {
            redis.port = free_port()?;
            match redis.run() {
                Err(_) if tries < PORTS => tries += 1,
                done => return done.map(|()| redis),
            }
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]);
        command.arg("--dir").arg(self.folder.path()).args(&self.options);
        let mut child = Child::start(&mut command)?;
        let begun = Instant::now();
        while self.said(b"PING\r\n").is_none_or(|answer| answer.starts_with("-LOADING")) {
            if child.has_ended() || begun.elapsed() > START {
                return Err(format!("redis-server does not start: {}", child.log()).into());
            }
            // A port that refuses cannot be waited for in another way.
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child = Some(child);
        Ok(())
    }

    /// What it answers on a connection of its own; any answer shows that it is there.
    fn said(&self, words: &[u8]) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.write_all(words).ok()?;
        let mut answer = [0; 128];
        let read = stream.read(&mut answer).ok().filter(|read| *read > 0)?;
        Some(String::from_utf8_lossy(&answer[..read]).into_owned())
    }

    /// Where it listens, also after a restart.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A URL for it, without name and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// The folder with its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it as the machine's end would, but for the machine's own buffers.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Starts it again on the same port and with what it had written.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.kill();
        self.run()
    }

    /// Sends it a signal: `Signal::STOP`, `Signal::CONT`.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.child.as_ref().ok_or("redis-server does not run")?.signal(signal)
    }

    /// Cuts the last bytes off what it had written, as a machine that lost its power before they were on the disk. Only
    /// while it does not run.
    ///
    /// # Errors
    /// Nothing was written, or less than that.
    pub fn lose_tail(&self, bytes: u64) -> Result<(), Error> {
        let folder = self.folder.path().join("appendonlydir");
        // Before version 7 it is one file, since then a folder with one that grows.
        let file = match fs::read_dir(folder) {
            Ok(entries) => entries
                .flatten()
                .map(|entry| entry.path())
                .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
                .ok_or("nothing was appended yet")?,
            Err(_) => self.folder.path().join("appendonly.aof"),
        };
        let file = File::options().write(true).open(file)?;
        let left = file.metadata()?.len().checked_sub(bytes).ok_or("not so much was written")?;
        Ok(file.set_len(left)?)
    }

    /// How many bytes it has appended so far; what is cut off later begins there.
    ///
    /// # Errors
    /// Nothing was written yet.
    pub fn written(&self) -> Result<u64, Error> {
        let mut sum = 0;
        for entry in fs::read_dir(self.folder.path().join("appendonlydir"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(".incr.aof") {
                sum += entry.metadata()?.len();
            }
        }
        Ok(sum)
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.as_ref().map(Child::log).unwrap_or_default()
    }
}
