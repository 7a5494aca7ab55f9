//! `Shared`: what a node's tasks and its users share.

use std::{error::Error, future::Future, sync::Weak};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    bell::Bell,
    error::BackplaneError,
    health::{Health, Monitor, Trouble},
    options::{NodeOptions, is_mutant},
    outgoing::{Done, Outgoing},
    shown::Shown,
    sink::{After, Sink, Waiter},
    table::{News, Owner, Table},
};
use crate::{
    backplane::{
        Change, Engine, EngineError, Entry, Feed, FeedItem, MAX_RECORD_BYTES, Mark, NodeId, Topic,
    },
    boxed::{BoxFuture, spawn},
    observe,
    sync::{
        Arc, Mutex, lock,
        plain::{Mutex as PlainMutex, lock as lock_plain},
    },
};

/// Whether a copy is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    Live,
    Waits,
}

/// One node.
pub(crate) struct Shared {
    engine: Arc<dyn Engine>,
    id: NodeId,
    options: NodeOptions,
    /// `None` if there was none, and no thread for one could be made.
    runtime: Option<Handle>,
    shown: Arc<Shown>,
    monitor: Monitor,
    table: Mutex<Table>,
    /// The bells of those who look into the queue.
    bells: PlainMutex<Vec<Weak<Bell>>>,
    outgoing: Mutex<Queue>,
    /// There is something to store, or the end.
    pub(super) to_send: Notify,
    /// There is something to follow, load or ask for.
    pub(super) to_drive: Notify,
    /// Something is due earlier than before.
    pub(super) to_time: Notify,
    /// The feed has brought a mark.
    pub(super) marked: Notify,
    /// Something has left the outgoing queue.
    settled: Notify,
    /// The outcome of the start.
    started: watch::Sender<Option<Result<(), Arc<EngineError>>>>,
    /// Its tasks end.
    ended: CancellationToken,
    /// Everything has ended.
    over: CancellationToken,
}

#[derive(Default)]
struct Queue {
    changes: Outgoing,
    closed: bool,
}

impl Shared {
    /// A node of which nothing runs yet: see `start.rs`.
    pub(super) fn new(engine: Arc<dyn Engine>, options: NodeOptions) -> Arc<Self> {
        let over = CancellationToken::new();
        let runtime = Handle::try_current().or_else(|_| own_runtime(&over));
        if let Err(error) = &runtime {
            observe::backplane_trouble("thread", error);
        }
        let closed = runtime.is_err();
        let runtime = runtime.ok();
        let shown = Arc::new(Shown::new());
        Arc::new(Self {
            engine,
            id: NodeId::random(),
            options,
            runtime,
            shown: Arc::clone(&shown),
            monitor: Monitor::new(),
            table: Mutex::new(Table::new(shown, options)),
            bells: PlainMutex::default(),
            outgoing: Mutex::new(Queue { changes: Outgoing::default(), closed }),
            to_send: Notify::new(),
            to_drive: Notify::new(),
            to_time: Notify::new(),
            marked: Notify::new(),
            settled: Notify::new(),
            started: watch::Sender::new(None),
            ended: CancellationToken::new(),
            over,
        })
    }

    /// Notes that the start failed, and is tried again.
    pub(super) fn has_not_started(&self, error: EngineError) {
        observe::backplane_trouble("start", &error);
        self.started.send_replace(Some(Err(Arc::new(error))));
    }

    pub(super) fn feed(self: &Arc<Self>) -> Feed {
        let shared: Weak<Self> = Arc::downgrade(self);
        Feed::new(move |item| {
            if let Some(shared) = shared.upgrade() {
                shared.hear(item);
            }
        })
    }

    pub(super) fn has_started(self: &Arc<Self>, mark: Mark) {
        self.trouble(Trouble::Start, false);
        self.hear(FeedItem::Mark(mark));
        self.started.send_replace(Some(Ok(())));
    }

