//! `TestStream`: one event stream, as an `EventSource` has it.

use std::{collections::VecDeque, error::Error, fmt, future::Future, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Response, header, request::Parts};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use sse_tower_core::{CloseReason, STREAM_BYE, StreamControl, StreamFailed};

use super::{
    came::Came,
    event::ReceivedEvent,
    parser::{Item, Parser},
    refusals::Refusals,
    service::{Dial, TestBody, event_stream},
    unmet::{Cause, MAX_UNREAD},
    wait::Wait,
};

/// How many comments a stream keeps for [`next_comment`](TestStream::next_comment): 1 024, the
/// oldest dropped first.
pub const MAX_COMMENTS: usize = 1024;

/// Why no event comes at all, most often.
const UNHEARD: &str = "if a listener was to send it, see that `#[event_listener]` is on it, and that the event is \
                       published in the context that `SseLayer` has";

const LAST_EVENT_ID: &str = "last-event-id";

/// An event stream as a browser's `EventSource` has it: it can be read, cut, and opened again from
/// where the test has read. Made by [`TestClient::open`](super::TestClient::open).
///
/// The body is read only while the test waits for something, so a stream that is not asked is a
/// client that does not read. Dropping it is the disconnect.
///
/// ```
/// # use {sse_tower::{SseEmitter, test::TestClient}, std::time::Duration};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let emitter = SseEmitter::builder().retry(Duration::from_secs(3)).build();
/// # emitter.try_send(sse_tower::SseEvent::builder().name("finish").id("6666").data("paid")).unwrap();
/// # let push = async move || emitter;
/// # let client = TestClient::new(axum::Router::new().route("/push", axum::routing::get(push)));
/// let mut stream = client.open("/push").await;
/// let event = stream.next_event().await;
/// assert_eq!((event.name.as_str(), event.data.as_str()), ("finish", "paid"));
/// assert_eq!(stream.last_event_id(), "6666");
/// assert_eq!(stream.retry(), Some(Duration::from_secs(3)));
/// assert_eq!(stream.headers()["content-type"], "text/event-stream");
/// # }
/// ```
pub struct TestStream {
    request: Parts,
    dial: Dial,
    deadline: Duration,
    headers: HeaderMap,
    /// `None` once it has ended or was cut.
    body: Option<TestBody>,
    parser: Parser,
    /// What was read and not yet given to the test: events, and ids without one, each with the
    /// position after it.
    unread: VecDeque<(Option<ReceivedEvent>, String)>,
    /// How many pieces of the body the wait that goes on may read.
    left_to_read: usize,
    comments: VecDeque<String>,
    last_event_id: String,
    retry: Option<Duration>,
    reason: Arc<Mutex<Option<CloseReason>>>,
    came: Arc<Mutex<Came>>,
    /// The client's.
    refusals: Refusals,
}

impl TestStream {
    pub(super) fn new(
        request: Parts,
        dial: Dial,
        response: Response<TestBody>,
        deadline: Duration,
        refusals: Refusals,
    ) -> Self {
        let last = request.headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
        let last_event_id = String::from_utf8_lossy(last.unwrap_or_default()).into_owned();
        let mut stream = Self {
            request,
            dial,
            deadline,
            headers: HeaderMap::new(),
            body: None,
            parser: Parser::default(),
            unread: VecDeque::new(),
            left_to_read: 0,
            comments: VecDeque::new(),
            last_event_id,
            retry: None,
            reason: Arc::default(),
            came: Arc::default(),
            refusals,
        };
        stream.connected(response);
        stream
    }

    fn connected(&mut self, response: Response<TestBody>) {
        let (head, body) = response.into_parts();
        self.reason = Arc::default();
        if let Some(control) = head.extensions.get::<StreamControl>() {
            let reason = self.reason.clone();
            control.on_completion(move |why| *reason.lock() = Some(why));
        }
        self.headers = head.headers;
        self.body = Some(body);
        self.parser = Parser::after(self.last_event_id.clone());
        self.came.lock().has_ended(false);
    }

