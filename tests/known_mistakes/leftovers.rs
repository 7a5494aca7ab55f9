//! However a connection ends, it is gone, and it alone.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::{Router, routing::get};
use serde::Deserialize;
use sse_tower::test::{TestClient, TestStream};
use sse_tower::{ApplicationContext, CloseReason, Emitters, History, SseEmitter, SseLayer};
use sse_tower_tests::Result;
use tokio::sync::mpsc;

const ENDS: [CloseReason; 4] =
    [CloseReason::Completed, CloseReason::TimedOut, CloseReason::Failed, CloseReason::ClientGone];

const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Asked {
    id: usize,
}

#[derive(Clone)]
struct Pages {
    emitters: Emitters<usize>,
    /// To the test, which ends them.
    opened: mpsc::Sender<SseEmitter>,
}

/// As those programs do: an emitter is made, and put in by its id.
async fn push(Query(asked): Query<Asked>, State(pages): State<Pages>) -> SseEmitter {
    let emitter = SseEmitter::builder().timeout(TIMEOUT).build();
    pages.emitters.insert(asked.id, &emitter);
    // The test that would take it may be over.
    let _ = pages.opened.send(emitter.clone()).await;
    emitter
}

/// A client, and the sending side of each stream that it opens.
struct Desk {
    context: ApplicationContext,
    emitters: Emitters<usize>,
    opened: mpsc::Receiver<SseEmitter>,
    client: TestClient,
}

impl Desk {
    fn open() -> Result<Self> {
        let context = ApplicationContext::bare().build()?;
        // Nothing is kept for later, so that nothing has a reason to stay.
        let emitters = Emitters::builder().history(History::none()).build();
        let (sender, opened) = mpsc::channel(1);
        let app = Router::new()
            .route("/push", get(push))
            .layer(SseLayer::new(context.clone()))
            .with_state(Pages { emitters: emitters.clone(), opened: sender });
        Ok(Self { context, emitters, opened, client: TestClient::new(app) })
    }

    async fn connect(&mut self, id: usize) -> Result<(TestStream, SseEmitter)> {
        let stream = self.client.open(&format!("/push?id={id}")).await;
        Ok((stream, self.opened.recv().await.ok_or("the app is gone")?))
    }

    /// That nobody is connected but those at `keys`.
    fn only(&self, keys: &[usize], after: CloseReason) {
        let seen = (self.emitters.keys(), self.emitters.len(), self.context.streams().len());
        assert_eq!(seen, (keys.to_vec(), keys.len(), keys.len()), "{after}");
    }
}

/// Ends a connection as said, with nothing before its end.
async fn end((mut stream, emitter): (TestStream, SseEmitter), end: CloseReason) {
    match end {
        CloseReason::Completed => emitter.complete(),
        CloseReason::Failed => emitter.complete_with_error("the page could not be made"),
        _ => {}
    }
    if end == CloseReason::ClientGone {
        drop(stream);
    } else {
        assert_eq!(stream.ended().await, Some(end));
    }
    assert_eq!(emitter.closed().await, end);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_after_completion_timeout_error_and_disconnect() -> Result {
    let mut desk = Desk::open()?;
    for (id, reason) in ENDS.into_iter().enumerate() {
        end(desk.connect(id).await?, reason).await;
        desk.only(&[], reason);
        assert_eq!(desk.emitters.send(&id, "late").await?.receivers, 0, "{reason}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_old_connection_removes_no_newer_one_of_its_key() -> Result {
    let mut desk = Desk::open()?;
    for (id, reason) in ENDS.into_iter().enumerate() {
        let old = desk.connect(id).await?;
        // So that the old one times out first.
        tokio::time::sleep(TIMEOUT / 2).await;
        let (mut newer, emitter) = desk.connect(id).await?;
        end(old, reason).await;
        desk.only(&[id], reason);
        assert_eq!(desk.emitters.send(&id, "still here").await?.receivers, 1, "{reason}");
        assert_eq!(newer.next_event().await.data, "still here");
        end((newer, emitter), CloseReason::ClientGone).await;
        desk.only(&[], reason);
    }
    Ok(())
}
