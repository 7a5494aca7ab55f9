//! The feed: one SUBSCRIBE connection, kept alive, with a loop of its own.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use ::redis::{
    Msg, RedisError,
    aio::{PubSubSink, PubSubStream},
};
use futures_util::{FutureExt, StreamExt, future::try_join_all, stream::FuturesUnordered};
use sse_tower_core::backplane::{EngineError, Epoch, Feed, FeedItem, Record, Topic};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};

use super::{
    decode,
    error::{explain, silent},
    link::{Backoff, CONNECT, Link},
    settings::Settings,
    witness::Witness,
};

/// How often the connection is asked whether it is still there.
const PING: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const PONG: Duration = Duration::from_millis(1_500);
/// How many channels are named in one command.
const CHANNELS: usize = 1_000;
/// How many messages are taken together at most.
const TOGETHER: usize = 512;

/// What is asked of the feed, in order.
pub(super) enum Ask {
    Follow(Vec<Topic>, oneshot::Sender<()>),
    Unfollow(Vec<Topic>),
    Restart,
    Close(oneshot::Sender<()>),
}

/// An open connection, before anything is followed.
pub(super) struct Ears {
    sink: PubSubSink,
    stream: PubSubStream,
}

/// The loop's own state.
pub(super) struct Hearing {
    settings: Settings,
    /// The name of the node's own channel, for marks.
    name: Arc<str>,
    feed: Feed,
    witness: Arc<Witness>,
    /// The node's other connections, which are asked when this one goes silent.
    links: [Arc<Link>; 2],
    asks: mpsc::UnboundedReceiver<Ask>,
    topics: HashMap<Box<str>, Topic>,
    /// Those who wait until their topics are followed, by the number of their wish.
    waiting: HashMap<u64, oneshot::Sender<()>>,
    wishes: u64,
}

/// Why listening ended.
enum End {
    Broke,
    Closed,
}

enum Done {
    /// A part of what is followed from the beginning of a connection.
    Part,
    Wish(u64),
    Pong,
}

type Doing = Pin<Box<dyn Future<Output = Result<Done, ()>> + Send>>;

/// Connects, and follows the two channels that every node has, which shows whether it may.
pub(super) async fn connect(settings: &Settings, name: &str) -> Result<Ears, EngineError> {
    let connect = async {
        let (mut sink, stream) = settings.client.get_async_pubsub().await?.split();
        let prefix = &settings.place.prefix;
        sink.subscribe(&[format!("{prefix}m:{name}"), format!("{prefix}b")]).await?;
        Ok(Ears { sink, stream })
    };
    timeout(CONNECT, connect)
        .await
        .map_err(|_| silent(&settings.place))?
        .map_err(|error: RedisError| explain(&settings.place, error))
}

async fn connect_after(
    wait: Duration,
    settings: Settings,
    name: Arc<str>,
) -> Result<Ears, EngineError> {
    sleep(wait).await;
    connect(&settings, &name).await
}

impl Hearing {
    pub(super) fn new(
        settings: Settings,
        name: Arc<str>,
        feed: Feed,
        witness: Arc<Witness>,
        links: [Arc<Link>; 2],
        asks: mpsc::UnboundedReceiver<Ask>,
    ) -> Self {
        let (topics, waiting) = (HashMap::new(), HashMap::new());
        Self { settings, name, feed, witness, links, asks, topics, waiting, wishes: 0 }
    }

    /// Hears until it is closed.
    pub(super) async fn run(mut self, ears: Ears) {
        let mut ears = Some(ears);
        let mut backoff = Backoff::new();
        while let Some(connected) = ears.take() {
            let begun = Instant::now();
            if let End::Closed = self.listen(connected).await {
                return;
            }
            self.feed.put(FeedItem::Broke);
            for link in self.links.clone() {
                tokio::spawn(async move { link.check().await });
            }
            // At once if it held for a while: mostly it was this connection alone.
            let wait = if begun.elapsed() > PING {
                backoff = Backoff::new();
                Duration::ZERO
            } else {
                backoff.next()
            };
            ears = self.reconnect(wait, &mut backoff).await;
        }
    }

    /// Another connection, or `None` once it is closed.
    async fn reconnect(&mut self, mut wait: Duration, backoff: &mut Backoff) -> Option<Ears> {
        loop {
            let mut attempt =
                Box::pin(connect_after(wait, self.settings.clone(), self.name.clone()));
            let connected = loop {
                tokio::select! {
                    connected = &mut attempt => break connected,
                    ask = self.asks.recv() => match ask {
                        Some(Ask::Follow(topics, done)) => {
                            self.want(topics, done);
                        }
                        Some(Ask::Unfollow(topics)) => {
                            self.forget(&topics);
                        }
                        // That is being done.
                        Some(Ask::Restart) => {}
                        Some(Ask::Close(done)) => {
                            let _ = done.send(());
                            return None;
                        }
                        None => return None,
                    },
                }
            };
            if let Ok(ears) = connected {
                return Some(ears);
            }
            wait = backoff.next();
        }
    }

    fn want(&mut self, topics: Vec<Topic>, done: oneshot::Sender<()>) -> u64 {
        for topic in topics {
            self.topics.insert(topic.as_str().into(), topic);
        }
        self.wishes += 1;
        self.waiting.insert(self.wishes, done);
        self.wishes
    }

    fn forget(&mut self, topics: &[Topic]) {
        for topic in topics {
            self.topics.remove(topic.as_str());
        }
    }

