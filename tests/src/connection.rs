//! HTTP/1.1 by hand, where the exact bytes are the question.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Result, within};

/// The first line and the headers of an answer, or all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer coding; empty while only the head was read.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the header `name`, given in lower case; several of that name are one list
    /// (RFC 9110, 5.3).
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.iter().filter(|(given, _)| given == name);
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What has come and was not looked at yet.
    waiting: Vec<u8>,
    /// The head read last: it says how the body ends.
    head: Answer,
}

/// One request on a connection of its own, and the whole answer.
pub async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Result<Answer> {
    let mut connection = Connection::open(address).await?;
    connection.ask(method, target, headers).await?;
    let mut answer = connection.head().await?;
    if method != "HEAD" {
        answer.body = connection.body().await?;
    }
    Ok(answer)
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = within("a connection", TcpStream::connect(address)).await??;
        Ok(Self { stream, waiting: Vec::new(), head: Answer::default() })
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) -> Result {
        Ok(within("room to write", self.stream.write_all(bytes)).await??)
    }

    /// Writes a request without a body.
    pub async fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Result {
        let host = self.stream.peer_addr()?;
        let mut text = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.write(text.as_bytes()).await
    }

    /// Reads up to the end of the headers.
    pub async fn head(&mut self) -> Result<Answer> {
        let head = self.through(b"\r\n\r\n").await?;
        let head = String::from_utf8(head)?;
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).unwrap_or_default();
        let status = status.parse().map_err(|_| format!("no status line: {first:?}"))?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into()));
        self.head = Answer { status, headers: headers.collect(), body: Vec::new() };
        Ok(self.head.clone())
    }

    /// Reads one chunk of a chunked body; the empty one is its proper end.
    pub async fn chunk(&mut self) -> Result<Vec<u8>> {
        let size = String::from_utf8(self.through(b"\r\n").await?)?;
        let size = usize::from_str_radix(size.trim_end(), 16)
            .map_err(|_| format!("no chunk size: {size:?}"))?;
        let mut chunk = self.exactly(size + 2).await?;
        if chunk.split_off(size) != b"\r\n" {
            return Err("a chunk that does not end where it said".into());
        }
        Ok(chunk)
    }

    /// Reads chunks until `text` has come; gives all the text of them.
    pub async fn text_through(&mut self, text: &str) -> Result<String> {
        let mut seen = String::new();
        while !seen.contains(text) {
            let chunk = self.chunk().await.map_err(|error| format!("{error}, after {seen:?}"))?;
            if chunk.is_empty() {
                return Err(format!("the body ended without {text:?}: {seen:?}").into());
            }
            seen.push_str(std::str::from_utf8(&chunk)?);
        }
        Ok(seen)
    }

    /// Reads the body that the last head announced, to its proper end.
    pub async fn body(&mut self) -> Result<Vec<u8>> {
        if matches!(self.head.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if let Some(length) = self.head.header("content-length") {
            let length = length.parse()?;
            return self.exactly(length).await;
        }
        if self.head.header("transfer-encoding").as_deref() != Some("chunked") {
            return self.rest().await;
        }
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Ok(body);
            }
            body.extend(chunk);
        }
    }

    /// Reads until the other side closes: everything that came and was not read before, as it came.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        while self.more().await? {}
        Ok(std::mem::take(&mut self.waiting))
    }

    async fn through(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            let found = self.waiting.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                return self.exactly(at + end.len()).await;
            }
            self.must_grow().await?;
        }
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.waiting.len() < count {
            self.must_grow().await?;
        }
        let rest = self.waiting.split_off(count);
        Ok(std::mem::replace(&mut self.waiting, rest))
    }

    async fn must_grow(&mut self) -> Result {
        if self.more().await? {
            return Ok(());
        }
        let seen = String::from_utf8_lossy(&self.waiting);
        Err(format!("the server closed the connection, after {seen:?}").into())
    }

    async fn more(&mut self) -> Result<bool> {
        let read = self.stream.read_buf(&mut self.waiting);
        match within("more bytes from the server", read).await? {
            Ok(count) => Ok(count > 0),
            Err(error) => {
                let seen = String::from_utf8_lossy(&self.waiting);
                Err(format!("{error}, after {seen:?}").into())
            }
        }
    }
}
