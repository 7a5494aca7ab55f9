//! A chromedriver of our own, with the browsers it starts.

use std::net::TcpListener;
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

/// Dropping it kills the process group: chromedriver and its browsers, nobody else's.
#[derive(Debug)]
pub(crate) struct Chromedriver {
    child: Child,
    port: u16,
    /// Deleted with this value, after the browser that writes into it is gone.
    profile: TempDir,
}

/// How often to start it: somebody may take the port before it does.
const STARTS: usize = 5;

/// A port that is free for IPv4. At port 0 it would take a free one for IPv6 and then want the same
/// for IPv4, where clients of other tests have most of them on a busy machine.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Chromedriver {
    pub(crate) async fn start() -> Result<Self> {
        let mut said = String::new();
        for _ in 0..STARTS {
            match Self::try_start().await? {
                Ok(this) => return Ok(this),
                Err(output) => said = output,
            }
        }
        Err(format!("chromedriver ended before it listened, {STARTS} times, and said: {said}")
            .into())
    }

    /// The inner error is what it said before it ended by itself.
    async fn try_start() -> Result<std::result::Result<Self, String>> {
        let profile = TempDir::with_prefix("sse-tower-profile-")?;
        let mut child = Command::new("chromedriver")
            .arg(format!("--port={}", free_port()?))
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
        let mut this = Self { child, port: 0, profile };
        let mut lines = BufReader::new(stdout).lines();
        let mut said = String::new();
        while let Some(line) = within("chromedriver's port", lines.next_line()).await?? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                this.port = port.trim_end_matches('.').parse()?;
                // It must never stop at a full pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Ok(this));
            }
            said.push_str(&line);
            said.push('\n');
        }
        Ok(Err(said))
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
