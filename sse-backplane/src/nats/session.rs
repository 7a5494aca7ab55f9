//! The task that reads the stream into the replica.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream::{self, Context, consumer::push, context::PublishError, stream::Stream};
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::{Mutex, MutexGuard};
use sse_tower_core::backplane::{
    EngineError, EngineErrorKind, Epoch, Feed, FeedItem, Mark, Record, Topic,
    replicated::{Applied, Command},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    replica::{Done, Replica},
    stream::{self, Names},
    wire::{self, Request},
};

/// How long nothing may come: the server says each second that it is there.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a new connection is waited for between attempts, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// After how many messages, and after how many bytes of them, the ledger is copied and the stream's beginning deleted, by the
/// node that sent the last of them.
const COPY_EVERY: u64 = 20_000;
const COPY_BYTES: u64 = 128 << 20;

/// What a command was answered: `Appended` or `Queue`.
pub(super) type Outcome = Result<Applied, EngineError>;

/// What the task and the calls share.
pub(super) struct Shared {
    pub(super) context: Context,
    pub(super) names: Names,
    /// One life of this engine.
    pub(super) origin: u64,
    pub(super) feed: OnceLock<Feed>,
    inner: Mutex<Inner>,
    /// Up to which message the replica is.
    applied: watch::Sender<u64>,
    /// Notified to connect anew.
    pub(super) restart: Notify,
    /// A copy of the ledger is being kept.
    copying: Arc<AtomicBool>,
}

#[derive(Default)]
struct Inner {
    replica: Option<Replica>,
    followed: HashSet<Topic>,
    pending: HashMap<u64, oneshot::Sender<Outcome>>,
    /// The past was lost and nobody said so yet: what is stored now goes with it.
    lost: bool,
    number: u64,
}

/// A request for a mark, to be answered once this message was applied.
pub(super) struct MarkAsked {
    pub(super) at: u64,
    pub(super) answer: oneshot::Sender<Mark>,
}