    pub(super) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let task: BoxFuture<()> = Box::pin(task);
        let (ended, cut_off) = (self.ended.clone(), CutOff(Some(Arc::clone(self))));
        if let Some(runtime) = &self.runtime {
            spawn(runtime, async move {
                ended.run_until_cancelled(task).await;
                cut_off.was_done();
            });
        }
    }

    /// Waits until the store has answered for the first time.
    pub(crate) async fn started(&self) -> Result<(), EngineError> {
        let mut started = self.started.subscribe();
        let outcome = started.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                let copy = EngineError::new(error.kind(), error.to_string());
                Err(match error.source() {
                    Some(_) => copy.with_source(CauseOf(error)),
                    None => copy,
                })
            }
            None => Err(EngineError::unavailable("backplane was closed while it was opened")),
        }
    }

    // What it is made of.

    pub(super) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The engine, for those who look into its queue.
    pub(crate) fn shared_engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine)
    }

    pub(super) const fn id(&self) -> NodeId {
        self.id
    }

    pub(crate) const fn options(&self) -> &NodeOptions {
        &self.options
    }

    pub(crate) const fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    pub(crate) const fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.monitor.watch()
    }

    pub(super) const fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Notes that this is wrong, or is not any more.
    pub(super) fn trouble(&self, trouble: Trouble, wrong: bool) {
        if self.monitor.set(trouble, wrong) {
            self.to_time.notify_one();
        }
    }

    // The table.

    /// Does something with the table, and then what it led to.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Table, &mut News, &mut After) -> R) -> R {
        let (mut news, mut after) = (News::default(), After::default());
        let result = act(&mut lock(&self.table), &mut news, &mut after);
        if news.work {
            self.to_drive.notify_one();
        }
        if news.timer {
            self.to_time.notify_one();
        }
        after.run();
        result
    }

    /// Does what a connection does: joins its topics, and waits if it has to. Nothing comes in between.
    pub(crate) fn join<R>(&self, act: impl FnOnce(&mut Joining<'_>) -> R) -> R {
        let options = &self.options;
        self.with(|table, news, after| act(&mut Joining { table, news, options, after }))
    }

    /// Counts one user of a topic less.
    pub(crate) fn leave(&self, topic: &Topic, owner: Owner) {
        self.with(|table, news, _| table.leave(topic, owner, Instant::now(), news));
    }

    /// Notes that what is here of a topic is not complete any more.
    pub(crate) fn evict(&self, topic: &Topic, owner: Owner) {
        self.with(|table, news, _| table.evict(topic, owner, news));
    }

    /// Notes that a waiting connection is over.
    pub(crate) fn stop_waiting(&self, waiter: u64) {
        self.with(|table, _, _| table.stop_waiting(waiter));
    }

    /// Whoever holds this sees the logs between two items of the feed.
    pub(crate) fn between(&self) {
        drop(lock(&self.table));
    }

    fn hear(&self, item: FeedItem) {
        // What rang while the feed was broken is lost, and so is what was known in another epoch.
        let mut rings = matches!(item, FeedItem::Bell | FeedItem::Whole);
        let marks = matches!(item, FeedItem::Mark(_));
        let broken = match item {
            FeedItem::Broke => Some(true),
            FeedItem::Whole => Some(false),
            _ => None,
        };
        if let Some(broken) = broken {
            self.trouble(Trouble::Feed, broken);
        }
        if broken == Some(true) {
            observe::backplane_resync();
        }
        if broken.is_some() && is_mutant!(self.options, BreaksAreNothing) {
            return;
        }
        let before = self.shown.epoch();
        self.with(|table, news, after| match item {
            FeedItem::Records { epoch, records } if is_mutant!(self.options, EpochOfMarksAlone) => {
                table.records(table.epoch().unwrap_or(epoch), records, news, after);
            }
            FeedItem::Records { epoch, records } => table.records(epoch, records, news, after),
            FeedItem::Mark(mark) => table.mark(mark, news, after),
            FeedItem::Broke => table.broke(),
            FeedItem::Whole => table.whole(news),
            FeedItem::Bell => {}
        });
        if marks {
            self.marked.notify_waiters();
            rings |= before != self.shown.epoch();
        }
        if rings {
            self.ring();
        }
    }

    // The store's queue.

    /// Rings this bell from now on whenever something may wait in the store's queue, until it is dropped.
    pub(crate) fn add_bell(&self, bell: &Arc<Bell>) {
        let mut bells = lock_plain(&self.bells);
        bells.retain(|bell| bell.strong_count() > 0);
        bells.push(Arc::downgrade(bell));
    }

    fn ring(&self) {
        let bells: Vec<_> = lock_plain(&self.bells).iter().filter_map(Weak::upgrade).collect();
        bells.iter().for_each(|bell| bell.ring());
    }

    // The outgoing queue.

    /// Queues a change.
    pub(super) fn store(&self, entry: Entry, waits: bool, done: Done) {
        if let Change::Event { body, .. } = &entry.change
            && body.len() > MAX_RECORD_BYTES
        {
            return done(Err(BackplaneError::TooLarge(body.len())));
        }
        let deadline = if waits { None } else { Instant::now().checked_add(self.options.deadline) };
        let from = observe::Span::current();
        let mut queued = 0;
        let refused = {
            let mut queue = lock(&self.outgoing);
            if queue.closed {
                Some((done, BackplaneError::Closed))
            } else {
                let full = queue.changes.push(entry, deadline, done, from).err();
                queued = queue.changes.len();
                full.map(|done| (done, BackplaneError::QueueFull))
            }
        };
        match refused {
            Some((done, why)) => done(Err(why)),
            None => {
                observe::backplane_queue(queued);
                self.to_send.notify_one();
            }
        }
    }

    /// Does something with the queue. Nothing else is locked, and nothing of the program's runs inside.
    pub(super) fn outgoing<R>(&self, act: impl FnOnce(&mut Outgoing) -> R) -> R {
        act(&mut lock(&self.outgoing).changes)
    }

    pub(super) fn has_settled(&self) {
        self.settled.notify_waiters();
    }

    pub(super) async fn flush(&self) {
        let came = self.outgoing(|outgoing| outgoing.came());
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.outgoing(|outgoing| outgoing.left() >= came) || self.ended.is_cancelled() {
                return;
            }
            settled.await;
        }
    }

    pub(super) async fn close(self: &Arc<Self>) {
        let first = !std::mem::replace(&mut lock(&self.outgoing).closed, true);
        if !first {
            return self.over.cancelled().await;
        }
        // Who waits for a start that failed waits in vain.
        let _ = tokio::time::timeout(self.options.deadline, self.flush()).await;
        self.stop();
        if let Err(error) = self.engine.close().await {
            observe::backplane_trouble("close", &error);
        }
        self.over.cancel();
    }

    /// Nothing runs any more: what waits is answered, and what comes is refused.
    fn stop(&self) {
        lock(&self.outgoing).closed = true;
        self.ended.cancel();
        let expired = self.outgoing(Outgoing::give_up);
        let after = self.options.deadline;
        for done in expired.unknown {
            done(Err(BackplaneError::Unknown { after, source: None }));
        }
        for done in expired.not_stored {
            done(Err(BackplaneError::Closed));
        }
        self.has_settled();
    }
}

