//! A server of files that knows nothing of the programs: another origin for their pages.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Result;

/// The folder of the examples' pages, as it lies there. Dropping it stops listening.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Site {
    /// Serves the pages at a free port.
    pub async fn of_pages() -> Result<Self> {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/pages"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(answer(client, folder.to_owned()));
            }
        });
        Ok(Self { address, _tasks: tasks })
    }

    /// Its origin. By the name of this host, so that it is another host than the programs' as well.
    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }
}

async fn answer(mut client: TcpStream, folder: PathBuf) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_buf(&mut head).await {
            Ok(count @ 1..) if head.len() + count < 64 * 1024 => {}
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    let name = target.split('?').next().unwrap_or_default().trim_start_matches('/');
    let known = !name.contains('/') && !name.contains("..");
    let file = if known { std::fs::read(folder.join(name)).ok() } else { None };
    let (status, kind) = match &file {
        None => ("404 Not Found", "text/plain"),
        Some(_) if name.ends_with(".css") => ("200 OK", "text/css"),
        Some(_) => ("200 OK", "text/html; charset=utf-8"),
    };
    let body = file.unwrap_or_default();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    if client.write_all(head.as_bytes()).await.is_ok() {
        let _ = client.write_all(&body).await;
    }
}
