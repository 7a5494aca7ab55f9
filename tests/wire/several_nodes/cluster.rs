//! Three processes of `topics`, publishers that know what was stored, and clients that move from node to node.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use engine_servers::{Nats, Postgres, Redis, wanted};
use sse_tower_tests::{EventText, Program, Result, Stream, request, within};
use tokio::task::JoinSet;
use tokio::time::sleep;

const NODES: usize = 3;
const TOPICS: usize = 4;
const CLIENTS: usize = 12;
const PUBLISHERS: usize = 4;
/// Between two events of a publisher: well below what an engine takes, and more than nothing in every moment.
const BETWEEN: Duration = Duration::from_millis(15);
/// Between two dials of a client that finds nobody.
const AGAIN: Duration = Duration::from_millis(20);
/// What each topic ends with.
const END: &str = "end";

/// Three nodes, and all that goes on between them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Program>,
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    moves: Arc<AtomicUsize>,
    publishers: JoinSet<Result<Stored>>,
    clients: JoinSet<Result<Seen>>,
}

/// What was stored, by what its publishers were told.
#[derive(Default)]
struct Stored {
    surely: BTreeSet<String>,
    /// Nobody knows of these.
    perhaps: BTreeSet<String>,
}

/// What a client got: ids and texts.
struct Seen {
    topic: usize,
    events: Vec<(String, String)>,
}

impl Cluster {
    pub(crate) async fn start(url: &str) -> Result<Self> {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            nodes.push(Program::start_with("topics", &["--backplane", url]).await?);
        }
        let addresses: Vec<_> = nodes.iter().map(Program::address).collect();
        let stop = Arc::<AtomicBool>::default();
        let moves = Arc::<AtomicUsize>::default();
        let (mut publishers, mut clients) = (JoinSet::new(), JoinSet::new());
        for client in 0..CLIENTS {
            clients.spawn(follow(client, addresses.clone(), moves.clone()));
        }
        for publisher in 0..PUBLISHERS {
            publishers.spawn(publish(publisher, addresses.clone(), stop.clone()));
        }
        Ok(Self { nodes, addresses, stop, moves, publishers, clients })
    }

    /// How often a client found its node gone so far.
    pub(crate) fn moves(&self) -> usize {
        self.moves.load(Ordering::Relaxed)
    }

    /// Ends the load, waits until everybody has everything, and compares.
    pub(crate) async fn has_lost_nothing(mut self) -> Result {
        self.stop.store(true, Ordering::Relaxed);
        let mut stored = Stored::default();
        while let Some(told) = within("the end of a publisher", self.publishers.join_next()).await?
        {
            let told = told??;
            stored.surely.extend(told.surely);
            stored.perhaps.extend(told.perhaps);
        }
        for topic in 0..TOPICS {
            let target = format!("/publish?topic=t{topic}&content={END}");
            assert_eq!(request(self.addresses[0], "POST", &target, &[]).await?.status, 200);
        }
        let mut orders = vec![None; TOPICS];
        while let Some(seen) = within("the end of a client", self.clients.join_next()).await? {
            let Seen { topic, events } = seen??;
            let texts: BTreeSet<_> = events.iter().map(|(_, text)| text.clone()).collect();
            assert_eq!(texts.len(), events.len(), "something came twice");
            let of_topic = |text: &&String| text.starts_with(&format!("t{topic}."));
            let lost: Vec<_> = stored
                .surely
                .iter()
                .filter(of_topic)
                .filter(|text| !texts.contains(*text))
                .collect();
            assert!(lost.is_empty(), "of {} lost: {lost:?}", texts.len());
            for text in texts.iter().filter(|text| *text != END) {
                let known = stored.surely.contains(text) || stored.perhaps.contains(text);
                assert!(known && of_topic(&text), "{text} was never sent to t{topic}");
            }
            let order = orders[topic].get_or_insert_with(|| events.clone());
            assert_eq!(*order, events, "one order for everybody");
        }
        assert!(stored.surely.len() > 100, "only {} events were stored", stored.surely.len());
        Ok(())
    }
}

/// Publishes at one node after the other, each text once.
async fn publish(
    publisher: usize,
    nodes: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
) -> Result<Stored> {
    let mut stored = Stored::default();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let topic = number % TOPICS;
        let text = format!("t{topic}.{publisher}.{number}");
        let target = format!("/publish?topic=t{topic}&content={text}");
        let node = nodes[(publisher + number) % nodes.len()];
        match request(node, "POST", &target, &[]).await {
            Ok(answer) if answer.status == 200 => stored.surely.insert(text),
            // Killed before it answered, or draining, or not there at all.
            _ => stored.perhaps.insert(text),
        };
        sleep(BETWEEN).await;
    }
    Ok(stored)
}

/// Reads one topic until its end, at another node whenever one is gone, as a browser behind a load balancer does.
async fn follow(client: usize, nodes: Vec<SocketAddr>, moves: Arc<AtomicUsize>) -> Result<Seen> {
    let topic = client % TOPICS;
    let target = format!("/subscribe?topic=t{topic}");
    let mut seen = Seen { topic, events: Vec::new() };
    for node in (client..).map(|next| nodes[next % nodes.len()]) {
        let last = seen.events.last().map(|(id, _)| id.clone());
        let headers: Vec<_> = last.iter().map(|id| ("last-event-id", id.as_str())).collect();
        let Ok(mut stream) = Stream::at(node, &target, &headers).await else {
            sleep(AGAIN).await;
            continue;
        };
        while let Ok(Some(event)) = stream.next().await {
            match event.field("event") {
                Some("message") => {}
                Some("stream-bye") => continue,
                _ => {
                    return Err(format!("client {client} was told {event:?} after {last:?}").into());
                }
            }
            let id = event.field("id").ok_or("an event without an id")?.to_owned();
            let text = event.field("data").ok_or("an event without data")?.to_owned();
            let is_end = text == END;
            seen.events.push((id, text));
            if is_end {
                return Ok(seen);
            }
        }
        moves.fetch_add(1, Ordering::Relaxed);
    }
    Ok(seen)
}

/// Runs `scenario` on a real server, if that engine is exercised.
pub(crate) async fn on_redis(scenario: impl AsyncFnOnce(&str) -> Result) -> Result {
    if !wanted("redis") {
        return Ok(());
    }
    scenario(&Redis::start()?.url()).await
}

pub(crate) async fn on_postgres(scenario: impl AsyncFnOnce(&str) -> Result) -> Result {
    if !wanted("postgres") {
        return Ok(());
    }
    scenario(&Postgres::start()?.url()).await
}

pub(crate) async fn on_nats(scenario: impl AsyncFnOnce(&str) -> Result) -> Result {
    if !wanted("nats") {
        return Ok(());
    }
    scenario(&Nats::start().await?.url()).await
}
