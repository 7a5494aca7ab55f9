//! Drivers of our own, with the browsers they start.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::{Capabilities, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::group::Group;
use crate::{Result, eventually, within};

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

/// WebKitGTK's driver, the screen without which it shows nothing, and the folders for its browser.
const WEBKIT: [&str; 2] = ["WebKitWebDriver", "Xvfb"];
const LIBRARIES: &str = "/usr/lib";
const MINI_BROWSER: &str = "webkit2gtk-4.1/MiniBrowser";

/// A driver. Dropping it kills the process groups: the driver and its browsers, nobody else's.
#[derive(Debug)]
pub(crate) struct Driver {
    port: u16,
    wishes: Capabilities,
    _programs: Vec<Group>,
    /// Deleted with this value, after the browser that writes into it is gone.
    _profile: TempDir,
}

/// How often to start it: somebody may take the port before it does.
const STARTS: usize = 5;

/// A port that is free for IPv4. At port 0 chromedriver would take a free one for IPv6 and then want
/// the same for IPv4, where clients of other tests have most of them on a busy machine.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Whether a program of this name can be started.
pub(crate) fn is_in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Whether all that WebKitGTK needs is there.
pub(crate) fn has_webkit() -> bool {
    WEBKIT.into_iter().all(is_in_path) && mini_browser().is_some()
}

fn mini_browser() -> Option<String> {
    let places = std::fs::read_dir(LIBRARIES).ok()?;
    let places = places.filter_map(|place| Some(place.ok()?.path().join(MINI_BROWSER)));
    places
        .chain([Path::new(LIBRARIES).join(MINI_BROWSER)])
        .find(|file| file.is_file())?
        .to_str()
        .map(str::to_owned)
}

impl Driver {
    pub(crate) async fn chromium() -> Result<Self> {
        let mut said = String::new();
        for _ in 0..STARTS {
            match Self::try_chromium().await? {
                Ok(this) => return Ok(this),
                Err(output) => said = output,
            }
        }
        Err(format!("chromedriver ended before it listened, {STARTS} times, and said: {said}")
            .into())
    }

    /// The inner error is what it said before it ended by itself.
    async fn try_chromium() -> Result<std::result::Result<Self, String>> {
        let profile = TempDir::with_prefix("sse-tower-profile-")?;
        let mut program = Group::spawn(
            Command::new("chromedriver")
                .arg(format!("--port={}", free_port()?))
                // Both processes name the profile in their command line, for whoever cleans up
                // after a test that was killed.
                .arg(format!("--log-path={}", profile.path().join("chromedriver.log").display()))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
            "browser",
        )?;
        let mut lines = BufReader::new(program.stdout()?).lines();
        let mut said = String::new();
        while let Some(line) = within("chromedriver's port", lines.next_line()).await?? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let port = port.trim_end_matches('.').parse()?;
                // It must never stop at a full pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                let mut wishes = DesiredCapabilities::chrome();
                for flag in FLAGS {
                    wishes.add_arg(flag)?;
                }
                wishes.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
                let wishes = wishes.into();
                return Ok(Ok(Self { port, wishes, _programs: vec![program], _profile: profile }));
            }
            said.push_str(&line);
            said.push('\n');
        }
        Ok(Err(said))
    }

    /// WebKitGTK on a screen of its own, that nobody sees.
    pub(crate) async fn webkit() -> Result<Self> {
        let profile = TempDir::with_prefix("sse-tower-profile-")?;
        let mut screen = Group::spawn(
            Command::new("Xvfb")
                .args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"])
                .arg("-fbdir")
                .arg(profile.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
            "browser",
        )?;
        let mut lines = BufReader::new(screen.stdout()?).lines();
        let display = within("a screen", lines.next_line()).await??.ok_or("no screen")?;
        let port = free_port()?;
        let driver = Group::spawn(
            Command::new("WebKitWebDriver")
                .arg(format!("--port={port}"))
                .env("DISPLAY", format!(":{display}"))
                .env("LIBGL_ALWAYS_SOFTWARE", "1")
                .env("HOME", profile.path())
                .env("XDG_RUNTIME_DIR", profile.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
            "browser",
        )?;
        let up = async || {
            let connected = TcpStream::connect(("127.0.0.1", port)).await;
            Ok(connected.map(drop).map_err(|error| error.to_string()))
        };
        eventually("WebKitWebDriver listens", up).await?;
        let mut wishes = Capabilities::new();
        let browser = mini_browser().ok_or("no MiniBrowser")?;
        wishes.set(
            "webkitgtk:browserOptions",
            json!({ "binary": browser, "args": ["--automation"] }),
        )?;
        Ok(Self { port, wishes, _programs: vec![driver, screen], _profile: profile })
    }

    pub(crate) async fn browser(&self) -> Result<WebDriver> {
        let server = format!("http://127.0.0.1:{}", self.port);
        Ok(within("a browser", WebDriver::new(server, self.wishes.clone())).await??)
    }
}
