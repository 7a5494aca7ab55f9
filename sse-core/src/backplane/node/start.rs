//! Starting the engine, and then the tasks of a node.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    driver, health::Trouble, options::NodeOptions, pause::Pause, pulse, sender, shared::Shared,
};
use crate::{
    backplane::{Engine, EngineError, Mark},
    sync::Arc,
};

type Start = Pin<Box<dyn Future<Output = Result<Mark, EngineError>> + Send>>;

/// Starts the engine and the tasks.
pub(super) fn start(engine: Arc<dyn Engine>, options: NodeOptions) -> Arc<Shared> {
    let shared = Shared::new(engine, options);
    let Some(runtime) = shared.runtime() else {
        shared.trouble(Trouble::Start, true);
        return shared;
    };
    let within = runtime.enter();
    let mut start = start_engine(&shared);
    // A store in memory has answered already.
    let mut cx = Context::from_waker(Waker::noop());
    let answer = start.as_mut().poll(&mut cx);
    drop(within);
    match answer {
        Poll::Ready(Ok(mark)) => {
            shared.has_started(mark);
            spawn_timer(&shared);
            spawn_tasks(&shared);
        }
        Poll::Ready(Err(error)) => spawn_start(&shared, Box::pin(async { Err(error) })),
        Poll::Pending => spawn_start(&shared, start),
    }
    shared
}

fn start_engine(shared: &Arc<Shared>) -> Start {
    let (shared, feed) = (Arc::clone(shared), shared.feed());
    Box::pin(async move { shared.engine().start(feed).await })
}

fn spawn_start(shared: &Arc<Shared>, first: Start) {
    let starting = Arc::clone(shared);
    shared.trouble(Trouble::Start, true);
    spawn_timer(shared);
    shared.spawn(async move {
        let mut pause = Pause::default();
        let mut outcome = first.await;
        loop {
            match outcome {
                Ok(mark) => {
                    starting.has_started(mark);
                    return spawn_tasks(&starting);
                }
                Err(error) => starting.has_not_started(error),
            }
            pause.next().await;
            outcome = start_engine(&starting).await;
        }
    });
}

fn spawn_timer(shared: &Arc<Shared>) {
    shared.spawn(pulse::time(Arc::clone(shared)));
}

fn spawn_tasks(shared: &Arc<Shared>) {
    shared.spawn(sender::run(Arc::clone(shared)));
    shared.spawn(driver::run(Arc::clone(shared)));
    shared.spawn(pulse::run(Arc::clone(shared)));
}
