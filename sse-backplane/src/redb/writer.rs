//! `Writer`: the thread that writes. Everything that waits is one transaction.

use std::{
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use sse_tower_core::backplane::{
    EngineError, EngineErrorKind, Epoch, FeedItem, Mark, Record, ledger::RowLog,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    feeds::Feeds,
    file::{File, Written},
    limits::LIMITS,
};

/// How many calls wait for the writer at most; beyond that a call fails at once, and nothing of it is stored.
pub const MAX_WAITING: usize = 4_096;

/// How many calls are in one transaction at most.
pub const MAX_GROUP: usize = 256;

/// The log within a transaction.
pub(super) type Log<'a, 'b> = RowLog<'a, Written<'b>>;

/// What a transaction tells the nodes once it is committed.
#[derive(Default)]
pub(super) struct Told {
    pub(super) records: Vec<Record>,
    /// Whether something may wait in the queue.
    pub(super) rings: bool,
    /// The nodes that asked for a mark.
    pub(super) marks: Vec<u64>,
    /// The nodes that asked for a new feed.
    pub(super) restarts: Vec<u64>,
    /// The nodes that leave.
    pub(super) leaves: Vec<u64>,
}

/// One call. It may be run again in another transaction, if one that it shared failed.
trait Work: Send {
    fn run(&mut self, log: &mut Log<'_, '_>, told: &mut Told) -> Result<(), EngineError>;
    fn done(self: Box<Self>, result: Result<(), EngineError>);
}

struct Call<T, F> {
    call: F,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, EngineError>>,
}

impl<T, F> Work for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Log<'_, '_>, &mut Told) -> Result<T, EngineError> + Send,
{
    fn run(&mut self, log: &mut Log<'_, '_>, told: &mut Told) -> Result<(), EngineError> {
        self.value = Some((self.call)(log, told)?);
        Ok(())
    }

    fn done(self: Box<Self>, result: Result<(), EngineError>) {
        let Self { value, answer: waits, .. } = *self;
        let answer = result.and_then(|()| value.ok_or_else(ended));
        // Nobody may wait for it any more.
        drop(waits.send(answer));
    }
}

/// Hands calls to the thread, which ends with its last handle, after everything that waits.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Box<dyn Work>>);

impl Writer {
    /// Begins the thread. The receiver resolves when it has closed the file.
    pub(super) fn begin(
        file: Arc<File>,
        feeds: Arc<Feeds>,
    ) -> Result<(Self, oneshot::Receiver<()>), EngineError> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let (ends, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("sse-redb".into()).spawn(move || {
            run(receiver, &file, &feeds);
            file.close();
            // Nobody may wait for it.
            let _ = ends.send(());
        });
        let failed = |error| EngineError::refused("no thread for the file").with_source(error);
        thread.map(|_| (Self(sender), ended)).map_err(failed)
    }

    /// Hands over a call. Its place among others is fixed when this returns.
    pub(super) fn call<T: Send + 'static>(
        &self,
        call: impl FnMut(&mut Log<'_, '_>, &mut Told) -> Result<T, EngineError> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, EngineError>> {
        let (answer, receiver) = oneshot::channel();
        let work = Box::new(Call { call, value: None, answer });
        if let Err(error) = self.0.try_send(work) {
            let full = matches!(error, mpsc::error::TrySendError::Full(_));
            let full = full.then(|| EngineError::unavailable("too many calls wait for the file"));
            error.into_inner().done(Err(full.unwrap_or_else(ended)));
        }
        receiver
    }
}

fn run(mut receiver: mpsc::Receiver<Box<dyn Work>>, file: &File, feeds: &Feeds) {
    while let Some(first) = receiver.blocking_recv() {
        let mut group = vec![first];
        while group.len() < MAX_GROUP
            && let Ok(next) = receiver.try_recv()
        {
            group.push(next);
        }
        commit(group, file, feeds);
    }
}

/// Runs all calls in one transaction; if a call cannot be done, in another one without it.
fn commit(mut group: Vec<Box<dyn Work>>, file: &File, feeds: &Feeds) {
    while !group.is_empty() {
        let mut told = Told::default();
        let mut failed = None;
        let result = file.write(|rows| {
            let mut log = RowLog::open(rows, now(), Epoch::random(), LIMITS)?;
            for (index, work) in group.iter_mut().enumerate() {
                work.run(&mut log, &mut told).inspect_err(|_| failed = Some(index))?;
            }
            let mark = log.mark();
            log.finish()?;
            Ok(mark)
        });
        match (result, failed) {
            (Ok(mark), _) => {
                tell(feeds, mark, told);
                return group.into_iter().for_each(|work| work.done(Ok(())));
            }
            (Err(error), Some(index)) if error.kind() != EngineErrorKind::Unavailable => {
                group.remove(index).done(Err(error));
            }
            (Err(error), _) => {
                // Whether it is on the disk is not known: who loads after this knows.
                file.reopen();
                feeds.put_all(&FeedItem::Broke);
                feeds.put_all(&FeedItem::Whole);
                for work in group.drain(..) {
                    work.done(Err(EngineError::new(error.kind(), format!("{error:?}"))));
                }
            }
        }
    }
}

