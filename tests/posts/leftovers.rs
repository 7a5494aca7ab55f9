//! However a connection ends, it is gone, and it alone.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::{Router, routing::get};
use serde::Deserialize;
use sse_tower::{ApplicationContext, CloseReason, Emitters, History, SseEmitter, SseLayer};
use sse_tower_tests::{EventText, Result, Server, Stream, eventually, within};
use tokio::sync::mpsc;

const ENDS: [CloseReason; 4] =
    [CloseReason::Completed, CloseReason::TimedOut, CloseReason::Failed, CloseReason::ClientGone];

#[derive(Deserialize)]
struct Asked {
    id: usize,
    /// In milliseconds.
    timeout: u64,
}

#[derive(Clone)]
struct Pages {
    emitters: Emitters<usize>,
    /// To the test, which ends them.
    opened: mpsc::Sender<SseEmitter>,
}

/// As the posts do: an emitter is made, and put in by its id.
async fn push(Query(asked): Query<Asked>, State(pages): State<Pages>) -> SseEmitter {
    let timeout = Duration::from_millis(asked.timeout);
    let emitter = SseEmitter::builder().timeout(timeout).build();
    pages.emitters.insert(asked.id, &emitter);
    // The test that would take it may be over.
    let _ = pages.opened.send(emitter.clone()).await;
    emitter
}

/// A server, and the sending side of each stream that is opened there.
struct Desk {
    context: ApplicationContext,
    emitters: Emitters<usize>,
    opened: mpsc::Receiver<SseEmitter>,
    server: Server,
}

impl Desk {
    async fn open() -> Result<Self> {
        let context = ApplicationContext::bare().build()?;
        // Nothing is kept for later, so that nothing has a reason to stay.
        let emitters = Emitters::builder().history(History::none()).build();
        let (sender, opened) = mpsc::channel(1);
        let app = Router::new()
            .route("/push", get(push))
            .layer(SseLayer::new(context.clone()))
            .with_state(Pages { emitters: emitters.clone(), opened: sender });
        let server = Server::start(app, &context).await?;
        Ok(Self { context, emitters, opened, server })
    }

    async fn connect(&mut self, id: usize, timeout: Duration) -> Result<(Stream, SseEmitter)> {
        let target = format!("/push?id={id}&timeout={}", timeout.as_millis());
        let stream = Stream::at(self.server.address(), &target, &[]).await?;
        Ok((stream, self.opened.recv().await.ok_or("the server is gone")?))
    }

    /// Opens a connection that will end as said.
    async fn connect_for(&mut self, id: usize, end: CloseReason) -> Result<(Stream, SseEmitter)> {
        let short = Duration::from_millis(200);
        let timed_out = end == CloseReason::TimedOut;
        self.connect(id, if timed_out { short } else { Duration::from_secs(3600) }).await
    }

    /// Waits until nobody is connected but those at `keys`.
    async fn left(&self, keys: &[usize]) -> Result {
        eventually("nothing is left", async || {
            let mut left = self.emitters.keys();
            left.sort_unstable();
            let seen = (left, self.emitters.len(), self.context.streams().len());
            let right = (keys.to_vec(), keys.len(), keys.len());
            Ok(if seen == right { Ok(()) } else { Err(format!("{seen:?}")) })
        })
        .await
    }
}

/// Ends a connection as said and waits until it is over on both sides.
async fn end((mut stream, emitter): (Stream, SseEmitter), end: CloseReason) -> Result {
    match end {
        CloseReason::Completed => emitter.complete(),
        CloseReason::Failed => emitter.complete_with_error("the page could not be made"),
        _ => {}
    }
    if end == CloseReason::ClientGone {
        drop(stream);
    } else {
        assert_eq!(stream.rest().await?, Vec::<String>::new(), "{end}");
    }
    assert_eq!(within("the end of an emitter", emitter.closed()).await?, end);
    Ok(())
}

#[tokio::test]
async fn nothing_is_left_after_completion_timeout_error_and_disconnect() -> Result {
    let mut desk = Desk::open().await?;
    for (id, reason) in ENDS.into_iter().enumerate() {
        let connection = desk.connect_for(id, reason).await?;
        end(connection, reason).await?;
        desk.left(&[]).await?;
        let late = desk.emitters.send(&id, "late").await?;
        assert_eq!(late.receivers, 0, "{reason}");
    }
    Ok(())
}

#[tokio::test]
async fn the_end_of_an_old_connection_removes_no_newer_one_of_its_key() -> Result {
    let mut desk = Desk::open().await?;
    for (id, reason) in ENDS.into_iter().enumerate() {
        let old = desk.connect_for(id, reason).await?;
        let (mut newer, emitter) = desk.connect(id, Duration::from_secs(3600)).await?;
        end(old, reason).await?;
        desk.left(&[id]).await?;
        assert_eq!(desk.emitters.send(&id, "still here").await?.receivers, 1, "{reason}");
        assert_eq!(newer.event().await?.field("data"), Some("still here"));
        end((newer, emitter), CloseReason::ClientGone).await?;
    }
    desk.left(&[]).await
}
