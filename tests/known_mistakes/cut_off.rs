//! The client of a handler that publishes leaves in the middle: axum drops the handler there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::{Router, routing::post};
use sse_tower::{ApplicationContext, ApplicationEvent, Listener, PublishError, SseLayer};
use sse_tower_tests::{Connection, Result, Server, within};
use tokio::sync::Semaphore;

#[derive(ApplicationEvent)]
struct Paid;

/// What the listeners and the handler did, and what they wait for.
struct Course {
    begun: Semaphore,
    gate: Semaphore,
    finished: [AtomicUsize; 2],
    handler_gone: Semaphore,
    answered: AtomicUsize,
}

impl Course {
    fn finished(&self) -> [usize; 2] {
        self.finished.each_ref().map(|count| count.load(Ordering::SeqCst))
    }
}

/// Lives in the handler.
struct Presence(Arc<Course>);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.handler_gone.add_permits(1);
    }
}

async fn callback(
    State(course): State<Arc<Course>>,
    context: ApplicationContext,
) -> std::result::Result<(), PublishError> {
    let presence = Presence(course);
    context.publish_event(Paid).await?;
    presence.0.answered.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_callback_stops_no_listener() -> Result {
    let course = Arc::new(Course {
        begun: Semaphore::new(0),
        gate: Semaphore::new(0),
        finished: Default::default(),
        handler_gone: Semaphore::new(0),
        answered: AtomicUsize::new(0),
    });
    let (first, second) = (course.clone(), course.clone());
    let first = Listener::on_async(move |_: Arc<Paid>| {
        let course = first.clone();
        async move {
            course.begun.add_permits(1);
            if let Ok(permit) = course.gate.acquire().await {
                permit.forget();
                course.finished[0].fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let second = Listener::on_async(move |_: Arc<Paid>| {
        let course = second.clone();
        async move {
            course.finished[1].fetch_add(1, Ordering::SeqCst);
        }
    });
    let context =
        ApplicationContext::bare().listener(first.order(1)).listener(second.order(2)).build()?;
    let app = Router::new()
        .route("/callback", post(callback))
        .layer(SseLayer::new(context.clone()))
        .with_state(course.clone());
    let server = Server::start(app, &context).await?;

    let mut provider = Connection::open(server.address()).await?;
    provider.ask("POST", "/callback", &[("content-length", "0")]).await?;
    within("the first listener", course.begun.acquire()).await??.forget();
    drop(provider);
    within("the end of the handler", course.handler_gone.acquire()).await??.forget();
    assert_eq!(course.finished(), [0, 0], "the first one is in the middle");
    course.gate.add_permits(1);
    within("all listeners", context.settled()).await?;
    assert_eq!(course.finished(), [1, 1]);
    assert_eq!(course.answered.load(Ordering::SeqCst), 0, "the handler was gone before");
    Ok(())
}