    /// The next event. Comments, and positions without an event, are passed over as in a browser.
    ///
    /// # Panics
    /// Where it is awaited, if the stream ends before, or nothing comes in time.
    ///
    /// ```
    /// # use sse_tower::{Emitters, LastEventId, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let emitters = Emitters::<u64>::new();
    /// # let all = emitters.clone();
    /// # let push = async move || all.connect(7, LastEventId::default());
    /// # let client = TestClient::new(axum::Router::new().route("/push", axum::routing::get(push)));
    /// let mut stream = client.open("/push").await;
    /// emitters.send(&7, "paid");
    /// let event = stream.next_event().await;
    /// assert_eq!((event.name.as_str(), event.data.as_str()), ("message", "paid"));
    /// # }
    /// ```
    pub fn next_event(&mut self) -> Wait<'_, ReceivedEvent> {
        self.wait_or("the next event", Some(UNHEARD), |stream| async move {
            stream.event().await?.ok_or(Cause::Ended)
        })
    }

    /// The next comment, such as `:` of a keep-alive. Events that come before it are kept for
    /// [`next_event`](Self::next_event), at most [`MAX_UNREAD`].
    ///
    /// # Panics
    /// As [`next_event`](Self::next_event).
    ///
    /// ```
    /// # use {sse_tower::{SseEmitter, test::TestClient}, std::time::Duration};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// let emitter = SseEmitter::builder().keep_alive(Duration::from_secs(15)).build();
    /// let opened = emitter.clone();
    /// let push = move || { let opened = opened.clone(); async move { opened } };
    /// let app = axum::Router::new().route("/push", axum::routing::get(push));
    /// let mut stream = TestClient::new(app).open("/push").await;
    /// assert_eq!(stream.next_comment().within(Duration::from_secs(20)).await, "");
    /// # }
    /// ```
    pub fn next_comment(&mut self) -> Wait<'_, String> {
        self.wait("the next comment", |stream| async move {
            loop {
                if let Some(comment) = stream.comments.pop_front() {
                    return Ok(comment);
                }
                if !stream.read().await? {
                    return Err(Cause::Ended);
                }
            }
        })
    }

    /// Collects all events that are left, up to the end of the stream; at most [`MAX_UNREAD`].
    ///
    /// There may be any number of them, also none. [`ended`](Self::ended) fails at the first, and
    /// says why the stream ended; it says so after `rest`, too.
    ///
    /// # Panics
    /// Where it is awaited, if the stream does not end in time.
    ///
    /// ```
    /// # use sse_tower::{SseEmitter, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let emitter = SseEmitter::new();
    /// # for text in ["one", "two"] { emitter.try_send(text).unwrap(); }
    /// # emitter.complete();
    /// # let push = async move || emitter;
    /// # let client = TestClient::new(axum::Router::new().route("/push", axum::routing::get(push)));
    /// let mut stream = client.open("/push").await;
    /// let data: Vec<_> = stream.rest().await.into_iter().map(|event| event.data).collect();
    /// assert_eq!(data, ["one", "two"]);
    /// # }
    /// ```
    pub fn rest(&mut self) -> Wait<'_, Vec<ReceivedEvent>> {
        self.wait("the end of the stream", |stream| async move {
            let mut events = Vec::new();
            while let Some(event) = stream.event().await? {
                if events.len() == MAX_UNREAD {
                    return Err(Cause::TooMuch);
                }
                events.push(event);
            }
            Ok(events)
        })
    }

    /// Expects the end of the stream and no further event before it: how it ended, as the program
    /// sees it. `None` for a stream that is no [`SseEmitter`](crate::SseEmitter): of those nobody
    /// knows. The server's `stream-bye` belongs to the end, and is passed over.
    ///
    /// Events that the test has not read yet are further ones: where any may come before the end,
    /// take them with [`rest`](Self::rest) first, which collects them.
    ///
    /// # Panics
    /// Where it is awaited, if an event comes, or no end in time.
    ///
    /// ```
    /// # use sse_tower::{CloseReason, SseEmitter, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let emitter = SseEmitter::new();
    /// # let opened = emitter.clone();
    /// # let push = move || { let opened = opened.clone(); async move { opened } };
    /// # let app = axum::Router::new().route("/push", axum::routing::get(push));
    /// let mut stream = TestClient::new(app).open("/push").await;
    /// emitter.complete();
    /// assert_eq!(stream.ended().await, Some(CloseReason::Completed));
    /// # }
    /// ```
    pub fn ended(&mut self) -> Wait<'_, Option<CloseReason>> {
        self.wait("the end of the stream", |stream| async move {
            loop {
                match stream.event().await? {
                    None => return Ok(*stream.reason.lock()),
                    Some(event) if event.name == STREAM_BYE.as_str() => {}
                    Some(event) => return Err(Cause::Came(event)),
                }
            }
        })
    }

    /// Expects that no event comes for this long, and no end either.
    ///
    /// # Panics
    /// Where it is awaited, if one comes.
    ///
    /// ```
    /// # use {sse_tower::{Emitters, LastEventId, test::TestClient}, std::time::Duration};
    /// # use axum::{Router, extract::Path, routing::get};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
    /// # let users = Emitters::<String>::new();
    /// # let all = users.clone();
    /// # let push = move |Path(user): Path<String>| async move { all.connect(user, LastEventId::default()) };
    /// # let client = TestClient::new(Router::new().route("/push/{user}", get(push)));
    /// let mut alice = client.open("/push/alice").await;
    /// let mut bob = client.open("/push/bob").await;
    /// users.send("alice", "for you alone");
    /// assert_eq!(alice.next_event().await.data, "for you alone");
    /// bob.silent_for(Duration::from_secs(1)).await;
    /// # }
    /// ```
    pub fn silent_for(&mut self, time: Duration) -> Wait<'_, ()> {
        let deadline = time.saturating_add(self.deadline);
        let wait = self.wait("no event", |stream| async move {
            match tokio::time::timeout(time, stream.event()).await {
                Err(_) => Ok(()),
                Ok(Ok(Some(event))) => Err(Cause::Came(event)),
                Ok(Ok(None)) => Err(Cause::Ended),
                Ok(Err(cause)) => Err(cause),
            }
        });
        wait.within(deadline)
    }

    /// Drops the connection, like a network that fails right after the last event that the test was given: what came
    /// after that event is lost to this client.
    ///
    /// ```
    /// # use sse_tower::{Emitters, LastEventId, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let emitters = Emitters::<u64>::new();
    /// # let all = emitters.clone();
    /// # let push = async move || all.connect(7, LastEventId::default());
    /// # let client = TestClient::new(axum::Router::new().route("/push", axum::routing::get(push)));
    /// let mut stream = client.open("/push").await;
    /// assert!(emitters.contains(&7));
    /// stream.disconnect();
    /// assert!(!emitters.contains(&7));
    /// # }
    /// ```
    pub fn disconnect(&mut self) {
        self.cut();
        self.unread.clear();
    }

    /// Opens the stream again as an `EventSource` does: the same request, with the last id that the
    /// test was given. Drops the connection first, if there is one.
    ///
    /// It does not wait for [`retry`](Self::retry) to pass.
    ///
    /// # Panics
    /// Where it is awaited, if the response is no event stream; 204 is how a server says "never
    /// again".
    ///
    /// ```
    /// # use sse_tower::{Emitters, LastEventId, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let emitters = Emitters::<u64>::new();
    /// # let all = emitters.clone();
    /// # let push = |last: LastEventId| async move { all.connect(7, last) };
    /// # let app = axum::Router::new().route("/push", axum::routing::get(push));
    /// let mut stream = TestClient::new(app).open("/push").await;
    /// emitters.send(&7, "seen");
    /// stream.next_event().await;
    /// stream.disconnect();
    /// emitters.send(&7, "missed");
    /// emitters.complete(&7);
    /// stream.reconnect().await;
    /// assert_eq!(stream.next_event().await.data, "missed");
    /// stream.ended().await;
    /// // It has seen everything: a browser stays away.
    /// assert_eq!(stream.reconnect().result().await.unwrap_err().status().unwrap(), 204);
    /// # }
    /// ```
    pub fn reconnect(&mut self) -> Wait<'_, ()> {
        self.disconnect();
        let expected = format!("an event stream at {} once more", self.request.uri);
        self.wait(expected, |stream| async move {
            let mut request = stream.request.clone();
            request.headers.remove(LAST_EVENT_ID);
            if !stream.last_event_id.is_empty() {
                let id = HeaderValue::from_bytes(stream.last_event_id.as_bytes());
                let id = id.map_err(|error| Cause::BadRequest(error.into()))?;
                request.headers.insert(LAST_EVENT_ID, id);
            }
            let answer = (stream.dial)(request);
            let response = event_stream(answer.await).await?;
            stream.connected(response);
            Ok(())
        })
    }

    /// Sends this header when the stream is [opened again](Self::reconnect), in place of what the request said: another
    /// token, say.
    ///
    /// # Errors
    /// The name or the value is none of a header.
    ///
    /// ```
    /// # use sse_tower::{SseEmitter, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), axum::http::Error> {
    /// # let push = |headers: axum::http::HeaderMap| async move {
    /// #     let emitter = SseEmitter::new();
    /// #     emitter.try_send(headers["authorization"].to_str().unwrap()).unwrap();
    /// #     emitter
    /// # };
    /// # let app = axum::Router::new().route("/push", axum::routing::get(push));
    /// let mut stream = TestClient::new(app).header("authorization", "old").open("/push").await;
    /// stream.header("authorization", "new")?;
    /// stream.reconnect().await;
    /// assert_eq!(stream.next_event().await.data, "new");
    /// # Ok(()) }
    /// ```
    pub fn header(
        &mut self,
        name: impl AsRef<str>,
        value: impl AsRef<str>,
    ) -> Result<(), http::Error> {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes())?;
        self.request.headers.insert(name, HeaderValue::from_str(value.as_ref())?);
        Ok(())
    }

    /// Says that the client does not read, for as long as the value lives. Its connection stays
    /// open, and what is sent to it waits in the server, within the server's bounds.
    ///
    /// ```
    /// # use sse_tower::{STREAM_GAP, SseEmitter, Emitters, LastEventId, test::TestClient};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let emitters = Emitters::<u64>::builder().history(sse_tower::History::none()).backlog(10, 1 << 20).build();
    /// # let all = emitters.clone();
    /// # let push = || async move { all.connect(7, LastEventId::default()) };
    /// # let app = axum::Router::new().route("/push", axum::routing::get(push));
    /// let mut stream = TestClient::new(app).open("/push").await;
    /// let stalled = stream.stop_reading();
    /// for number in 0..1000 {
    ///     emitters.send(&7, number.to_string());
    /// }
    /// drop(stalled);
    /// assert_eq!(stream.next_event().await.name, STREAM_GAP.as_str());
    /// # }
    /// ```
    pub fn stop_reading(&mut self) -> Stalled<'_> {
        Stalled { _stream: self }
    }

    /// What the next [`reconnect`](Self::reconnect) sends as `Last-Event-ID`; empty for none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How long a browser waits before it dials again, as the server has said last.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The headers of the response.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn wait<'a, T, F>(
        &'a mut self,
        expected: impl Into<String>,
        work: impl FnOnce(&'a mut Self) -> F,
    ) -> Wait<'a, T>
    where
        F: Future<Output = Result<T, Cause>> + Send + 'a,
    {
        self.wait_or(expected, None, work)
    }

    /// `silent` is said where no event had come, and yet the stream was open.
    fn wait_or<'a, T, F>(
        &'a mut self,
        expected: impl Into<String>,
        silent: Option<&'static str>,
        work: impl FnOnce(&'a mut Self) -> F,
    ) -> Wait<'a, T>
    where
        F: Future<Output = Result<T, Cause>> + Send + 'a,
    {
        self.left_to_read = MAX_UNREAD;
        let (deadline, came, refusals) = (self.deadline, self.came.clone(), self.refusals.clone());
        let report = move || {
            let came = came.lock();
            let silent = silent.filter(|_| came.is_nothing());
            let lines =
                [came.to_string(), refusals.report(), silent.unwrap_or_default().to_owned()];
            lines.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\n")
        };
        Wait::new(expected, deadline, report, work(self))
    }

    /// The next event for the test; `None` at the end.
    async fn event(&mut self) -> Result<Option<ReceivedEvent>, Cause> {
        loop {
            while let Some((event, position)) = self.unread.pop_front() {
                self.last_event_id = position;
                if let Some(event) = event {
                    self.pass_ids();
                    return Ok(Some(event));
                }
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// A position that came with the last event's bytes counts as read with them.
    fn pass_ids(&mut self) {
        while let Some((None, _)) = self.unread.front() {
            if let Some((_, position)) = self.unread.pop_front() {
                self.last_event_id = position;
            }
        }
    }

    /// Reads a piece of the body; false at its end.
    async fn read(&mut self) -> Result<bool, Cause> {
        let Some(body) = &mut self.body else { return Ok(false) };
        // A body that is always ready would let no clock get on.
        self.left_to_read = self.left_to_read.checked_sub(1).ok_or(Cause::TooMuch)?;
        let data = match body.frame().await {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            // Its last event has said so, and `ended` does.
            Some(Err(error)) if is_failure(&*error) => {
                self.cut();
                return Ok(false);
            }
            Some(Err(error)) => {
                self.cut();
                return Err(Cause::Broken(error));
            }
            None => {
                self.cut();
                return self
                    .parser
                    .unfinished()
                    .map_or(Ok(false), |it| Err(Cause::EndedWithin(it)));
            }
        };
        self.parser.feed(&data, |item| match item {
            Item::Retry(retry) => self.retry = Some(retry),
            Item::Block { last_event_id, event } => {
                if let Some(event) = &event {
                    self.came.lock().note(event);
                }
                self.unread.push_back((event, last_event_id));
            }
            Item::Comment(comment) => {
                if self.comments.len() == MAX_COMMENTS {
                    self.comments.pop_front();
                }
                self.comments.push_back(comment);
            }
        });
        if self.unread.len() > MAX_UNREAD { Err(Cause::TooMuch) } else { Ok(true) }
    }

    fn cut(&mut self) {
        self.body = None;
        self.came.lock().has_ended(true);
    }
}

/// A client that does not read. Made by [`TestStream::stop_reading`]; dropping it lets the test
/// read on.
#[derive(Debug)]
#[must_use = "the client reads again when it is dropped"]
pub struct Stalled<'a> {
    _stream: &'a mut TestStream,
}

/// Whether the program ended the stream with an error, whatever has wrapped that on the way.
fn is_failure(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<StreamFailed>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Adds what an `EventSource` sends.
pub(super) fn as_event_source(request: &mut Parts) {
    let accept = HeaderValue::from_static("text/event-stream");
    let cache = HeaderValue::from_static("no-cache");
    request.headers.entry(header::ACCEPT).or_insert(accept);
    request.headers.entry(header::CACHE_CONTROL).or_insert(cache);
}

impl fmt::Debug for TestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStream")
            .field("request", &self.request.uri)
            .field("open", &self.body.is_some())
            .field("last_event_id", &self.last_event_id)
            .finish_non_exhaustive()
    }
}
