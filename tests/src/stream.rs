//! An event stream, event by event, each as it stood on the wire.

use std::net::SocketAddr;

use crate::{Answer, Connection, Program, Result};

/// One open event stream.
#[derive(Debug)]
pub struct Stream {
    connection: Connection,
    /// The status line and the headers.
    pub head: Answer,
    text: String,
}

impl Stream {
    /// Asks for `target` and reads the head, which must be that of an event stream.
    pub async fn open(program: &Program, target: &str) -> Result<Self> {
        Self::open_with(program, target, &[]).await
    }

    /// The same with headers.
    pub async fn open_with(
        program: &Program,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self> {
        Self::at(program.address(), target, headers).await
    }

    /// The same at an address.
    pub async fn at(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let mut connection = Connection::open(address).await?;
        connection.ask("GET", target, headers).await?;
        Self::of(connection).await
    }

    /// Goes on with a connection on which the request was written.
    pub async fn of(mut connection: Connection) -> Result<Self> {
        let head = connection.head().await?;
        let kind = head.header("content-type");
        if (head.status, kind.as_deref()) != (200, Some("text/event-stream")) {
            return Err(format!("no event stream: {} {kind:?}", head.status).into());
        }
        Ok(Self { connection, head, text: String::new() })
    }

    /// The next event, with its blank line; `None` once the body has ended properly. Comments
    /// between events, which open a stream and keep it alive, are passed over.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            while let Some(rest) = self.text.strip_prefix(":\n") {
                self.text = rest.to_owned();
            }
            while let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                let event = std::mem::replace(&mut self.text, rest);
                if event.lines().any(|line| !line.is_empty() && !line.starts_with(':')) {
                    return Ok(Some(event));
                }
            }
            let chunk = self.connection.chunk().await?;
            if chunk.is_empty() && self.text.is_empty() {
                return Ok(None);
            }
            if chunk.is_empty() {
                return Err(format!("the stream ended within an event: {:?}", self.text).into());
            }
            self.text.push_str(std::str::from_utf8(&chunk)?);
        }
    }

    /// The next event, which must come.
    pub async fn event(&mut self) -> Result<String> {
        Ok(self.next().await?.ok_or("the stream ended before the event")?)
    }

    /// Events whose first bytes have come already, without waiting for more.
    pub fn events_at_hand(&self) -> usize {
        self.text.matches("\n\n").count()
    }

    /// All events up to the proper end.
    pub async fn rest(&mut self) -> Result<Vec<String>> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await? {
            events.push(event);
        }
        Ok(events)
    }

    /// All events before the farewell of a stream whose time is over, which must come.
    pub async fn rest_of_its_time(&mut self) -> Result<Vec<String>> {
        let mut events = self.rest().await?;
        let bye = events.pop().ok_or("a stream without a farewell")?;
        if !bye.contains("event:stream-bye\ndata:{\"reason\":\"timed-out\"}\n") {
            return Err(format!("not the end of a stream's time: {bye:?}").into());
        }
        Ok(events)
    }

    /// Gives the connection back, after the end of the stream.
    pub fn into_connection(self) -> Connection {
        self.connection
    }
}

/// Reads fields of an event.
pub trait EventText {
    /// The value of the last field `name`.
    fn field(&self, name: &str) -> Option<&str>;
    /// The same event without its id, where that is a token which no test can know.
    fn without_id(&self) -> String;
}

impl EventText for str {
    fn field(&self, name: &str) -> Option<&str> {
        self.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    fn without_id(&self) -> String {
        let kept = self.split_inclusive('\n').filter(|line| !line.starts_with("id:"));
        kept.collect()
    }
}
