//! Reverse proxies of the system, each as a program of ours in a folder of its own.

use std::fs::{self, File, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::group::Group;
use crate::{Result, eventually};

/// How often to start it: somebody may take the port before it does.
const STARTS: usize = 5;

/// One of ours at a time looks for a port and takes it.
static STARTING: Mutex<()> = Mutex::const_new(());

/// A running proxy. Dropping it kills its process group, and deletes its folder.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    program: Group,
    folder: TempDir,
}

/// Where a proxy is to listen, and what it may write to.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// A free port of 127.0.0.1.
    pub port: u16,
    /// A folder that everybody may read: some proxies give up being root.
    pub folder: &'a Path,
}

impl Place<'_> {
    /// A path in the folder, as text.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Proxy {
    /// Starts `command` with a configuration that `configure` writes into a file, whose path takes
    /// the place of `{}` in the arguments, as the folder's takes that of `{folder}` and the port
    /// that of `{port}`. It is there once it accepts connections.
    pub async fn start(
        command: &str,
        arguments: &[&str],
        configure: impl Fn(Place<'_>) -> Result<String>,
    ) -> Result<Self> {
        let _alone = STARTING.lock().await;
        let mut said = String::new();
        for _ in 0..STARTS {
            match Self::try_start(command, arguments, &configure).await? {
                Ok(this) => return Ok(this),
                Err(output) => said = output,
            }
        }
        Err(format!("{command} does not start: {said}").into())
    }

    async fn try_start(
        command: &str,
        arguments: &[&str],
        configure: impl Fn(Place<'_>) -> Result<String>,
    ) -> Result<std::result::Result<Self, String>> {
        let folder = TempDir::with_prefix("sse-tower-proxy-")?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let place = Place { port, folder: folder.path() };
        let file = place.path("configuration");
        fs::write(&file, configure(place)?)?;
        let log = place.path("log");
        let arguments = arguments.iter().map(|argument| {
            let argument = argument.replace("{folder}", &folder.path().display().to_string());
            argument.replace("{port}", &port.to_string()).replace("{}", &file)
        });
        let output = File::create(&log)?;
        let program = Group::spawn(
            Command::new(command)
                .args(arguments)
                .env("HOME", folder.path())
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output),
            "proxies",
        )?;
        let mut this = Self { address: (Ipv4Addr::LOCALHOST, port).into(), program, folder };
        let up = async || {
            if let Some(status) = this.program.ended()? {
                return Ok(Ok(Err(format!("{status}, {}", fs::read_to_string(&log)?))));
            }
            let connected = TcpStream::connect(this.address).await;
            Ok(connected.map(|_| Ok(())).map_err(|error| error.to_string()))
        };
        match eventually(&format!("{command} listens"), up).await? {
            Ok(()) => Ok(Ok(this)),
            Err(ended) => Ok(Err(ended)),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it said, on either output.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("log"))?)
    }
}
