//! Clients on hyper: many streams on few HTTP/2 connections, or each on a connection with TLS.

use std::{
    io::{self, Error},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, pki_types::ServerName},
};

use super::{
    client::{DIGITS, note},
    ledger::{Ledger, Tally},
};
use crate::certificate::Certificate;

/// How long anything may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the clients are asked whether all have an event.
const LOOK: Duration = Duration::from_millis(1);

/// What the connections speak.
#[derive(Clone)]
pub(crate) enum Transport {
    /// HTTP/2, as it is begun without TLS; so many streams on each connection.
    Http2 { streams: usize },
    /// HTTP/1.1 over TLS; one stream on each.
    Tls(Certificate),
}

/// All clients of one server. They run only while something is waited for.
pub(crate) struct HyperFleet {
    runtime: Runtime,
    server: SocketAddr,
    transport: Transport,
    publisher: Sender,
    streams: Vec<Arc<Stream>>,
    events: Arc<AtomicU64>,
    next: u64,
}

struct Stream {
    ledger: Mutex<Ledger>,
    events: Arc<AtomicU64>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl HyperFleet {
    pub(crate) fn new(server: SocketAddr, transport: Transport) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let publisher = runtime.block_on(dial(server, &transport))?;
        let events = Arc::default();
        Ok(Self { runtime, server, transport, publisher, streams: Vec::new(), events, next: 1 })
    }

    /// Opens `count` streams of everything that is published, and waits until they are open.
    pub(crate) fn connect(&mut self, count: usize) -> io::Result<()> {
        let each = match self.transport {
            Transport::Http2 { streams } => streams,
            Transport::Tls(_) => 1,
        };
        for first in (0..count).step_by(each) {
            self.runtime.block_on(async {
                let mut sender = dial(self.server, &self.transport).await?;
                for _ in first..count.min(first + each) {
                    let ledger = Mutex::new(Ledger::new(self.next));
                    let stream = Arc::new(Stream { ledger, events: Arc::clone(&self.events) });
                    let body = sender.send(request("GET", "/events", String::new())?).await?;
                    tokio::spawn(Arc::clone(&stream).read(body));
                    self.streams.push(stream);
                }
                // The connection's end is that of its last stream.
                Ok::<_, Error>(())
            })?;
        }
        Ok(())
    }

    /// Publishes one event of `size` bytes, and waits until every client has got it.
    pub(crate) fn publish_and_wait(&mut self, size: usize) -> io::Result<()> {
        let data = format!("{:0DIGITS$}{:x<width$}", self.next, "", width = size - DIGITS);
        self.next += 1;
        let all = self.events.load(Ordering::Relaxed) + self.streams.len() as u64;
        let (events, publisher) = (&self.events, &mut self.publisher);
        self.runtime.block_on(async {
            let mut answer = publisher.send(request("POST", "/publish", data)?).await?;
            while answer.frame().await.is_some() {}
            let come = async {
                while events.load(Ordering::Relaxed) < all {
                    tokio::time::sleep(LOOK).await;
                }
            };
            timeout(PATIENCE, come).await.map_err(|_| Error::other("events did not come"))
        })
    }

    /// What went wrong up to now.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for stream in &self.streams {
            tally += stream.ledger.lock().unwrap_or_else(PoisonError::into_inner).close(self.next);
        }
        tally
    }
}

impl Stream {
    async fn read(self: Arc<Self>, mut body: Incoming) {
        let (mut partial, mut last_id) = (Vec::new(), Vec::new());
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            partial.extend_from_slice(&data);
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut start, mut events) = (0, 0);
            for end in memchr::memchr_iter(b'\n', &partial) {
                events += u64::from(note(&partial[start..end], &mut ledger, &mut last_id));
                start = end + 1;
            }
            drop(ledger);
            partial.drain(..start);
            self.events.fetch_add(events, Ordering::Relaxed);
        }
    }
}

impl Sender {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> io::Result<Incoming> {
        let answer = match self {
            Self::Http1(sender) => {
                sender.ready().await.map_err(Error::other)?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await.map_err(Error::other)?;
                sender.send_request(request).await
            }
        };
        let answer = answer.map_err(Error::other)?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(Error::other(format!("a request was answered with {}", answer.status())))
    }
}

fn request(method: &str, path: &str, body: String) -> io::Result<Request<Full<Bytes>>> {
    let request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    let request = request.header("host", "localhost").header("content-type", "text/plain");
    request.body(Full::from(body)).map_err(Error::other)
}

async fn dial(server: SocketAddr, transport: &Transport) -> io::Result<Sender> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    match transport {
        Transport::Http2 { .. } => {
            let builder = http2::Builder::new(TokioExecutor::new());
            let (sender, connection) =
                builder.handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
            tokio::spawn(connection);
            Ok(Sender::Http2(sender))
        }
        Transport::Tls(certificate) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.public()).map_err(Error::other)?;
            let config =
                ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            let name = ServerName::try_from("localhost").map_err(Error::other)?;
            let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            http1(stream).await
        }
    }
}

async fn http1(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<Sender> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
    tokio::spawn(connection);
    Ok(Sender::Http1(sender))
}
