//! Clients that are crates.

use eventsource_client::{Client as _, ClientBuilder, SSE};
use futures_util::{Stream, StreamExt};
use reqwest_eventsource::{Event as Reqwest, EventSource};
use sse_tower_tests::Result;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use crate::client::{Event, Heard, Running, Stopped};

type Started = (UnboundedReceiver<Heard>, Running);

/// Tells what `stream` hears, and when it is over.
fn listen(mut stream: impl Stream<Item = Heard> + Unpin + Send + 'static) -> Started {
    let (heard, receiver) = unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(what) = stream.next().await {
            let is_last = matches!(what, Heard::Stopped(_));
            if heard.send(what).is_err() || is_last {
                return;
            }
        }
        let _ = heard.send(Heard::Stopped(Stopped::Stopped));
    });
    (receiver, Box::new(tasks))
}

/// It dials again by itself after an end or an error, and stops at any status but 200.
pub(crate) fn reqwest_eventsource(url: &str) -> Result<Started> {
    let source = EventSource::get(url);
    let events = source.filter_map(async |item| match item {
        Ok(Reqwest::Message(event)) => {
            Some(Heard::Event(Event { name: event.event, data: event.data, id: event.id }))
        }
        Ok(Reqwest::Open) => None,
        Err(reqwest_eventsource::Error::InvalidStatusCode(..)) => {
            Some(Heard::Stopped(Stopped::Stopped))
        }
        Err(_) => None,
    });
    Ok(listen(Box::pin(events)))
}

/// It dials again by itself after an end, an error, and a 204, of which it knows nothing.
pub(crate) fn eventsource_client(url: &str) -> Result<Started> {
    let client = ClientBuilder::for_url(url)?.build_http();
    let events = client.stream().filter_map(async |item| match item {
        Ok(SSE::Event(event)) => Some(Heard::Event(Event {
            name: event.event_type,
            data: event.data,
            id: event.id.unwrap_or_default(),
        })),
        Ok(SSE::Comment(_) | SSE::Connected(_)) => None,
        Err(_) => None,
    });
    Ok(listen(Box::pin(events)))
}