/// A task that was not done: its runtime ended before it, and nobody else would answer who waits for it.
struct CutOff(Option<Arc<Shared>>);

impl CutOff {
    fn was_done(mut self) {
        self.0 = None;
    }
}

impl Drop for CutOff {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.stop();
            shared.over.cancel();
        }
    }
}

/// What a connection does with the table.
pub(crate) struct Joining<'a> {
    table: &'a mut Table,
    news: &'a mut News,
    #[cfg_attr(not(feature = "test-util"), allow(dead_code, reason = "asked for mutants"))]
    options: &'a NodeOptions,
    pub(crate) after: &'a mut After,
}

impl Joining<'_> {
    /// Counts one more user of a topic.
    pub(crate) fn join(
        &mut self,
        topic: &Topic,
        owner: Owner,
        sink: impl FnOnce() -> Arc<dyn Sink>,
    ) -> Joined {
        if self.table.join(topic, owner, sink, self.news) { Joined::Live } else { Joined::Waits }
    }

    /// Waits until all of these are live, and, if `suspicious`, until it is known how far the store is.
    pub(crate) fn wait(
        &mut self,
        topics: &[Topic],
        owner: Owner,
        suspicious: bool,
        waiter: Arc<dyn Waiter>,
    ) -> u64 {
        let suspicious = suspicious && !is_mutant!(self.options, NoWaitForClientsAhead);
        self.table.wait(topics, owner, suspicious, waiter, Instant::now(), self.news)
    }
}

/// The cause of an error that several hold.
#[derive(Debug)]
struct CauseOf(Arc<EngineError>);

impl std::fmt::Display for CauseOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.source().map_or(Ok(()), |cause| std::fmt::Display::fmt(cause, f))
    }
}

impl Error for CauseOf {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()?.source()
    }
}

/// A thread with a runtime, until `over`.
fn own_runtime(over: &CancellationToken) -> std::io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (handle, over) = (runtime.handle().clone(), over.clone());
    let thread = std::thread::Builder::new().name("sse-backplane".to_owned());
    thread.spawn(move || runtime.block_on(over.cancelled()))?;
    Ok(handle)
}
