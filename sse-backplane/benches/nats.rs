//! NATS as a backplane, beside what the same crate does bare: `cargo bench -p sse-tower-backplane --features nats --bench nats`.
//!
//! Both sides of a pair run in turns in one process on one server, since a machine is never as quick as it was; the figure is
//! the median of the rounds' ratios. JetStream writes to a file and syncs it when it likes, as it does by default.

mod measure;
#[path = "measure/nodes.rs"]
mod nodes;

use async_nats::jetstream::{self, stream::Config};
use engine_servers::Nats;
use futures_util::StreamExt;
use measure::{report, rounds};
use nodes::{IN_FLIGHT, KEY, KEYS, Page, Result, There, hops, rate, sends, text};
use sse_tower_core::Emitters;

const ROUNDS: usize = 7;
const SENDS: usize = 300 * IN_FLIGHT;
const HOPS: usize = 1_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let rounds = rounds(ROUNDS);
    let server = Nats::start().await?;
    let client = async_nats::connect(server.url()).await?;
    let stream = jetstream::new(client.clone());
    let config =
        Config { name: "bare".into(), subjects: vec!["bare.>".into()], ..Config::default() };
    stream.create_stream(config).await?;
    let url = server.url();
    let (mut rates, mut stored, mut published) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        rates.push((sends(&url, SENDS).await?, bare_sends(&stream).await?));
        let hop = hops(&url, HOPS).await?;
        stored.push((hop, bare_hops(&url, &client, Some(&stream)).await?));
        published.push((hop, bare_hops(&url, &client, None).await?));
    }
    report("sends/s, 64 in flight: backplane, JetStream publish with acknowledgement", &rates);
    report(
        "microseconds from send to another node's socket (p50): backplane, JetStream publish to subscription to send",
        &stored,
    );
    report("the same: backplane, publish that stores nothing", &published);
    Ok(())
}

async fn bare_sends(stream: &jetstream::Context) -> Result<f64> {
    let send = |number: usize| {
        let stream = stream.clone();
        async move {
            let subject = format!("bare.{}", number as u64 % KEYS);
            stream.publish(subject, text(number).into()).await?.await?;
            Ok(())
        }
    };
    rate(SENDS, send).await
}

/// From the publish to the page of whoever subscribed, and sends what comes.
async fn bare_hops(
    url: &str,
    client: &async_nats::Client,
    stream: Option<&jetstream::Context>,
) -> Result<f64> {
    let (there, subject) = (There::new()?, format!("bare.{KEY}"));
    let (url, heard) = (url.to_owned(), subject.clone());
    let page = there
        .run(async move {
            let client = async_nats::connect(url).await?;
            let mut heard = client.subscribe(heard).await?;
            let emitters = Emitters::new();
            let page = Page::open(&emitters).await?;
            tokio::spawn(async move {
                let _subscribed = client;
                while let Some(message) = heard.next().await {
                    let text = String::from_utf8_lossy(&message.payload).into_owned();
                    // Done by the call.
                    drop(emitters.send(&KEY, text));
                }
            });
            Ok(page)
        })
        .await?;
    let send = async |number| {
        match stream {
            Some(stream) => {
                stream.publish(subject.clone(), text(number).into()).await?.await?;
            }
            None => client.publish(subject.clone(), text(number).into()).await?,
        }
        Ok(())
    };
    page.hops(HOPS, send).await
}
