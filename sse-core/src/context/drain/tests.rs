//! Drains on a paused clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    close_reason::CloseReason,
    context::ApplicationContext,
    drain::{Drain, DrainPhase, OpenStream, OpenStreams, RegisterError, StreamHandle, StreamOrder},
    event::SseEvent,
    sync::plain::{Mutex, lock},
};

/// A stream that ends as soon as it is told to, or never.
struct Told {
    log: Arc<Mutex<Vec<(usize, Instant, String)>>>,
    number: usize,
    open: Mutex<Option<OpenStream>>,
    obeys: bool,
}

impl StreamHandle for Told {
    fn end(&self, reason: CloseReason, farewell: Option<SseEvent>) {
        let farewell = farewell.map(|e| String::from_utf8_lossy(&e.encode()).into_owned());
        lock(&self.log).push((self.number, Instant::now(), farewell.unwrap_or_default()));
        if self.obeys {
            let open = lock(&self.open).take();
            if let Some(open) = open {
                open.close(reason);
            }
        }
    }
}

struct Crowd {
    context: ApplicationContext,
    log: Arc<Mutex<Vec<(usize, Instant, String)>>>,
    told: Vec<Arc<Told>>,
}

fn context() -> ApplicationContext {
    ApplicationContext::bare().build().unwrap()
}

