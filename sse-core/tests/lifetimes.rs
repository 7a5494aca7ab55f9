//! No listener is lost: not with its caller, not without a runtime, not while listeners come and go.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use sse_tower_core::{ApplicationContext, ApplicationEvent, ContextStarted, Listener, WiringFault};
use tokio::sync::{Notify, Semaphore};

struct Paid;
impl ApplicationEvent for Paid {}
struct Shipped;
impl ApplicationEvent for Shipped {}

/// Asynchronous listeners of `Paid`, each waiting for a permit before it counts.
fn gated(count: usize) -> (ApplicationContext, Arc<Semaphore>, Arc<AtomicUsize>) {
    let gate = Arc::new(Semaphore::new(0));
    let done = Arc::new(AtomicUsize::new(0));
    let mut builder = ApplicationContext::bare();
    for _ in 0..count {
        let (gate, done) = (Arc::clone(&gate), Arc::clone(&done));
        builder = builder.listener(Listener::on_async(move |_: Arc<Paid>| {
            let (gate, done) = (Arc::clone(&gate), Arc::clone(&done));
            async move {
                gate.acquire().await.unwrap().forget();
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    (builder.build().unwrap(), gate, done)
}

#[tokio::test]
async fn a_caller_that_is_dropped_in_the_middle_stops_no_listener() {
    let (context, gate, done) = gated(3);
    let mut publication = context.publish_event(Paid);
    // The first listener has begun, then the client leaves.
    let first = poll_fn(|cx| {
        let pending = std::pin::Pin::new(&mut publication).poll(cx).is_pending();
        Poll::Ready(pending)
    });
    assert!(first.await);
    drop(publication);
    assert_eq!((done.load(Ordering::Relaxed), context.in_flight()), (0, 1));
    gate.add_permits(3);
    context.settled().await;
    assert_eq!((done.load(Ordering::Relaxed), context.in_flight()), (3, 0));
}

#[tokio::test]
async fn an_aborted_task_stops_no_listener() {
    let (context, gate, done) = gated(2);
    let began = Arc::new(Notify::new());
    let (handler, told) = (context.clone(), Arc::clone(&began));
    let task = tokio::spawn(async move {
        let mut publication = pin!(handler.publish_event(Paid));
        poll_fn(|cx| {
            let poll = publication.as_mut().poll(cx);
            told.notify_one();
            poll
        })
        .await
    });
    began.notified().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    gate.add_permits(2);
    context.settled().await;
    assert_eq!(done.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_publication_that_nobody_awaits_reaches_every_listener() {
    let (context, gate, done) = gated(2);
    gate.add_permits(6);
    #[allow(clippy::let_underscore_future)]
    let _ = context.publish_event(Paid);
    drop(context.publish_event(Paid));
    context.publish_event(Paid).detach();
    context.settled().await;
    assert_eq!(done.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn settled_is_ready_at_once_when_nothing_is_under_way() {
    let context = ApplicationContext::bare().build().unwrap();
    context.settled().await;
}

#[tokio::test]
async fn settled_waits_for_spawned_listeners_and_what_they_publish() {
    let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let (wait, set) = (Arc::clone(&gate), Arc::clone(&done));
    let spawned = Listener::on_async(move |_: Arc<Paid>| {
        let wait = Arc::clone(&wait);
        async move {
            wait.acquire().await.unwrap().forget();
            Shipped
        }
    });
    let context = ApplicationContext::bare()
        .listener(spawned.spawn())
        .listener(Listener::on_async(move |_: Arc<Shipped>| {
            let set = Arc::clone(&set);
            async move {
                tokio::task::yield_now().await;
                set.store(true, Ordering::Relaxed);
            }
        }))
        .build()
        .unwrap();
    let outcome = context.publish_event(Paid).await.unwrap();
    assert_eq!((outcome.ran(), outcome.spawned(), context.in_flight()), (0, 1, 1));
    gate.add_permits(1);
    context.settled().await;
    assert!(done.load(Ordering::Relaxed));
}

#[test]
fn a_publication_that_was_handed_to_another_runtime_is_under_way_at_once() {
    // Nothing drives it, so that what is handed over stays where it is.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let built_inside = runtime.enter();
    let listener = Listener::on_async(async |_: Arc<Paid>| ()).timeout(Duration::from_secs(60));
    let context = ApplicationContext::bare().listener(listener).build().unwrap();
    drop(built_inside);
    let mut publication = pin!(context.publish_event(Paid));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(publication.as_mut().poll(&mut cx).is_pending());
    assert_eq!(context.in_flight(), 1);
}

#[tokio::test]
async fn a_spawned_listener_that_panics_or_fails_is_over() {
    let context = ApplicationContext::bare()
        .listener(Listener::on_async(async |_: Arc<Paid>| -> () { panic!("no") }).spawn())
        .listener(Listener::on_async(async |_: Arc<Paid>| Err::<(), _>("no")).spawn())
        .build()
        .unwrap();
    assert_eq!(context.publish_event(Paid).await.unwrap().spawned(), 2);
    context.settled().await;
    assert_eq!(context.in_flight(), 0);
}

/// A context with one asynchronous listener that tells of each event, with and without a clock.
fn telling(timeout: bool) -> (ApplicationContext, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let listener = Listener::on_async(move |_: Arc<Paid>| {
        let tell = tell.clone();
        async move { tell.send(()).unwrap() }
    });
    let listener = if timeout { listener.timeout(Duration::from_secs(60)) } else { listener };
    (ApplicationContext::bare().listener(listener).build().unwrap(), told)
}

#[test]
fn without_any_runtime_listeners_run_on_a_thread_of_our_own() {
    let (context, told) = telling(false);
    context.publish_event(Paid).detach();
    told.recv_timeout(Duration::from_secs(30)).unwrap();
}

#[test]
fn without_a_runtime_a_publication_can_be_awaited_by_any_executor() {
    for timeout in [false, true] {
        let (context, told) = telling(timeout);
        let outcome = block_on(context.publish_event(Paid)).unwrap();
        assert_eq!(outcome.ran(), 1);
        told.try_recv().unwrap();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_thread_without_a_runtime_uses_the_one_that_the_context_was_built_in() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (tell, told) = mpsc::channel();
    let context = runtime.block_on(async move {
        let listener = Listener::on_async(move |_: Arc<Paid>| {
            let tell = tell.clone();
            async move { tell.send(tokio::runtime::Handle::current().id()).unwrap() }
        });
        ApplicationContext::bare().listener(listener).build().unwrap()
    });
    context.publish_event(Paid).detach();
    let ran_on = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(ran_on, runtime.handle().id());
}

#[test]
fn a_runtime_that_is_shut_down_takes_its_listeners_and_nothing_hangs() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (context, _gate, done) = runtime.block_on(async {
        let parts = gated(1);
        parts.0.publish_event(Paid).detach();
        // What has not begun is begun elsewhere; this has.
        tokio::task::yield_now().await;
        parts
    });
    assert_eq!(context.in_flight(), 1);
    drop(runtime);
    assert_eq!((done.load(Ordering::Relaxed), context.in_flight()), (0, 0));
}

#[tokio::test]
async fn dropping_a_subscription_removes_exactly_that_listener() {
    let context = ApplicationContext::bare().build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listen = |name: &'static str| {
        let heard = Arc::clone(&heard);
        context.on(move |_: &Paid| heard.lock().unwrap().push(name))
    };
    let first = listen("first");
    listen("forever").forever();
    let second = listen("second");
    context.publish_event(Paid).await.unwrap();
    drop(first);
    context.publish_event(Paid).await.unwrap();
    drop(second);
    context.publish_event(Paid).await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, ["first", "forever", "second", "forever", "second", "forever"]);
}

#[tokio::test]
async fn a_listener_may_remove_itself_while_it_runs() {
    let context = ApplicationContext::bare().build().unwrap();
    let own = Arc::new(Mutex::new(None));
    let (taken, count) = (Arc::clone(&own), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&count);
    let subscription = context.on(move |_: &Paid| {
        seen.fetch_add(1, Ordering::Relaxed);
        let own = taken.lock().unwrap().take();
        drop(own);
    });
    *own.lock().unwrap() = Some(subscription);
    context.publish_event(Paid).await.unwrap();
    context.publish_event(Paid).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn listeners_come_and_go_while_events_are_published() {
    const ROUNDS: usize = 2_000;
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let context = ApplicationContext::bare()
        .listener(Listener::on(move |_: &Paid| {
            count.fetch_add(1, Ordering::Relaxed);
        }))
        .build()
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                drop(context.on(|_: &Paid| ()));
            }
        });
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                context.publish_event(Paid).detach();
            }
        });
    });
    assert_eq!(heard.load(Ordering::Relaxed), ROUNDS, "no event is lost while listeners change");
}

