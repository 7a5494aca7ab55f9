//! A chromedriver of our own, with the browsers it starts.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{Result, within};

/// No GPU, no sandbox (tests run as root in containers), and nothing that a browser does by itself.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1100,900",
];

/// How often a start is tried.
const ATTEMPTS: usize = 3;

/// Dropping it kills the process group: chromedriver and its browsers, nobody else's.
#[derive(Debug)]
pub(crate) struct Chromedriver {
    child: Child,
    port: u16,
    /// Deleted with this value, after the browser that writes into it is gone.
    profile: TempDir,
}

impl Chromedriver {
    /// Starts one. It looks for a free port itself, and ends if that is taken a moment later by
    /// another one, as when two tests start at once: then it is started again.
    pub(crate) async fn start() -> Result<Self> {
        let mut attempts = 1;
        loop {
            match Self::start_once().await {
                Err(_) if attempts < ATTEMPTS => attempts += 1,
                outcome => return outcome,
            }
        }
    }

    async fn start_once() -> Result<Self> {
        let profile = TempDir::with_prefix("sse-tower-profile-")?;
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            // Both processes name the profile in their command line, for whoever cleans up after
            // a test that was killed.
            .arg(format!("--log-path={}", profile.path().join("chromedriver.log").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Its pid names the group, which Chromium stays in.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("chromedriver: {error}; `tests/run browser` installs it"))?;
        let stdout = child.stdout.take().ok_or("chromedriver without standard output")?;
        // From here on a failure kills what was started.
        let mut this =
            Self { child, port: 0, profile: TempDir::with_prefix("sse-tower-profile-")? };
        let mut lines = BufReader::new(stdout).lines();
        while this.port == 0 {
            let line = within("chromedriver's port", lines.next_line()).await??;
            let line = line.ok_or("chromedriver ended before it listened")?;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                this.port = port.trim_end_matches('.').parse()?;
            }
        }
        // It must never stop at a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(this)
    }

    pub(crate) async fn browser(&self) -> Result<WebDriver> {
        let mut wishes = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wishes.add_arg(flag)?;
        }
        wishes.add_arg(&format!("--user-data-dir={}", self.profile.path().display()))?;
        let server = format!("http://127.0.0.1:{}", self.port);
        Ok(within("a browser", WebDriver::new(server, wishes)).await??)
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let group = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
