//! `EventSource` itself: refused and coming back, stopped for good, and six at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use axum::{Router, routing::get};
use sse_tower::{ApplicationContext, Emitters, LastEventId, Limits, Refusal, SseEmitter, SseLayer};
use sse_tower_tests::{Connection, Relay, Result, Server, Tab, in_browsers};

const CONNECTING: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;

/// A page that asks for nothing by itself.
async fn page() -> Html<&'static str> {
    Html("<!doctype html><title>a page</title><link rel=icon href='data:,'>")
}

/// The streams of a server, and how often somebody dialled for one.
#[derive(Clone, Default)]
struct Streams {
    emitters: Emitters<()>,
    dials: Arc<AtomicUsize>,
}

impl Streams {
    fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }
}

async fn stream(State(streams): State<Streams>, last: LastEventId) -> SseEmitter {
    streams.dials.fetch_add(1, Ordering::SeqCst);
    streams.emitters.connect((), last)
}

fn app(streams: &Streams) -> Router {
    Router::new().route("/", get(page)).route("/stream", get(stream)).with_state(streams.clone())
}

/// Opens an `EventSource` as `window[name]`, which notes what it hears.
async fn listen(tab: &Tab<'_>, name: &str, target: &str) -> Result {
    let script = format!(
        "(() => {{
            const source = window['{name}'] = new EventSource('{target}');
            Object.assign(source, {{ heard: [], byes: [] }});
            source.addEventListener('message', (event) => source.heard.push(event.data));
            source.addEventListener('stream-bye', (event) => source.byes.push(event.data));
            return null;
        }})()"
    );
    tab.value::<Option<bool>>(&script).await.map(drop)
}

async fn until(tab: &Tab<'_>, condition: &str) -> Result {
    let seen = "Object.fromEntries(['source', 'again', 'seventh'].map((name) => [name, window[name]
        && { readyState: window[name].readyState, ...window[name] }]))";
    tab.until(condition, seen).await
}

async fn heard(tab: &Tab<'_>, events: &[&str]) -> Result {
    let events = serde_json::to_string(events)?;
    until(tab, &format!("JSON.stringify(source.heard) === '{events}'")).await
}

#[tokio::test]
async fn one_that_is_refused_politely_comes_back_by_itself_once_there_is_room() -> Result {
    in_browsers(async |browser| {
        let context = ApplicationContext::bare().build()?;
        let streams = Streams::default();
        let soon = Duration::from_millis(50)..=Duration::from_millis(150);
        let layer = SseLayer::new(context.clone())
            .limit(Limits::new().total(1))
            .refusal(Refusal::new().retry(soon));
        let server = Server::start(app(&streams).layer(layer), &context).await?;
        let network = Relay::to(server.address()).await?;
        let mut first = Connection::open(server.address()).await?;
        first.ask("GET", "/stream", &[("accept", "text/event-stream")]).await?;
        assert_eq!(first.head().await?.status, 200);
        let tab = browser.open(&format!("http://{}/", network.address())).await?;
        listen(&tab, "source", "/stream").await?;
        until(&tab, "source.byes.length >= 3").await?;
        assert_ne!(tab.value::<u8>("source.readyState").await?, CLOSED);
        assert_eq!(streams.dials(), 1, "who is refused never comes to the handler");
        drop(first);
        until(&tab, &format!("source.readyState === {OPEN}")).await?;
        // It may be open for a moment while it is refused, so: what it hears.
        streams.emitters.send(&(), "one").await?;
        heard(&tab, &["one"]).await?;
        let dials = network.passed("GET /stream").len();
        assert_eq!(dials, tab.value::<usize>("source.byes.length").await? + 1);
        streams.emitters.send(&(), "two").await?;
        heard(&tab, &["one", "two"]).await?;
        assert_eq!(network.passed("GET /stream").len(), dials, "it stays");
        Ok(())
    })
    .await
}

/// A stream that is over at once and whose client is to come back at once, for ever.
async fn again() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/event-stream")], "retry:20\ndata:again\n\n")
}

#[tokio::test]
async fn a_204_stops_one_for_good() -> Result {
    in_browsers(async |browser| {
        let context = ApplicationContext::bare().build()?;
        let emitters = Emitters::builder().retry(Duration::from_millis(20)).build();
        let streams = Streams { emitters, ..Streams::default() };
        streams.emitters.send(&(), "all").await?;
        streams.emitters.complete(&());
        let app = app(&streams).route("/again", get(again));
        let server = Server::start(app.layer(SseLayer::new(context.clone())), &context).await?;
        let tab = browser.open(&server.url("/")).await?;
        listen(&tab, "source", "/stream").await?;
        until(&tab, &format!("source.readyState === {CLOSED}")).await?;
        heard(&tab, &["all"]).await?;
        assert_eq!(streams.dials(), 2, "one for the event, one for the 204");
        // Another in the same tab, with the same retry, dials many times meanwhile.
        listen(&tab, "again", "/again").await?;
        until(&tab, "again.heard.length >= 10").await?;
        assert_eq!(tab.value::<u8>("source.readyState").await?, CLOSED);
        assert_eq!(streams.dials(), 2);
        Ok(())
    })
    .await
}

/// Six is what a browser gives one origin over HTTP/1.1, counted over all tabs. The seventh dial
/// stays in the browser: `CONNECTING` without a byte on the wire and without an error, until one of
/// the six is closed; and so does every other request to that origin, the seventh tab's page too.
/// Over HTTP/2, which browsers speak over TLS alone, all share one connection.
#[tokio::test]
async fn six_tabs_of_one_origin_get_every_event_and_a_seventh_stream_waits_for_its_turn() -> Result
{
    in_browsers(async |browser| {
        let context = ApplicationContext::bare().build()?;
        let streams = Streams::default();
        let app = app(&streams).layer(SseLayer::new(context.clone()));
        let server = Server::start(app, &context).await?;
        let mut tabs = Vec::new();
        for _ in 0..6 {
            let tab = browser.open(&server.url("/")).await?;
            listen(&tab, "source", "/stream").await?;
            until(&tab, &format!("source.readyState === {OPEN}")).await?;
            tabs.push(tab);
        }
        let protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
        assert_eq!(tabs[0].value::<String>(protocol).await?, "http/1.1");
        let events = ["a", "b", "c", "d", "e"];
        for event in events {
            assert_eq!(streams.emitters.send(&(), event).await?.receivers, 6);
        }
        for tab in &tabs {
            heard(tab, &events).await?;
        }
        listen(&tabs[0], "seventh", "/stream").await?;
        streams.emitters.send(&(), "f").await?;
        let events = ["a", "b", "c", "d", "e", "f"];
        for tab in &tabs {
            heard(tab, &events).await?;
        }
        assert_eq!(tabs[0].value::<u8>("seventh.readyState").await?, CONNECTING);
        assert_eq!(streams.dials(), 6);
        tabs[5].value::<Option<bool>>("(source.close(), null)").await?;
        until(&tabs[0], "JSON.stringify(seventh.heard) === JSON.stringify(source.heard)").await?;
        assert_eq!(streams.dials(), 7);
        Ok(())
    })
    .await
}