fn tell(feeds: &Feeds, mark: Mark, told: Told) {
    for node in told.restarts {
        feeds.put(node, FeedItem::Broke);
        feeds.put(node, FeedItem::Whole);
    }
    if !told.records.is_empty() {
        feeds.records(mark.epoch, told.records);
    }
    if told.rings {
        feeds.put_all(&FeedItem::Bell);
    }
    for node in told.marks {
        feeds.put(node, FeedItem::Mark(mark));
    }
    for node in told.leaves {
        feeds.remove(node);
    }
}

/// Microseconds of this machine's clock.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn ended() -> EngineError {
    EngineError::unavailable("the thread of the file has ended")
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc as std_mpsc};

    use sse_tower_core::backplane::{
        Answer, Batch, Change, Engine, Entry, Feed, Keep, NodeId, Position, Topic,
    };

    use super::*;
    use crate::redb::RedbStore;

    const KEEP: Keep = Keep { events: 10, bytes: 1_000, age: std::time::Duration::from_secs(60) };

    fn batch(number: u64) -> Batch {
        let topic = Topic::new("topic").unwrap();
        let change = Change::Event { body: number.to_string().into(), once: None };
        let entries = [Entry { topic, change, keep: KEEP }].into();
        Batch { node: NodeId::new(1), number, entries }
    }

    /// Has the thread wait until what this returns is dropped: what comes meanwhile is one group.
    fn hold(writer: &Writer) -> std_mpsc::Sender<()> {
        let (go, waits) = std_mpsc::channel::<()>();
        let (runs, running) = std_mpsc::channel();
        let waits = Mutex::new(waits);
        drop(writer.call(move |_, _| {
            runs.send(()).ok();
            waits.lock().unwrap().recv().ok();
            Ok(())
        }));
        running.recv().unwrap();
        go
    }

    #[tokio::test]
    async fn a_call_that_cannot_be_done_takes_nobody_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(folder.path().join("events.redb"), "test").unwrap();
        let writer = &store.0.writer;
        let go = hold(writer);
        let append = |number| writer.call(move |log, _| Ok(log.append(&batch(number))?.answers));
        let (first, late, refused) = (append(2), append(1), {
            writer.call(|log, _| {
                log.append(&batch(3))?;
                Err::<(), _>(EngineError::refused("no"))
            })
        });
        let last = append(4);
        drop(go);
        let stored = |answers: Vec<Answer>| match answers[..] {
            [Answer::Stored(position)] => position,
            _ => panic!("{answers:?}"),
        };
        let first = stored(first.await.unwrap().unwrap());
        let late = late.await.unwrap().unwrap_err();
        assert_eq!(late.kind(), EngineErrorKind::Superseded);
        assert_eq!(refused.await.unwrap().unwrap_err().to_string(), "no");
        let last = stored(last.await.unwrap().unwrap());
        assert!(first > Position::ZERO && last > first);
        let want = sse_tower_core::backplane::Want {
            topic: Topic::new("topic").unwrap(),
            after: Position::ZERO,
            events: 9,
            bytes: 999,
        };
        let loaded = store.0.file.read(|rows| RowLog::load(rows, &[want])).unwrap();
        let positions: Vec<_> = loaded[0].records.iter().map(|record| record.position).collect();
        assert_eq!(positions, [first, last], "and the third was undone");
    }

    #[tokio::test]
    async fn after_a_failure_of_the_disk_the_file_is_opened_again_and_nodes_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(folder.path().join("events.redb"), "test").unwrap();
        let engine = store.engine();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let feed = heard.clone();
        engine.start(Feed::new(move |item| feed.lock().unwrap().push(item))).await.unwrap();
        engine.append(batch(1)).await.unwrap();
        let failed = store.0.writer.call(|log, _| {
            log.append(&batch(2))?;
            Err::<(), _>(EngineError::unavailable("the disk failed"))
        });
        let error = failed.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::Unavailable);
        assert!(matches!(heard.lock().unwrap()[..], [FeedItem::Broke, FeedItem::Whole]));
        engine.append(batch(2)).await.unwrap();
        assert_eq!(engine.append(batch(1)).await.unwrap_err().kind(), EngineErrorKind::Superseded);
    }

    #[tokio::test]
    async fn what_waits_for_the_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(folder.path().join("events.redb"), "test").unwrap();
        let writer = &store.0.writer;
        let go = hold(writer);
        let calls: Vec<_> = (0..MAX_WAITING).map(|_| writer.call(|_, _| Ok(()))).collect();
        let over = writer.call(|_, _| Ok(())).await.unwrap().unwrap_err();
        assert_eq!(over.to_string(), "too many calls wait for the file");
        drop(go);
        for call in calls {
            call.await.unwrap().unwrap();
        }
    }
}
