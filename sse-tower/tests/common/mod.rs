//! What the tests of this crate share: a server on a free port, and a client that sees every byte.
#![allow(dead_code, unreachable_pub)]

use std::{
    convert::Infallible,
    future::IntoFuture,
    net::SocketAddr,
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use sse_tower::{ApplicationContext, ResponseBody, Serve, SseLayer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tower::{Layer, ServiceExt, service_fn};

/// No step of a test takes longer, unless something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn context() -> ApplicationContext {
    ApplicationContext::bare().build().unwrap()
}

/// A server on a free port.
pub struct Server {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

/// Starts `app` under `sse_tower::serve`, set up by `with`.
pub async fn serve_with(
    app: axum::Router,
    context: ApplicationContext,
    with: impl FnOnce(Serve<TcpListener, axum::Router>) -> Serve<TcpListener, axum::Router>,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = with(sse_tower::serve(listener, app, context)).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let task = tokio::spawn(server.into_future());
    Server { address, stop: Some(stop), task }
}

pub async fn serve(app: axum::Router, context: ApplicationContext) -> Server {
    serve_with(app, context, |server| server).await
}

impl Server {
    /// Says when to leave; does not wait.
    pub fn leave(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Drops the server as it is.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Waits until `serve` has returned.
    pub async fn over(self) {
        timeout(PATIENCE, self.task).await.expect("serve returns").unwrap().unwrap();
    }
}

/// A connection on which every byte is seen.
pub struct Wire {
    stream: TcpStream,
    pub got: String,
    over: bool,
}

impl Wire {
    /// Sends a `GET` as a browser's `EventSource` does.
    pub async fn event_source(address: SocketAddr, path: &str) -> Self {
        Self::get(address, path, "Accept: text/event-stream\r\nCache-Control: no-cache\r\n").await
    }

    /// Sends a `GET` with these header lines.
    pub async fn get(address: SocketAddr, path: &str, headers: &str) -> Self {
        Self::send(address, &format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")).await
    }

    pub async fn send(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, got: String::new(), over: false }
    }

    /// Sends another request on the same connection.
    pub async fn again(&mut self, request: &str) {
        self.got.clear();
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    /// Says something more on the same connection, at once.
    pub async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Leaves as a client does whose process was killed: with a reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Says that it sends no more, and drops nothing.
    pub async fn close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads until `needle` has come.
    pub async fn until(&mut self, needle: &str) -> &str {
        let read = async {
            let mut looked = 0;
            while !self.got.as_bytes()[looked..]
                .windows(needle.len())
                .any(|w| w == needle.as_bytes())
            {
                looked = self.got.len().saturating_sub(needle.len());
                let more = self.more().await;
                assert!(more, "the connection ended before {needle:?}: {:?}", self.beginning());
            }
        };
        if timeout(PATIENCE, read).await.is_err() {
            panic!("no {needle:?} came, but {:?}", self.beginning());
        }
        &self.got
    }

    fn beginning(&self) -> String {
        self.got.chars().take(2000).collect()
    }

    /// Reads until the server closes the connection.
    pub async fn at_end(&mut self) -> &str {
        let read = async { while self.more().await {} };
        if timeout(PATIENCE, read).await.is_err() {
            panic!("the connection did not end after {:?}", self.got);
        }
        &self.got
    }

    /// Reads until the end of a chunked body.
    pub async fn at_body_end(&mut self) -> &str {
        self.until("\r\n0\r\n\r\n").await
    }

    /// Reads what there is, waiting for it.
    pub async fn some(&mut self) {
        let more = timeout(PATIENCE, self.more()).await.expect("something comes");
        assert!(more, "the connection ended: {:?}", self.beginning());
    }

    async fn more(&mut self) -> bool {
        let mut bytes = [0; 65_536];
        match self.stream.read(&mut bytes).await {
            Ok(0) | Err(_) => {
                self.over = true;
                false
            }
            Ok(read) => {
                self.got.push_str(&String::from_utf8_lossy(&bytes[..read]));
                true
            }
        }
    }

    /// The status of the response.
    pub fn status(&self) -> &str {
        self.got.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header, if the response has it once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.got.split("\r\n\r\n").next().unwrap_or_default();
        let mut values = head.lines().filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        values.next()
    }
}

/// An event stream that the library did not make: frames come out as they are sent in.
pub struct Frames(pub mpsc::UnboundedReceiver<Frame<Bytes>>);

pub fn frames() -> (mpsc::UnboundedSender<Frame<Bytes>>, Frames) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Frames(receiver))
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

/// The response to `request` of a service under `layer` that answers with `response`.
pub async fn through<B>(
    layer: SseLayer,
    request: Request<()>,
    response: Response<B>,
) -> Response<ResponseBody<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    let mut response = Some(response);
    let service = service_fn(move |_: Request<()>| {
        let response = response.take().unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    layer.layer(service).oneshot(request).await.unwrap()
}

/// The text of all data frames of a body.
pub async fn text<B: Body<Data = Bytes> + Unpin>(mut body: B) -> String
where
    B::Error: std::fmt::Debug,
{
    let mut all = String::new();
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        match frame {
            Some(frame) => {
                if let Ok(data) = frame.unwrap().into_data() {
                    all.push_str(&String::from_utf8_lossy(&data));
                }
            }
            None => return all,
        }
    }
}

/// A stream that others made: one event, then silence.
pub async fn hello() -> axum::response::Response {
    let (sender, body) = frames();
    sender.send(Frame::data(Bytes::from_static(b"data:hello\n\n"))).unwrap();
    let body = axum::body::Body::new(Held { body, _sender: sender });
    axum::response::Response::builder()
        .header("content-type", "text/event-stream")
        .body(body)
        .unwrap()
}

/// A body whose sender lives as long as it does.
struct Held {
    body: Frames,
    _sender: mpsc::UnboundedSender<Frame<Bytes>>,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// Waits, without a sleep, until so many streams are open.
pub async fn open(context: &ApplicationContext, streams: usize) {
    let wait = async {
        while context.streams().len() != streams {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the number of open streams becomes what it should be");
}

/// curl, writing what it gets at once, for as long as a test has patience.
pub fn curl(arguments: &[&str]) -> Child {
    Command::new("curl")
        .args(["--silent", "--no-buffer", "--include", "--max-time", "20"])
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("curl is installed")
}

/// Reads what a child writes until `needle` has come.
pub async fn read_until(child: &mut Child, needle: &str) -> String {
    let stdout = child.stdout.as_mut().unwrap();
    let mut got = String::new();
    while !got.contains(needle) {
        let mut bytes = [0; 1024];
        let read = timeout(PATIENCE, stdout.read(&mut bytes)).await.unwrap().unwrap();
        assert!(read > 0, "curl ended before {needle:?}: {got:?}");
        got.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    got
}
