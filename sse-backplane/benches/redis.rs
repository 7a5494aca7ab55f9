//! Redis as a backplane, beside what the same crate does bare: `cargo bench -p sse-tower-backplane --features redis --bench redis`.
//!
//! Both sides of a pair run in turns in one process on one server, since a machine is never as quick as it was; the figure is
//! the median of the rounds' ratios. All that one side has and the other does not is the backplane: both end with a
//! `send` of emitters whose page is open over a socket.

mod measure;
#[path = "measure/nodes.rs"]
mod nodes;

use engine_servers::Redis;
use futures_util::StreamExt;
use measure::{report, rounds};
use nodes::{IN_FLIGHT, KEY, KEYS, Page, Result, There, hops, rate, sends, text};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use sse_tower_core::Emitters;

const ROUNDS: usize = 7;
const SENDS: usize = 1_000 * IN_FLIGHT;
const HOPS: usize = 2_000;
/// How many events a key keeps at least.
const KEPT: usize = 116;

/// The least that gives a position, stores an event within its history and tells others.
const BARE: &str = "
    local time = redis.call('TIME')
    local last = tonumber(redis.call('GET', KEYS[1]) or 0)
    local position = string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
    redis.call('SET', KEYS[1], position)
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], position, 'b', ARGV[2])
    redis.call('PUBLISH', KEYS[2], ARGV[2])
    return position";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let rounds = rounds(ROUNDS);
    let server = Redis::start()?;
    let url = server.url();
    let client = Client::open(&*url)?;
    let (mut rates, mut published, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        rates.push((sends(&url, SENDS).await?, bare_sends(&client).await?));
        let hop = hops(&url, HOPS).await?;
        published.push((hop, bare_hops(&client, false).await?));
        stored.push((hop, bare_hops(&client, true).await?));
    }
    report("sends/s, 64 in flight: backplane, bare script pipelined", &rates);
    report(
        "microseconds from send to another node's socket (p50): backplane, PUBLISH to SUBSCRIBE to send",
        &published,
    );
    report("the same: backplane, bare script to SUBSCRIBE to send", &stored);
    Ok(())
}

async fn connect(client: &Client) -> Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

/// What makes bare calls.
#[derive(Clone)]
struct Bare {
    connection: MultiplexedConnection,
    script: String,
}

impl Bare {
    async fn open(client: &Client) -> Result<Self> {
        let mut connection = connect(client).await?;
        let script =
            redis::cmd("SCRIPT").arg("LOAD").arg(BARE).query_async(&mut connection).await?;
        Ok(Self { connection, script })
    }

    async fn store(&mut self, key: u64, text: &str) -> Result<()> {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.script).arg(2).arg("{bare}:last").arg(channel(key)).arg(KEPT).arg(text);
        let _: String = call.query_async(&mut self.connection).await?;
        Ok(())
    }

    async fn publish(&mut self, key: u64, text: &str) -> Result<()> {
        let mut call = redis::cmd("PUBLISH");
        let _: u64 = call.arg(channel(key)).arg(text).query_async(&mut self.connection).await?;
        Ok(())
    }
}

fn channel(key: u64) -> String {
    format!("{{bare}}:{key}")
}

async fn bare_sends(client: &Client) -> Result<f64> {
    let bare = Bare::open(client).await?;
    let send = |number: usize| {
        let mut bare = bare.clone();
        async move { bare.store(number as u64 % KEYS, &text(number)).await }
    };
    rate(SENDS, send).await
}

/// From the command to the page of whoever subscribed, and sends what comes.
async fn bare_hops(client: &Client, stored: bool) -> Result<f64> {
    let (there, heard) = (There::new()?, client.clone());
    let page = there
        .run(async move {
            let (mut sink, mut stream) = heard.get_async_pubsub().await?.split();
            sink.subscribe(channel(KEY)).await?;
            let emitters = Emitters::new();
            let page = Page::open(&emitters).await?;
            tokio::spawn(async move {
                let _subscribed = sink;
                while let Some(message) = stream.next().await {
                    let text = String::from_utf8_lossy(message.get_payload_bytes()).into_owned();
                    // Done by the call.
                    drop(emitters.send(&KEY, text));
                }
            });
            Ok(page)
        })
        .await?;
    let bare = Bare::open(client).await?;
    let send = async |number| {
        let mut bare = bare.clone();
        match stored {
            true => bare.store(KEY, &text(number)).await,
            false => bare.publish(KEY, &text(number)).await,
        }
    };
    page.hops(HOPS, send).await
}