impl Shared {
    pub(super) fn new(context: Context, names: Names) -> Self {
        Self {
            context,
            names,
            origin: fastrand::u64(1..),
            feed: OnceLock::new(),
            inner: Mutex::default(),
            applied: watch::Sender::new(0),
            restart: Notify::new(),
            copying: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    pub(super) fn put(&self, item: FeedItem) {
        if let Some(feed) = self.feed.get() {
            feed.put(item);
        }
    }

    pub(super) fn follow(&self, topics: Vec<Topic>) {
        self.lock().followed.extend(topics);
    }

    pub(super) fn unfollow(&self, topics: &[Topic]) {
        let mut inner = self.lock();
        for topic in topics {
            inner.followed.remove(topic);
        }
    }

    /// Looks into the ledger. `None` before it was read for the first time.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Replica) -> T) -> Option<T> {
        self.lock().replica.as_ref().map(look)
    }

    /// [`look`](Self::look), for what needs the ledger mutably and changes nothing all the same.
    pub(super) fn look_into<T>(&self, look: impl FnOnce(&mut Replica) -> T) -> Option<T> {
        self.lock().replica.as_mut().map(look)
    }

    /// Stores a command, and waits for what it was answered.
    pub(super) async fn run(&self, command: &Command) -> Outcome {
        let (messages, mut pending) = self.ask(command)?;
        let mut stored = Vec::with_capacity(messages.len());
        for message in messages {
            let publish = self.context.publish(self.names.subject.clone(), message);
            stored.push(publish.await.map_err(stream::unavailable)?);
        }
        let refused = async {
            for stored in stored {
                if let Err(error) = stored.await {
                    return self.not_stored(error);
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            outcome = pending.answer() => outcome,
            error = refused => Err(error),
        }
    }

    /// A message was not taken. If that is for want of room there is some once the stream was cut, and the call is made again.
    fn not_stored(&self, error: PublishError) -> EngineError {
        if !stream::is_full(&error) {
            return stream::unavailable(error);
        }
        self.copy();
        self.names.full(error)
    }

    /// Keeps a copy of the ledger, and then deletes what of the stream is in it: beside everything else, and one at a time.
    fn copy(&self) {
        if self.copying.swap(true, Ordering::AcqRel) {
            return;
        }
        let (context, names) = (self.context.clone(), self.names.clone());
        let (replica, copying) = (self.look(Clone::clone), Arc::clone(&self.copying));
        tokio::spawn(async move {
            if let Some(replica) = replica {
                // The next one will do if this one could not be kept: nothing was deleted then.
                let _ = names.keep_copy(&context, &replica).await;
            }
            copying.store(false, Ordering::Release);
        });
    }

    /// The epoch whose past was lost, if an attempt to say so came to nothing.
    fn not_told(&self) -> Option<Epoch> {
        let inner = self.lock();
        let replica = inner.replica.as_ref().filter(|_| inner.lost);
        replica.map(|replica| replica.ledger.mark().epoch)
    }

    /// The messages of a command, and where its answer comes.
    fn ask(&self, command: &Command) -> Result<(Vec<Bytes>, Pending<'_>), EngineError> {
        let bytes = postcard::to_stdvec(command).map_err(|error| {
            EngineError::refused("this cannot be written down").with_source(error)
        })?;
        let mut inner = self.lock();
        inner.number += 1;
        let request = Request { origin: self.origin, number: inner.number };
        let most = self.context.client().max_payload();
        let messages = wire::split(request, &bytes, most).ok_or_else(|| {
            EngineError::refused(format!(
                "a batch of {} bytes is too large for messages of {most}, which is the server's `max_payload`",
                bytes.len()
            ))
        })?;
        let (sender, answer) = oneshot::channel();
        inner.pending.insert(request.number, sender);
        Ok((messages, Pending { shared: self, number: request.number, answer }))
    }

    /// Waits until everything up to this message is in the ledger.
    pub(super) async fn reach(&self, sequence: u64) {
        // The sender lives as long as `self`.
        let _ = self.applied.subscribe().wait_for(|applied| *applied >= sequence).await;
    }

    /// The number of the newest message in the stream.
    pub(super) async fn last_sequence(&self) -> Result<u64, EngineError> {
        let (_, info) = self.names.open(&self.context).await?;
        Ok(info.state.last_sequence)
    }

    fn apply(&self, message: &jetstream::Message) -> Result<Step, EngineError> {
        let info = message.info().map_err(|error| {
            EngineError::unavailable("a message of the stream has no place").with_source(error)
        })?;
        let (sequence, at) = (info.stream_sequence, info.published.unix_timestamp_nanos());
        let mut inner = self.lock();
        let inner = &mut *inner;
        let Some(replica) = &mut inner.replica else {
            return Err(EngineError::unavailable("there is no ledger yet"));
        };
        if sequence <= replica.applied {
            return Ok(Step::default());
        }
        if sequence != replica.applied + 1 {
            return Err(EngineError::unavailable("the stream has a hole"));
        }
        let copied = replica.bytes / COPY_BYTES;
        let done = replica.apply(&message.payload, sequence, at);
        let copies = replica.bytes / COPY_BYTES > copied || sequence.is_multiple_of(COPY_EVERY);
        let epoch = replica.ledger.mark().epoch;
        let mut step = Step { applied: sequence, epoch: Some(epoch), ..Step::default() };
        let Some(Done { request, applied }) = done else { return Ok(step) };
        step.own = request.origin == self.origin;
        step.copies = step.own && copies;
        let applied = match applied {
            Applied::Appended { answers, mut records, rings } => {
                records.retain(|record| inner.followed.contains(&record.topic));
                step.records = records;
                step.rings = rings;
                Applied::Appended { answers, records: Vec::new(), rings }
            }
            Applied::Queue { answer, rings } => {
                step.rings = rings;
                Applied::Queue { answer, rings }
            }
            _ => return Ok(step),
        };
        if step.own {
            let outcome = if inner.lost { Err(silent()) } else { Ok(applied) };
            step.answer = inner.pending.remove(&request.number).zip(Some(outcome));
        }
        Ok(step)
    }
}

/// The result of one message.
#[derive(Default)]
struct Step {
    applied: u64,
    epoch: Option<Epoch>,
    records: Vec<Record>,
    /// Whether something may be due in the queue.
    rings: bool,
    answer: Option<(oneshot::Sender<Outcome>, Outcome)>,
    own: bool,
    /// It is time for a copy of the ledger, and this node's turn.
    copies: bool,
}

/// An answer that is waited for; forgotten when nobody does any more.
struct Pending<'a> {
    shared: &'a Shared,
    number: u64,
    answer: oneshot::Receiver<Outcome>,
}

impl Pending<'_> {
    async fn answer(&mut self) -> Outcome {
        (&mut self.answer).await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.shared.lock().pending.remove(&self.number);
    }
}

/// Reads until the engine is closed. `ready` hears how the first attempt ended.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut marks: mpsc::UnboundedReceiver<MarkAsked>,
    ready: oneshot::Sender<Result<Mark, EngineError>>,
) {
    let mut ready = Some(ready);
    let mut backoff = BACKOFF.0;
    let mut broken = false;
    loop {
        let mut session = Session { shared: &shared, marks: &mut marks, waiting: Vec::new() };
        let began = Instant::now();
        let error = match session.begin().await {
            Ok(messages) => {
                if ready.is_some()
                    && let Err(error) = shared.names.may_copy(&shared.context).await
                {
                    let _ = ready.take().map(|ready| ready.send(Err(error)));
                    return;
                }
                if let Some(ready) = ready.take()
                    && let Some(mark) = shared.look(|replica| replica.ledger.mark())
                {
                    // Whoever started may be gone.
                    let _ = ready.send(Ok(mark));
                }
                if std::mem::take(&mut broken) {
                    shared.put(FeedItem::Whole);
                    // Whoever loads now may find another epoch: this says so.
                    if let Some(mark) = shared.look(|replica| replica.ledger.mark()) {
                        shared.put(FeedItem::Mark(mark));
                    }
                }
                session.read(messages).await
            }
            Err(error) => error,
        };
        if let Some(ready) = ready.take() {
            let _ = ready.send(Err(error));
            return;
        }
        if error.kind() == EngineErrorKind::Closed {
            return;
        }
        if !std::mem::replace(&mut broken, true) {
            shared.put(FeedItem::Broke);
        }
        if began.elapsed() > BACKOFF.1 {
            backoff = BACKOFF.0;
        }
        sleep(backoff.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        backoff = (backoff * 2).min(BACKOFF.1);
    }
}

struct Session<'a> {
    shared: &'a Shared,
    marks: &'a mut mpsc::UnboundedReceiver<MarkAsked>,
    waiting: Vec<MarkAsked>,
}