fn crowd(size: usize, obeys: impl Fn(usize) -> bool, last: impl Fn(usize) -> bool) -> Crowd {
    let (context, log) = (context(), Arc::new(Mutex::new(Vec::new())));
    let told = (0..size)
        .map(|number| {
            let told = Arc::new(Told {
                log: log.clone(),
                number,
                open: Mutex::new(None),
                obeys: obeys(number),
            });
            let order = if last(number) { StreamOrder::Last } else { StreamOrder::InTurn };
            let open = context.streams().register(told.clone(), order).unwrap();
            *lock(&told.open) = Some(open);
            told
        })
        .collect();
    Crowd { context, log, told }
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_streams_is_over_at_once() {
    let start = Instant::now();
    let context = context();
    context.drain().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(context.streams().phase(), DrainPhase::Closed);
}

#[tokio::test(start_paused = true)]
async fn goodbyes_are_said_in_slices_at_the_set_rate_oldest_first() {
    let crowd = crowd(1000, |_| true, |_| false);
    let start = Instant::now();
    crowd.context.drain().with(Drain::new().slices(1000)).await;
    // 20 slices of 50, the first at once.
    assert_eq!(start.elapsed().as_millis() / 10, 95);
    let log = lock(&crowd.log);
    assert_eq!(log.len(), 1000);
    for (turn, (number, at, _)) in log.iter().enumerate() {
        assert_eq!(turn, *number);
        let due = (turn / 50 * 50) as u128;
        let ms = (*at - start).as_millis();
        assert!((due..due + 20).contains(&ms), "stream {turn} told at {ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn each_farewell_has_a_retry_of_its_own_within_the_range() {
    let crowd = crowd(200, |_| true, |_| false);
    let range = Duration::from_millis(100)..=Duration::from_millis(900);
    crowd.context.drain().with(Drain::new().slices(100_000).retry(range)).await;
    let mut retries: Vec<u64> = lock(&crowd.log)
        .iter()
        .map(|(_, _, text)| {
            assert!(text.contains("event:stream-bye\ndata:{\"reason\":\"drained\"}"), "{text}");
            let line = text.lines().find_map(|line| line.strip_prefix("retry:"));
            line.unwrap().parse().unwrap()
        })
        .collect();
    retries.sort_unstable();
    assert!(retries[0] >= 100 && retries[199] <= 900, "{retries:?}");
    retries.dedup();
    assert!(retries.len() > 100, "only {} different ones", retries.len());
}

#[tokio::test(start_paused = true)]
async fn a_draining_context_is_not_ready_and_refuses_new_streams() {
    let mut crowd = crowd(1, |_| false, |_| false);
    let (context, told) = (crowd.context.clone(), crowd.told.pop().unwrap());
    assert!(context.is_ready());
    let drain = tokio::spawn(context.drain());
    context.streams().reached(DrainPhase::Draining).await;
    assert!(!context.is_ready());
    let refused = context.streams().register(told.clone(), StreamOrder::InTurn);
    assert_eq!(refused.unwrap_err(), RegisterError::Draining);
    drop(lock(&told.open).take());
    drain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_end_delays_the_drain_to_its_deadline_and_no_longer() {
    let crowd = crowd(3, |n| n != 1, |_| false);
    let start = Instant::now();
    crowd.context.drain().with(Drain::new().deadline(Duration::from_secs(4))).await;
    assert_eq!(start.elapsed().as_secs(), 4);
    assert_eq!(crowd.context.streams().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rate_rises_where_the_deadline_leaves_no_time_for_all() {
    let crowd = crowd(1000, |_| true, |_| false);
    let start = Instant::now();
    crowd.context.drain().with(Drain::new().slices(1).deadline(Duration::from_secs(4))).await;
    assert!(start.elapsed() <= Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(lock(&crowd.log).len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_asked_to_be_last_gets_time_to_finish() {
    let crowd = crowd(3, |_| true, |n| n == 0);
    let start = Instant::now();
    crowd.context.drain().with(Drain::new().deadline(Duration::from_secs(8))).await;
    let told: Vec<_> = lock(&crowd.log).iter().map(|(n, at, _)| (*n, *at - start)).collect();
    assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), [1, 2, 0]);
    assert_eq!(told[2].1.as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_over_as_soon_as_the_last_one_finishes_by_itself() {
    let crowd = crowd(1, |_| true, |_| true);
    let start = Instant::now();
    let drain = tokio::spawn(crowd.context.drain());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let open = lock(&crowd.told[0].open).take();
    open.unwrap().close(CloseReason::Completed);
    drain.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
    assert!(lock(&crowd.log).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drain_goes_on_when_its_future_is_dropped() {
    let crowd = crowd(100, |_| true, |_| false);
    let drain = crowd.context.drain().with(Drain::new().slices(100));
    assert!(tokio::time::timeout(Duration::from_millis(10), drain).await.is_err());
    crowd.context.streams().reached(DrainPhase::Closed).await;
    assert_eq!(lock(&crowd.log).len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_waits_for_the_first() {
    let crowd = crowd(100, |_| true, |_| false);
    let (first, second) = (crowd.context.drain(), crowd.context.drain());
    let start = Instant::now();
    tokio::join!(first.with(Drain::new().slices(100)), second.with(Drain::new().slices(7)));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(lock(&crowd.log).len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_its_signal() {
    let context = context();
    let drain = context.drain_on(tokio::time::sleep(Duration::from_secs(7)));
    let start = Instant::now();
    assert!(context.is_ready());
    drain.await;
    assert_eq!(start.elapsed().as_secs(), 7);
    assert!(!context.is_ready());
}

#[test]
fn a_registered_stream_is_freed_by_drop_and_by_close_once() {
    struct Nothing(AtomicUsize);
    impl StreamHandle for Nothing {
        fn end(&self, _: CloseReason, _: Option<SseEvent>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let streams = OpenStreams::default();
    let handle = Arc::new(Nothing(AtomicUsize::new(0)));
    let dropped = streams.register(handle.clone(), StreamOrder::InTurn).unwrap();
    let closed = streams.register(handle.clone(), StreamOrder::InTurn).unwrap();
    assert_eq!(streams.len(), 2);
    drop(dropped);
    closed.close(CloseReason::Completed);
    assert!(streams.is_empty());
    assert_eq!(Arc::strong_count(&handle), 1);
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_of_the_drain_first_and_of_its_end_last() {
    let Crowd { context, log, told: _told } = crowd(1, |_| true, |_| false);
    let said = |what: &'static str| {
        let (log, context) = (log.clone(), context.clone());
        move || {
            lock(&log).push((usize::MAX, Instant::now(), what.to_owned()));
            assert!(!context.is_ready());
        }
    };
    let (draining, closed) = (said("draining"), said("closed"));
    let _draining = context.on(move |_: &crate::ContextDraining| draining());
    let _closed = context.on(move |_: &crate::ContextClosed| closed());
    context.drain().await;
    let log: Vec<_> = lock(&log).iter().map(|(_, _, said)| said.clone()).collect();
    assert_eq!((log[0].as_str(), log[2].as_str()), ("draining", "closed"));
    assert!(log[1].contains("stream-bye"));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_hangs_does_not_stop_the_drain() {
    let crowd = crowd(10, |_| true, |_| false);
    let _hangs =
        crowd.context.on_async(|_: Arc<crate::ContextDraining>| std::future::pending::<()>());
    let start = Instant::now();
    crowd.context.drain().with(Drain::new().deadline(Duration::from_secs(8))).await;
    assert_eq!(lock(&crowd.log).len(), 10);
    assert!(start.elapsed() <= Duration::from_secs(8), "{:?}", start.elapsed());
}

/// Blocks its thread for longer than the drain may take.
fn block() {
    std::thread::sleep(Duration::from_millis(1500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_blocks_its_thread_does_not_hold_up_the_drain() {
    let crowd = crowd(10, |_| true, |_| false);
    let _blocks = crowd.context.on(|_: &crate::ContextDraining| block());
    let start = std::time::Instant::now();
    crowd.context.drain().with(Drain::new().deadline(Duration::from_millis(400))).await;
    assert!(start.elapsed() < Duration::from_millis(1200), "{:?}", start.elapsed());
    assert_eq!(lock(&crowd.log).len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_end_blocks_its_thread_does_not_hold_up_the_drain() {
    struct Blocks;
    impl StreamHandle for Blocks {
        fn end(&self, _: CloseReason, _: Option<SseEvent>) {
            block();
        }
    }
    let context = context();
    let _open = context.streams().register(Arc::new(Blocks), StreamOrder::InTurn).unwrap();
    let start = std::time::Instant::now();
    context.drain().with(Drain::new().deadline(Duration::from_millis(400))).await;
    assert!(start.elapsed() < Duration::from_millis(1200), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn any_deadline_rate_and_retry_is_a_drain() {
    let (none, most) = (Duration::ZERO, Duration::MAX);
    for deadline in [none, Duration::from_nanos(1), most] {
        for rate in [0, 1, u32::MAX] {
            for retry in [none..=none, none..=most, most..=most, most..=none] {
                let crowd = crowd(3, |_| true, |n| n == 2);
                let how = Drain::new().deadline(deadline).slices(rate).retry(retry);
                let over = tokio::spawn(crowd.context.drain().with(how));
                if deadline == most {
                    // One that asked to be last waits for as good as ever, and leaves by itself.
                    while lock(&crowd.log).len() < 2 {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    drop(lock(&crowd.told[2].open).take());
                }
                over.await.unwrap();
                assert_eq!(crowd.context.streams().phase(), DrainPhase::Closed);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_the_program_hears_of_the_drain() {
    let context = context();
    let leaving = context.draining();
    let looping = tokio::spawn(async move {
        let mut rounds = 0;
        let mut every = tokio::time::interval(Duration::from_secs(1));
        tokio::pin!(leaving);
        loop {
            tokio::select! {
                biased;
                () = &mut leaving => return rounds,
                _ = every.tick() => rounds += 1,
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(3500)).await;
    context.drain().await;
    assert_eq!(looping.await.unwrap(), 4);
    // Whoever asks late is told at once.
    context.draining().await;
}
