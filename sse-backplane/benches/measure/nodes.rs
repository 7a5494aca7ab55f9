//! Whole nodes: emitters at a backplane, and a page of one of them over a real socket.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use sse_tower_backplane::Backplane;
use sse_tower_core::{Emitters, LastEventId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use super::measure::median;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// So many sends are under way at once.
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
    let (b, to) = node(url).await?;
    let mut page = Page::open(&to).await?;
    let send = async |number| {
        from.send(&KEY, text(number)).await?;
        Ok(())
    };
    let took = page.hops(count, send).await;
    drop(page);
    a.close().await;
    b.close().await;
    took
}

/// A page at [`KEY`].
pub(crate) struct Page {
    stream: TcpStream,
    server: JoinHandle<()>,
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
        let server = tokio::spawn(async move {
            // Until the page is closed.
            let _ = axum::serve(listener, app).await;
        });
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n").await?;
        Ok(Self { stream, server })
    }

    /// One after the other: from the call to the first byte here.
    pub(crate) async fn hops(
        &mut self,
        count: usize,
        send: impl AsyncFn(usize) -> Result<()>,
    ) -> Result<f64> {
        // Until it is known that the page is there.
        loop {
            send(0).await?;
            if timeout(AGAIN, self.came(0)).await.is_ok() {
                break;
            }
        }
        let mut times = Vec::with_capacity(count);
        for number in 1..=count {
            let begun = Instant::now();
            let (sent, came) = tokio::join!(send(number), self.came(number));
            sent?;
            times.push(came?.duration_since(begun).as_secs_f64() * 1e6);
        }
        Ok(median(times))
    }

    /// When this event came.
    async fn came(&mut self, number: usize) -> Result<Instant> {
        let (mut read, begin) = (Vec::new(), format!("<{number:08}>"));
        loop {
            let from = read.len();
            if self.stream.read_buf(&mut read).await? == 0 {
                return Err("the stream ended".into());
            }
            let now = Instant::now();
            // The beginning may have come in two pieces.
            let from = from.saturating_sub(begin.len());
            if read[from..].windows(begin.len()).any(|part| part == begin.as_bytes()) {
                return Ok(now);
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.server.abort();
    }
}
