//! `NatsEngine`: the engine's calls.

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use sse_tower_core::backplane::{
    Answer, Batch, Change, Engine, EngineError, EngineFuture, Feed, Loaded, MAX_RECORD_BYTES, Mark,
    Position, Queue, Topic, Want,
    replicated::{Applied, Command},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{
    home::Home,
    session::{self, MarkAsked, Shared, closed},
};

/// How long a call may take.
const CALL: Duration = Duration::from_millis(2_500);

/// A connection to one namespace in NATS JetStream. Made by [`connect`](super::connect).
///
/// Dropping it closes it.
pub struct NatsEngine {
    shared: Arc<Shared>,
    running: OnceLock<Running>,
    home: Home,
}

struct Running {
    /// Gone once the engine was closed.
    marks: Mutex<Option<mpsc::UnboundedSender<MarkAsked>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl NatsEngine {
    pub(super) fn new(shared: Shared, home: Home) -> Self {
        Self { shared: Arc::new(shared), running: OnceLock::new(), home }
    }

    fn marks(&self) -> Result<mpsc::UnboundedSender<MarkAsked>, EngineError> {
        let running = self
            .running
            .get()
            .ok_or_else(|| EngineError::refused("this engine was not started"))?;
        let marks = running.marks.lock().clone();
        marks.ok_or_else(closed)
    }

    /// Runs a call to its end, whoever still waits for it.
    pub(super) fn call<T, F>(
        &self,
        call: impl FnOnce(Arc<Shared>, mpsc::UnboundedSender<MarkAsked>) -> F,
    ) -> EngineFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        match self.marks() {
            Ok(marks) => {
                let call = call(self.shared.clone(), marks);
                self.home.run(async move {
                    timeout(CALL, call).await.unwrap_or_else(|_| {
                        Err(EngineError::unavailable("NATS did not answer within 2.5 s"))
                    })
                })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn end(&self) {
        if let Some(running) = self.running.get() {
            running.marks.lock().take();
        }
    }
}

impl Engine for NatsEngine {
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        Box::pin(async move {
            if self.shared.feed.set(feed).is_err() {
                return Err(EngineError::refused("this engine was started before"));
            }
            let (marks, asked) = mpsc::unbounded_channel();
            let (ready, first) = oneshot::channel();
            let task = self.home.handle.spawn(session::run(self.shared.clone(), asked, ready));
            let running = Running { marks: Mutex::new(Some(marks)), task: Mutex::new(Some(task)) };
            // `start` comes this far once.
            let _ = self.running.set(running);
            first.await.unwrap_or_else(|_| Err(closed()))
        })
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        if let Some(error) = batch.entries.iter().find_map(|entry| unfit(&entry.change)) {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.call(|shared, _marks| async move {
            match shared.run(&Command::Append(batch)).await? {
                Applied::Appended { answers, .. } => answers,
                other => Err(strange(&other)),
            }
        })
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        self.call(|shared, _marks| async move {
            shared.reach(shared.last_sequence().await?).await;
            let load = |replica: &super::replica::Replica| {
                wants.iter().map(|want| replica.ledger.load(want)).collect()
            };
            shared.look(load).ok_or_else(closed)
        })
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        let started = self.marks().map(|_| self.shared.follow(topics));
        Box::pin(std::future::ready(started))
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        self.shared.unfollow(&topics);
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        self.call(|shared, marks| async move {
            let at = shared.last_sequence().await?;
            let (answer, mark) = oneshot::channel();
            marks.send(MarkAsked { at, answer }).map_err(|_| closed())?;
            mark.await.map_err(|_| EngineError::unavailable("the feed is being connected anew"))
        })
    }

    fn restart_feed(&self) {
        self.shared.restart.notify_one();
    }

    fn changed(&self, after: Position, limit: usize) -> EngineFuture<'_, Vec<(Topic, Position)>> {
        self.call(move |shared, _marks| async move {
            shared.reach(shared.last_sequence().await?).await;
            shared.look(|replica| replica.ledger.changed(after, limit)).ok_or_else(closed)
        })
    }

    fn queue(&self) -> Option<&dyn Queue> {
        Some(self)
    }

    fn durability(&self) -> &'static str {
        "NATS syncs to disk every two minutes unless `sync_interval` says otherwise: what was stored since is lost if \
         the machine loses power"
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        self.end();
        let client = self.shared.context.client();
        // Behind the calls that were begun. What was published is on its way; the server has it when it answers this.
        let flushed = self.home.run(async move {
            let _ = timeout(CALL, client.flush()).await;
            Ok(())
        });
        let task = self.running.get().and_then(|running| running.task.lock().take());
        Box::pin(async move {
            let _ = flushed.await;
            if let Some(task) = task {
                // Nothing is fed any more once it has ended.
                task.abort();
                let _ = task.await;
            }
            Ok(())
        })
    }
}

impl Drop for NatsEngine {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for NatsEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsEngine").field("names", &self.shared.names).finish_non_exhaustive()
    }
}

/// What no node could apply is refused before it is sent.
fn unfit(change: &Change) -> Option<EngineError> {
    match change {
        Change::Event { body, .. } if body.len() > MAX_RECORD_BYTES => {
            let (size, most) = (body.len(), MAX_RECORD_BYTES);
            Some(EngineError::refused(format!("an event of {size} bytes is more than {most}")))
        }
        _ => None,
    }
}

/// An answer of another kind than the question.
pub(super) fn strange(answer: &dyn fmt::Debug) -> EngineError {
    EngineError::refused(format!("the store answered something else: {answer:?}"))
}
