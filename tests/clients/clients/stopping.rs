//! Told to stop for good, and told to come back later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::{Router, routing::get};
use sse_tower::{ApplicationContext, Emitters, LastEventId, Limits, Refusal, SseEmitter, SseLayer};
use sse_tower_tests::{Connection, Relay, Result, Server, eventually};

use crate::client::{Client, Heard, Kind, Stopped, sent};
use crate::with_each_client;

with_each_client!(a_204_after_all_is_seen, a_polite_refusal);

#[derive(Clone, Default)]
struct Streams {
    emitters: Emitters<()>,
    dials: Arc<AtomicUsize>,
}

async fn push(last: LastEventId, State(streams): State<Streams>) -> SseEmitter {
    streams.dials.fetch_add(1, Ordering::SeqCst);
    streams.emitters.connect((), last)
}

fn router(streams: &Streams) -> Router {
    Router::new().route("/push", get(push)).with_state(streams.clone())
}

async fn a_204_after_all_is_seen(kind: Kind) -> Result {
    let context = ApplicationContext::bare().build()?;
    let emitters = Emitters::builder().retry(Duration::from_millis(50)).build();
    let streams = Streams { emitters, ..Streams::default() };
    streams.emitters.send(&(), "one").await?;
    streams.emitters.send(&(), "all").await?;
    streams.emitters.complete(&());
    let app = router(&streams).layer(SseLayer::new(context.clone()));
    let server = Server::start(app, &context).await?;
    let mut client = Client::start(kind, &server.url("/push"), &[])?;
    let heard = client.through("all").await?;
    assert_eq!(sent(&heard), ["one", "all"]);
    if kind == Kind::EventsourceClient {
        // It takes a 204 for a stream that is over. Nothing comes twice all the same.
        let again = async || {
            let dials = streams.dials.load(Ordering::SeqCst);
            Ok(if dials > 4 { Ok(()) } else { Err(format!("{dials} dials")) })
        };
        eventually("the client dials on", again).await?;
        assert_eq!(client.more(), []);
        return Ok(());
    }
    assert_eq!(client.next().await?, Heard::Stopped(Stopped::Stopped));
    assert_eq!(client.more(), []);
    assert_eq!(streams.dials.load(Ordering::SeqCst), 2, "one for the events, one for the 204");
    Ok(())
}

async fn a_polite_refusal(kind: Kind) -> Result {
    let context = ApplicationContext::bare().build()?;
    let streams = Streams::default();
    let soon = Duration::from_millis(50)..=Duration::from_millis(150);
    let layer = SseLayer::new(context.clone())
        .limit(Limits::new().total(1))
        .refusal(Refusal::new().retry(soon));
    let server = Server::start(router(&streams).layer(layer), &context).await?;
    let network = Relay::to(server.address()).await?;
    let mut first = Connection::open(server.address()).await?;
    first.ask("GET", "/push", &[("accept", "text/event-stream")]).await?;
    assert_eq!(first.head().await?.status, 200);
    let mut client = Client::start(kind, &format!("http://{}/push", network.address()), &[])?;
    let tried = async || {
        let dials = network.passed("GET /push").len();
        Ok(if dials >= 3 { Ok(()) } else { Err(format!("{dials} dials")) })
    };
    eventually("the client comes again and again", tried).await?;
    assert_eq!(
        streams.dials.load(Ordering::SeqCst),
        1,
        "who is refused never comes to the handler"
    );
    drop(first);
    let taken = async || {
        let dials = streams.dials.load(Ordering::SeqCst);
        Ok(if dials == 2 { Ok(()) } else { Err(format!("{dials} dials")) })
    };
    eventually("the client is taken", taken).await?;
    streams.emitters.send(&(), "one").await?;
    let heard = client.through("one").await?;
    assert_eq!(sent(&heard), ["one"]);
    assert!(heard.iter().any(|(_, data)| data.contains("refused")), "{heard:?}");
    assert_eq!(client.more(), []);
    Ok(())
}
