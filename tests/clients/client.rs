//! Any of the clients, and what it hears.

use serde::Deserialize;
use sse_tower_tests::{Result, within};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{library, script};

/// Who.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// npm `eventsource`.
    EventSource,
    /// npm `@microsoft/fetch-event-source`.
    FetchEventSource,
    /// PyPI `httpx-sse`.
    HttpxSse,
    /// The crate `reqwest-eventsource`.
    ReqwestEventsource,
    /// The crate `eventsource-client`.
    EventsourceClient,
}

/// What a client told its program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Heard {
    Event(Event),
    /// It will not dial again.
    Stopped(Stopped),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) enum Stopped {
    #[serde(rename = "stopped")]
    Stopped,
}

/// One event, as the client's program gets it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
    pub(crate) id: String,
}

/// One running client. Dropping it ends it.
pub(crate) struct Client {
    heard: UnboundedReceiver<Heard>,
    _running: Running,
}

/// What runs it: a process or a task, which ends with this value.
pub(crate) type Running = Box<dyn std::any::Any + Send>;

/// The names that the library gives its own events, for the client that has to know them.
const CONTROL: [&str; 4] = ["stream-gap", "stream-reset", "stream-bye", "stream-ready"];

impl Client {
    /// Has `kind` listen to `url`. `names` are the program's own names of events.
    pub(crate) fn start(kind: Kind, url: &str, names: &[&str]) -> Result<Self> {
        let names: Vec<_> = names.iter().chain(&CONTROL).copied().collect();
        let (heard, running) = match kind {
            Kind::EventSource => script::start("eventsource", url, &names)?,
            Kind::FetchEventSource => script::start("fetch-event-source", url, &[])?,
            Kind::HttpxSse => script::start("httpx-sse", url, &[])?,
            Kind::ReqwestEventsource => library::reqwest_eventsource(url)?,
            Kind::EventsourceClient => library::eventsource_client(url)?,
        };
        Ok(Self { heard, _running: running })
    }

    /// What it hears next.
    pub(crate) async fn next(&mut self) -> Result<Heard> {
        let heard = within("what the client hears", self.heard.recv()).await?;
        Ok(heard.ok_or("the client ended")?)
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Result<Event> {
        match self.next().await? {
            Heard::Event(event) => Ok(event),
            Heard::Stopped(_) => Err("the client stopped".into()),
        }
    }

    /// The names and data of events up to one with `last` as its data.
    pub(crate) async fn through(&mut self, last: &str) -> Result<Vec<(String, String)>> {
        let mut all = Vec::new();
        loop {
            let event = self.event().await.map_err(|error| format!("{error}, after {all:?}"))?;
            let is_last = event.data == last;
            all.push((event.name, event.data));
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Everything that it has heard and nobody has asked for.
    pub(crate) fn more(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

/// The data of those that the program sent; the rest must be what the library says itself.
pub(crate) fn sent(events: &[(String, String)]) -> Vec<&str> {
    let own = events.iter().filter(|(name, _)| !CONTROL.contains(&name.as_str()));
    own.map(|(_, data)| data.as_str()).collect()
}
