//! `RedisEngine`: three connections and one for leases, and calls that begin when they are made.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::redis::cmd;
use sse_tower_core::backplane::{
    Answer, Batch, Engine, EngineError, EngineErrorKind, EngineFuture, Epoch, Feed, Loaded, Mark,
    NodeId, Position, Queue, Topic, Want,
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{
    begun::Begun,
    check,
    check::Found,
    decode, encode,
    error::{closed, garbled, silent},
    feed,
    feed::{Ask, Hearing},
    known::Claims,
    link::{CALL, Link, OwnLink},
    script::Script,
    settings::Settings,
    witness::Witness,
};

/// How many calls may be on their way at once, over all of an engine; one more is refused.
pub const MAX_CALLS: usize = 65_536;

/// How many topics are loaded by one run of the script, which holds up everybody else meanwhile.
const LOADED_AT_ONCE: usize = 64;

/// How long closing waits for what was begun.
const CLOSE: Duration = Duration::from_secs(3);

/// A Redis or Valkey, 6.2 or newer, as the store.
///
/// ```no_run
/// use sse_tower_backplane::redis::RedisEngine;
/// use sse_tower_core::backplane::{Engine, Feed};
///
/// # async fn example() -> Result<(), sse_tower_core::backplane::EngineError> {
/// let engine = RedisEngine::new("redis://user:password@10.0.0.5:6379/0", "shop")?;
/// let mark = engine.start(Feed::new(|item| println!("{item:?}"))).await?;
/// println!("the store stands at {}: {}", mark.position, engine.durability());
/// # Ok(())
/// # }
/// ```
pub struct RedisEngine {
    pub(super) settings: Settings,
    running: OnceLock<Running>,
    closed: AtomicBool,
    calls: Arc<Semaphore>,
}

/// What a started engine has.
pub(super) struct Running {
    runtime: Handle,
    found: Found,
    /// The name of this node's channel.
    name: Arc<str>,
    /// For appends and marks alone.
    stores: Arc<Link>,
    /// For loads, which may be long, and the queue.
    pub(super) loads: Arc<Link>,
    /// For leases, which go on while the program's runtime stands still.
    pub(super) leases: OwnLink,
    asks: mpsc::UnboundedSender<Ask>,
    pub(super) claims: Arc<Claims>,
    witness: Arc<Witness>,
}

impl RedisEngine {
    /// The Redis of this URL: `redis://user:password@host:6379/0`, `rediss://` for TLS by the system's certificates,
    /// `redis+unix:///path` for a socket, `valkey://` and `valkeys://` as other names. Different namespaces of one
    /// Redis know nothing of each other.
    ///
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// [`Refused`](EngineErrorKind::Refused): this is no such URL, or the namespace is empty or over [`MAX_NAMESPACE_BYTES`](super::MAX_NAMESPACE_BYTES). The
    /// error does not hold the URL.
    pub fn new(url: &str, namespace: &str) -> Result<Self, EngineError> {
        Ok(Self {
            settings: Settings::new(url, namespace)?,
            running: OnceLock::new(),
            closed: AtomicBool::new(false),
            calls: Arc::new(Semaphore::new(MAX_CALLS)),
        })
    }

    fn running(&self) -> Result<&Running, EngineError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        self.running.get().ok_or_else(|| EngineError::refused("this engine was not started"))
    }

    /// Begins a call. What `call` gives is polled before this returns.
    pub(super) fn begin<T, F>(
        &self,
        call: impl FnOnce(&Running) -> Result<F, EngineError>,
    ) -> EngineFuture<'static, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        let begun = self.running().and_then(|running| {
            let permit = self.calls.clone().try_acquire_owned();
            let permit = permit.map_err(|_| self.too_many())?;
            let call = call(running)?;
            Ok(Begun::new(&running.runtime, async move {
                let done = call.await;
                drop(permit);
                done
            }))
        });
        match begun {
            Ok(begun) => Box::pin(begun),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn too_many(&self) -> EngineError {
        match self.closed.load(Ordering::SeqCst) {
            true => closed(),
            false => {
                EngineError::unavailable(format!("{MAX_CALLS} calls are on their way already"))
            }
        }
    }
}