    fn channels<'a>(&self, topics: impl Iterator<Item = &'a Topic>) -> Vec<String> {
        let prefix = &self.settings.place.prefix;
        topics.map(|topic| format!("{prefix}c:{}", topic.as_str())).collect()
    }

    /// Follows everything, says when that is so, and then hears.
    async fn listen(&mut self, ears: Ears) -> End {
        let Ears { mut sink, mut stream } = ears;
        let mut doing = FuturesUnordered::<Doing>::new();
        let mut parts = 0_usize;
        let before = self.wishes;
        for part in self.channels(self.topics.values()).chunks(CHANNELS) {
            parts += 1;
            begin(&doing, follow(&sink, part.to_vec(), Done::Part));
        }
        let mut whole = false;
        let mut ping = interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = false;
        loop {
            if parts == 0 && !whole {
                whole = true;
                self.feed.put(FeedItem::Whole);
                // Those who wished on this connection wait for their own command.
                self.answer_up_to(before);
            }
            tokio::select! {
                message = stream.next() => {
                    let Some(message) = message else { return End::Broke };
                    self.hear(message, &mut stream);
                }
                Some(done) = doing.next(), if !doing.is_empty() => match done {
                    Ok(Done::Part) => parts -= 1,
                    Ok(Done::Wish(wish)) => {
                        if let Some(done) = self.waiting.remove(&wish) {
                            let _ = done.send(());
                        }
                    }
                    Ok(Done::Pong) => asked = false,
                    Err(()) => return End::Broke,
                },
                ask = self.asks.recv() => match ask {
                    Some(Ask::Follow(topics, done)) => {
                        let channels = self.channels(topics.iter());
                        let wish = self.want(topics, done);
                        begin(&doing, follow(&sink, channels, Done::Wish(wish)));
                    }
                    Some(Ask::Unfollow(topics)) => {
                        let channels = self.channels(topics.iter());
                        self.forget(&topics);
                        // Sent by the first poll, in its place; nobody waits for the answer.
                        let _ = sink.unsubscribe(channels).now_or_never();
                    }
                    Some(Ask::Restart) => return End::Broke,
                    Some(Ask::Close(done)) => {
                        let _ = done.send(());
                        return End::Closed;
                    }
                    None => return End::Closed,
                },
                _ = ping.tick(), if !asked => {
                    asked = true;
                    let mut sink = sink.clone();
                    let pong = async move {
                        match timeout(PONG, sink.ping::<::redis::Value>()).await {
                            Ok(Ok(_)) => Ok(Done::Pong),
                            _ => Err(()),
                        }
                    };
                    begin(&doing, Box::pin(pong));
                }
            }
        }
    }

    fn answer_up_to(&mut self, last: u64) {
        let early = self.waiting.extract_if(|wish, _| *wish <= last);
        for (_, done) in early {
            let _ = done.send(());
        }
    }

    /// Passes a message on, and those that wait behind it.
    fn hear(&self, first: Msg, stream: &mut PubSubStream) {
        let mut heard =
            Heard { feed: &self.feed, witness: &self.witness, epoch: None, records: Vec::new() };
        let mut next = Some(first);
        let mut count = 0;
        while let Some(message) = next {
            self.take(&message, &mut heard);
            count += 1;
            next = if count < TOGETHER { stream.next().now_or_never().flatten() } else { None };
        }
        heard.flush();
    }

    fn take(&self, message: &Msg, heard: &mut Heard<'_>) {
        let Some(channel) = message.get_channel_name().strip_prefix(&*self.settings.place.prefix)
        else {
            return;
        };
        let payload = message.get_payload_bytes();
        match channel.split_once(':') {
            Some(("c", name)) => {
                // Not followed any more, and the store has not heard of that yet.
                let Some(topic) = self.topics.get(name) else { return };
                heard.records(topic, payload);
            }
            Some(("m", _)) => {
                if let Some(mark) = decode::mark_text(payload) {
                    heard.flush();
                    self.witness.mark(mark);
                    self.feed.put(FeedItem::Mark(mark));
                }
            }
            _ => {
                heard.flush();
                self.feed.put(FeedItem::Bell);
            }
        }
    }
}

/// Records of one epoch that came together.
struct Heard<'a> {
    feed: &'a Feed,
    witness: &'a Witness,
    epoch: Option<Epoch>,
    records: Vec<Record>,
}

impl Heard<'_> {
    fn records(&mut self, topic: &Topic, message: &[u8]) {
        let mut new = Vec::new();
        let Some(epoch) = decode::records(topic, message, &mut new) else {
            // Somebody else's message in our channel. What it hides is found by the audit of heads.
            return;
        };
        if self.epoch.is_some_and(|before| before != epoch) {
            self.flush();
        }
        self.epoch = Some(epoch);
        self.records.append(&mut new);
    }

    fn flush(&mut self) {
        let records = std::mem::take(&mut self.records);
        if let (Some(epoch), false) = (self.epoch, records.is_empty()) {
            self.witness.heard(epoch, &records);
            self.feed.put(FeedItem::Records { epoch, records });
        }
    }
}

fn follow(sink: &PubSubSink, channels: Vec<String>, done: Done) -> Doing {
    // All of them are sent by the first poll, so that what is asked next stands behind them.
    let parts: Vec<_> = channels
        .chunks(CHANNELS)
        .map(|part| {
            let (mut sink, part) = (sink.clone(), part.to_vec());
            async move { sink.subscribe(part).await }
        })
        .collect();
    Box::pin(async move {
        try_join_all(parts).await.map_err(|_| ())?;
        Ok(done)
    })
}

/// Polls once, so that what is sent has its place among what is sent after it.
fn begin(doing: &FuturesUnordered<Doing>, mut new: Doing) {
    match (&mut new).now_or_never() {
        None => doing.push(new),
        // Its end is handled where all are.
        Some(done) => doing.push(Box::pin(std::future::ready(done))),
    }
}