impl Session<'_> {
    /// Brings the replica to where the stream is now.
    async fn begin(&mut self) -> Result<push::Messages, EngineError> {
        let shared = self.shared;
        let limit = timeout(SILENCE, async {
            let (stream, info) = shared.names.open(&shared.context).await?;
            let known = shared.look(|replica| (replica.created, replica.applied, replica.at));
            let goes_on = match known {
                Some(known) => stream::continues(&stream, &info, known).await?,
                None => false,
            };
            let lost =
                if goes_on { shared.not_told() } else { self.begin_anew(&stream, known).await? };
            Ok::<_, EngineError>((stream, info.state.last_sequence, lost))
        });
        let (stream, last, lost) = limit.await.map_err(|_| silent())??;
        let applied = shared.look(|replica| replica.applied).unwrap_or_default();
        let reading = stream::read_after(&shared.context, &stream, applied);
        let mut messages = timeout(SILENCE, reading).await.map_err(|_| silent())??;
        while shared.look(|replica| replica.applied).unwrap_or_default() < last {
            self.step(&mut messages).await?;
        }
        if let Some(from) = lost {
            self.renew(from, &mut messages).await?;
            shared.lock().lost = false;
        }
        Ok(messages)
    }

    /// A replica from the newest copy and what the stream still has. Says which epoch's past was lost, if one was.
    async fn begin_anew(
        &mut self,
        stream: &Stream,
        known: Option<(i128, u64, i128)>,
    ) -> Result<Option<Epoch>, EngineError> {
        let shared = self.shared;
        // Asked before the copy: what is deleted after that is in a copy that was there before.
        let info = stream.get_info().await.map_err(stream::unavailable)?;
        let copy = shared.names.newest_copy(&shared.context, &info).await?;
        let created = info.created.unix_timestamp_nanos();
        let has_copy = copy.is_some();
        let mut replica = copy.unwrap_or_else(|| Replica::new(created));
        let first = info.state.first_sequence;
        let hole = first > replica.applied + 1;
        if hole {
            replica.applied = first - 1;
        }
        // The same stream, but shorter or other than what was read of it.
        let shorter = known.is_some_and(|(before, applied, at)| {
            let same_place = replica.applied == applied && replica.at == at;
            before == created && !same_place && !(has_copy && replica.applied > applied)
        });
        let epoch = replica.ledger.mark().epoch;
        shared.applied.send_replace(replica.applied);
        let lost = hole || shorter;
        {
            let mut inner = shared.lock();
            inner.replica = Some(replica);
            inner.lost = lost;
        }
        Ok(lost.then_some(epoch))
    }

    /// Tells all nodes, through the stream, that the past was lost.
    async fn renew(
        &mut self,
        from: Epoch,
        messages: &mut push::Messages,
    ) -> Result<(), EngineError> {
        let shared = self.shared;
        if shared.look(|replica| replica.ledger.mark().epoch) != Some(from) {
            return Ok(());
        }
        let (command, _pending) = shared.ask(&Command::Renew { from, to: Epoch::random() })?;
        for message in command {
            let publish = shared.context.publish(shared.names.subject.clone(), message);
            publish.await.map_err(stream::unavailable)?.await.map_err(stream::unavailable)?;
        }
        while shared.look(|replica| replica.ledger.mark().epoch) == Some(from) {
            self.step(messages).await?;
        }
        Ok(())
    }

    /// Reads until something breaks.
    async fn read(&mut self, mut messages: push::Messages) -> EngineError {
        loop {
            if let Err(error) = self.step(&mut messages).await {
                return error;
            }
        }
    }

    /// One message, or one mark that somebody asked for.
    async fn step(&mut self, messages: &mut push::Messages) -> Result<(), EngineError> {
        tokio::select! {
            biased;
            message = timeout(SILENCE, messages.next()) => match message {
                Ok(Some(Ok(message))) => self.take(&message)?,
                Ok(Some(Err(error))) => return Err(stream::unavailable(error)),
                Ok(None) => return Err(silent()),
                // The heartbeats are seen below `next`, which says so itself when they are missing.
                Err(_) => {}
            },
            mark = self.marks.recv() => {
                self.waiting.push(mark.ok_or_else(closed)?);
                self.mark();
            }
            () = self.shared.restart.notified() => return Err(silent()),
        }
        Ok(())
    }

    fn take(&mut self, message: &jetstream::Message) -> Result<(), EngineError> {
        let shared = self.shared;
        let step = shared.apply(message)?;
        if let Some(epoch) = step.epoch.filter(|_| !step.records.is_empty()) {
            shared.put(FeedItem::Records { epoch, records: step.records });
        }
        if step.rings {
            shared.put(FeedItem::Bell);
        }
        if let Some((waiting, answer)) = step.answer {
            // Whoever asked may have given up.
            let _ = waiting.send(answer);
        }
        if step.applied > 0 {
            shared.applied.send_replace(step.applied);
        }
        if !self.waiting.is_empty() {
            self.mark();
        }
        if step.copies {
            shared.copy();
        }
        Ok(())
    }

    /// Gives the marks that were asked for and can be given.
    fn mark(&mut self) {
        let Some((applied, mark)) =
            self.shared.look(|replica| (replica.applied, replica.ledger.mark()))
        else {
            return;
        };
        let (now, later) =
            std::mem::take(&mut self.waiting).into_iter().partition(|asked| asked.at <= applied);
        self.waiting = later;
        let now: Vec<MarkAsked> = now;
        if !now.is_empty() {
            self.shared.put(FeedItem::Mark(mark));
        }
        for asked in now {
            let _ = asked.answer.send(mark);
        }
    }
}

pub(super) fn closed() -> EngineError {
    EngineError::new(EngineErrorKind::Closed, "this engine was closed")
}

fn silent() -> EngineError {
    EngineError::unavailable("NATS did not answer in time")
}
