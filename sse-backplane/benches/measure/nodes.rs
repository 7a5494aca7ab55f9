//! Whole nodes: emitters at a backplane, and a page of one of them over a real socket.
//!
//! Who sends and who serves the page have a runtime each, as two processes have: what is still to be done where something was sent
//! does not hold up the page.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use sse_tower_backplane::Backplane;
use sse_tower_core::{Emitters, LastEventId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    time::timeout,
};

use super::measure::median;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How many sends are under way at once.
pub(crate) const IN_FLIGHT: usize = 64;
/// To so many keys.
pub(crate) const KEYS: u64 = 1_000;
/// The key that the page is at.
pub(crate) const KEY: u64 = 7;
/// So much one event says, in bytes.
const TEXT: usize = 256;
/// A page that has got nothing for so long was not there yet.
const AGAIN: Duration = Duration::from_millis(200);

/// Emitters of a node of their own, at this store.
pub(crate) async fn node(url: &str) -> Result<(Backplane, Emitters<u64>)> {
    let backplane = Backplane::builder(url).namespace("bench").open().await?;
    let emitters = Emitters::builder().backplane(&backplane, "keys").build();
    Ok((backplane, emitters))
}

/// Events of one length, each with its number.
pub(crate) fn text(number: usize) -> String {
    format!("<{number:08}>{}", "x".repeat(TEXT - 10))
}

/// Sends in a second, so many under way at once, each until it is stored.
pub(crate) async fn sends(url: &str, count: usize) -> Result<f64> {
    let (backplane, emitters) = node(url).await?;
    let send = |number: usize| {
        let emitters = emitters.clone();
        async move {
            emitters.send(&(number as u64 % KEYS), text(number)).await?;
            Ok(())
        }
    };
    let rate = rate(count, send).await;
    backplane.close().await;
    rate
}

/// How many of these are done in a second, [`IN_FLIGHT`] of them under way at once.
pub(crate) async fn rate<F>(count: usize, act: impl Fn(usize) -> F) -> Result<f64>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let each = count / IN_FLIGHT;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..IN_FLIGHT)
        .map(|task| {
            let acts: Vec<_> = (0..each).map(|index| act(task + index * IN_FLIGHT)).collect();
            tokio::spawn(async move {
                for act in acts {
                    act.await?;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok((each * IN_FLIGHT) as f64 / begun.elapsed().as_secs_f64())
}

/// From the call of `send` on one node to the first byte at a page of another (p50, in microseconds).
pub(crate) async fn hops(url: &str, count: usize) -> Result<f64> {
    let (a, from) = node(url).await?;
    let there = There::new()?;
    let other = url.to_owned();
    let (b, page) = there
        .run(async move {
            let (b, to) = node(&other).await?;
            Ok((b, Page::open(&to).await?))
        })
        .await?;
    let send = async |number| {
        from.send(&KEY, text(number)).await?;
        Ok(())
    };
    let took = page.hops(count, send).await;
    a.close().await;
    let closed = async move {
        b.close().await;
        Ok(())
    };
    there.run(closed).await?;
    took
}

/// Where the other node is.
pub(crate) struct There(Option<Runtime>);

impl There {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does this there. What it begins goes on there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        act: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let runtime = self.0.as_ref().ok_or("it has ended")?;
        runtime.spawn(act).await?
    }
}

impl Drop for There {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waits for nothing, and so may be done on any runtime.
            runtime.shutdown_background();
        }
    }
}

/// A page at [`KEY`].
pub(crate) struct Page {
    address: SocketAddr,
}

impl Page {
    pub(crate) async fn open(emitters: &Emitters<u64>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let emitters = emitters.clone();
        let connect = move || {
            let page = emitters.connect(KEY, LastEventId::default());
            async move { page }
        };
        let app = Router::new().route("/", get(connect));
        tokio::spawn(async move {
            // Until the runtime ends.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address })
    }

    /// Opens it here, and then one after the other: from the call to the first byte here.
    pub(crate) async fn hops(
        &self,
        count: usize,
        send: impl AsyncFn(usize) -> Result<()>,
    ) -> Result<f64> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await?;
        loop {
            send(0).await?;
            if timeout(AGAIN, came(&mut stream, 0)).await.is_ok() {
                break;
            }
        }
        let mut times = Vec::with_capacity(count);
        for number in 1..=count {
            let begun = Instant::now();
            let (sent, came) = tokio::join!(send(number), came(&mut stream, number));
            sent?;
            times.push(came?.duration_since(begun).as_secs_f64() * 1e6);
        }
        Ok(median(times))
    }
}

/// When this event came.
async fn came(stream: &mut TcpStream, number: usize) -> Result<Instant> {
    let (mut read, begin) = (Vec::with_capacity(16 * TEXT), format!("<{number:08}>"));
    loop {
        // The beginning may have come in two pieces.
        let from = read.len().saturating_sub(begin.len());
        if stream.read_buf(&mut read).await? == 0 {
            return Err("the stream ended".into());
        }
        let now = Instant::now();
        if read[from..].windows(begin.len()).any(|part| part == begin.as_bytes()) {
            return Ok(now);
        }
    }
}