#[tokio::test]
async fn a_subscription_does_not_keep_the_context_alive() {
    let context = ApplicationContext::bare().component(Arc::new(())).build().unwrap();
    let component = context.component::<Arc<()>>().unwrap();
    let probe = Arc::clone(&component);
    drop(component);
    let subscription = context.on(|_: &Paid| ());
    drop(context);
    assert_eq!(Arc::strong_count(&probe), 1);
    drop(subscription);
}

#[tokio::test]
async fn a_subscription_is_checked_like_a_listener_of_the_builder() {
    let context =
        ApplicationContext::bare().listener(Listener::on(|_: &Paid| ()).id("a")).build().unwrap();
    let listener = Listener::on_component(|_: &String, _: &Paid| ()).id("a").before(&["b"]);
    let error = context.subscribe(listener).unwrap_err();
    assert!(matches!(
        error.faults(),
        [
            WiringFault::MissingComponent { .. },
            WiringFault::DuplicateListenerId { .. },
            WiringFault::UnknownListener { .. }
        ]
    ));
    let cycle = Listener::on(|_: &Paid| ()).before(&["a"]).after(&["a"]);
    let error = context.subscribe(cycle).unwrap_err();
    assert!(matches!(error.faults(), [WiringFault::OrderCycle { .. }]), "{error}");
    assert_eq!(context.publish_event(Paid).await.unwrap().ran(), 1);
}

#[tokio::test]
async fn the_context_says_that_it_started() {
    let started = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&started);
    let listener = Listener::on(move |_: &ContextStarted| set.store(true, Ordering::Relaxed));
    ApplicationContext::bare().listener(listener).build().unwrap();
    assert!(started.load(Ordering::Relaxed));
}
