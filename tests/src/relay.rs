//! `Relay`: stands between a browser and a server. It notes what passes, can be cut, and can answer 502.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Result;

/// A relay to one server. Dropping it cuts all its connections and stops listening.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    passed: Passed,
    way: watch::Sender<Way>,
    _tasks: JoinSet<()>,
}

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    Cut,
    Refused,
}

/// What a proxy says whose program is away.
const REFUSED: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Request lines and status lines, in the order in which they passed.
type Passed = Arc<Mutex<Vec<String>>>;

impl Relay {
    /// Listens at a free port for what shall go to `server`.
    pub async fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let passed = Passed::default();
        let (way, ways) = watch::channel(Way::Open);
        let mut tasks = JoinSet::new();
        let noted = passed.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(connect(client, server, noted.clone(), ways.clone()));
            }
        });
        Ok(Self { address, passed, way, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request lines and status lines that passed and contain `text`.
    pub fn passed(&self, text: &str) -> Vec<String> {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Cuts every connection and each new one, until [`Relay::mend`].
    pub fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }

    /// Cuts every connection, and answers each new one with 502, until [`Relay::mend`].
    pub fn refuse(&self) {
        self.way.send_replace(Way::Refused);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.way.send_replace(Way::Open);
    }
}

async fn connect(
    mut client: TcpStream,
    server: SocketAddr,
    passed: Passed,
    mut ways: watch::Receiver<Way>,
) {
    let way = *ways.borrow_and_update();
    match way {
        Way::Open => {}
        Way::Cut => return,
        Way::Refused => {
            // The request first: an answer before it would be a broken connection.
            let _ = client.read(&mut [0; 16 * 1024]).await;
            if client.write_all(REFUSED.as_bytes()).await.is_ok() {
                let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
                passed.push("HTTP/1.1 502 Bad Gateway".to_owned());
            }
            return;
        }
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pass(from_client, to_server, &passed, is_request_line);
    let back = pass(from_server, to_client, &passed, is_status_line);
    tokio::select! {
        // Whichever side closes first closes both: a dropped half is how a cut looks.
        () = there => {}
        () = back => {}
        _ = ways.changed() => {}
    }
}

/// Passes bytes on until either end is gone, noting the first lines of messages.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passed: &Passed,
    notable: fn(&str) -> bool,
) {
    let mut bytes = vec![0; 16 * 1024];
    let mut line = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        for &byte in &bytes[..count] {
            match byte {
                b'\n' => {
                    let text = String::from_utf8_lossy(&line);
                    let text = text.trim_end();
                    if notable(text) {
                        let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
                        passed.push(text.to_owned());
                    }
                    line.clear();
                }
                // First lines are short; what is longer is a body.
                byte if line.len() < 4096 => line.push(byte),
                _ => {}
            }
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

fn is_request_line(line: &str) -> bool {
    line.ends_with(" HTTP/1.1")
}

fn is_status_line(line: &str) -> bool {
    line.starts_with("HTTP/1.1 ")
}