impl Engine for RedisEngine {
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        Box::pin(async move {
            if self.closed.load(Ordering::SeqCst) {
                return Err(closed());
            }
            let place = &self.settings.place;
            let name: Arc<str> = NodeId::random().to_string().into();
            let witness = Arc::new(Witness::default());
            let stores = Link::open(self.settings.clone(), witness.clone()).await?;
            let found =
                check::check(&stores, place, &name).await.inspect_err(|_| stores.close())?;
            let loads = Link::open(self.settings.clone(), witness.clone()).await;
            let loads = loads.inspect_err(|_| stores.close())?;
            let ears = feed::connect(&self.settings, &name).await;
            let ears = ears.inspect_err(|_| {
                stores.close();
                loads.close();
            })?;
            let (asks, asked) = mpsc::unbounded_channel();
            let (feed_name, feed_witness) = (name.clone(), witness.clone());
            let links = [stores.clone(), loads.clone()];
            let hearing =
                Hearing::new(self.settings.clone(), feed_name, feed, feed_witness, links, asked);
            let (runtime, claims) = (Handle::current(), Arc::<Claims>::default());
            let leases = OwnLink::new(self.settings.clone(), witness.clone());
            let running =
                Running { runtime, found, name, stores, loads, leases, asks, claims, witness };
            if let Err(running) = self.running.set(running) {
                running.end();
                return Err(EngineError::refused("this engine was started before"));
            }
            tokio::spawn(hearing.run(ears));
            found.warn(place);
            self.mark().await
        })
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let (stores, witness) = (running.stores.clone(), running.witness.clone());
            let call = encode::batch(stores.call(Script::Append), &batch)?;
            Ok(async move {
                let value = stores.run(call).await?;
                if decode::text(&value) == Some("superseded") {
                    return Err(EngineError::new(
                        EngineErrorKind::Superseded,
                        format!("a newer batch than {} was stored for this node", batch.number),
                    ));
                }
                let (epoch, answers) = decode::answers(&value).ok_or_else(|| garbled(&place))?;
                witness.stored(epoch, &batch, &answers);
                Ok(answers)
            })
        })
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let loads = running.loads.clone();
            Ok(async move {
                let parts = wants.chunks(LOADED_AT_ONCE).map(|part| {
                    let call = encode::wants(loads.call(Script::Load), part);
                    let (loads, place) = (&loads, &place);
                    async move {
                        let value = loads.run(call).await?;
                        let topics: Vec<_> = part.iter().map(|want| want.topic.clone()).collect();
                        decode::loaded(value, &topics).ok_or_else(|| garbled(place))
                    }
                });
                let parts = futures_util::future::try_join_all(parts).await?;
                Ok(parts.into_iter().flatten().collect())
            })
        })
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let (done, wait) = oneshot::channel();
            // Gone only after `close`, which the wait notices.
            let _ = running.asks.send(Ask::Follow(topics, done));
            Ok(async move {
                match timeout(CALL, wait).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(_)) => Err(closed()),
                    Err(_) => Err(silent(&place)),
                }
            })
        })
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        self.ask(Ask::Unfollow(topics));
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let (stores, witness) = (running.stores.clone(), running.witness.clone());
            let call = stores.call(Script::Mark).arg(Epoch::random().get()).arg(&*running.name);
            Ok(async move {
                let mark = stores.run(call).await?;
                let mark = decode::mark(&mark).ok_or_else(|| garbled(&place))?;
                witness.mark(mark);
                Ok(mark)
            })
        })
    }

    fn restart_feed(&self) {
        self.ask(Ask::Restart);
    }

    fn changed(&self, after: Position, limit: usize) -> EngineFuture<'_, Vec<(Topic, Position)>> {
        let place = self.settings.place.clone();
        self.begin(|running| {
            let loads = running.loads.clone();
            let mut command = cmd("ZRANGEBYSCORE");
            command.arg(format!("{}heads", place.prefix)).arg(format!("({after}")).arg("+inf");
            command.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit.min(i32::MAX as usize));
            Ok(async move {
                let value = loads.plain(&command, Instant::now() + CALL).await?;
                decode::changed(value).ok_or_else(|| garbled(&place))
            })
        })
    }

    fn queue(&self) -> Option<&dyn Queue> {
        Some(self)
    }

    fn durability(&self) -> &'static str {
        let durability = self.running.get().map(|running| running.found.durability);
        durability.unwrap_or(check::Durability::Unknown).sentence()
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        // Nothing is begun any more from here on, whether this is polled or not.
        let first = !self.closed.swap(true, Ordering::SeqCst);
        let running = self.running.get().filter(|_| first);
        Box::pin(async move {
            let Some(running) = running else { return Ok(()) };
            // All permits are back when everything has its answer.
            let _ = timeout(CLOSE, self.calls.acquire_many(MAX_CALLS as u32)).await;
            let (done, wait) = oneshot::channel();
            let _ = running.asks.send(Ask::Close(done));
            let _ = timeout(CLOSE, wait).await;
            running.end();
            Ok(())
        })
    }
}

impl RedisEngine {
    fn ask(&self, ask: Ask) {
        if let Ok(running) = self.running() {
            // Gone only after `close`, when nothing is followed.
            let _ = running.asks.send(ask);
        }
    }
}

impl Running {
    fn end(&self) {
        self.stores.close();
        self.loads.close();
        self.leases.close();
    }
}

impl Drop for RedisEngine {
    fn drop(&mut self) {
        // The feed's loop ends with its sender.
        if let Some(running) = self.running.get() {
            running.end();
        }
    }
}

impl fmt::Debug for RedisEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisEngine").field("settings", &self.settings).finish_non_exhaustive()
    }
}
