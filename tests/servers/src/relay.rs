//! `Relay`: a network before a store, which can be cut, go silent, and be slow.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

use crate::Error;

/// No cut is wanted.
const NEVER: u64 = u64::MAX;

/// Passes connections on to a server on this machine, until it is told otherwise. Dropping it ends all connections.
///
/// It runs on the runtime of the test that made it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    /// Connections with a lower number are silent for ever.
    silent_below: watch::Sender<u64>,
    /// Connections with a lower number are closed.
    cut_below: watch::Sender<u64>,
    next: AtomicU64,
    /// How many bytes from the server still pass, over all connections; then all are closed.
    left: AtomicU64,
    delay_micros: AtomicU64,
    refuse: AtomicBool,
    /// What is said in the place of what, both as long.
    replaced: Mutex<Option<(Vec<u8>, Vec<u8>)>>,
}

impl Relay {
    /// Listens on a free port, and passes on to `target`, which need not be there yet.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(target: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            silent_below: watch::Sender::new(0),
            cut_below: watch::Sender::new(0),
            next: AtomicU64::new(0),
            left: AtomicU64::new(NEVER),
            delay_micros: AtomicU64::new(0),
            refuse: AtomicBool::new(false),
            replaced: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every connection that there is passes nothing on any more, in either direction, and is never closed. New ones work.
    pub fn silence(&self) {
        self.shared.silent_below.send_replace(self.shared.next.load(Ordering::SeqCst));
    }

    /// Every connection, those to come among them, is accepted and then silent, until [`heal`](Self::heal).
    pub fn silence_all(&self) {
        self.shared.silent_below.send_replace(u64::MAX);
    }

    /// New connections work again. Those that were silent stay so.
    pub fn heal(&self) {
        self.shared.refuse.store(false, Ordering::SeqCst);
        self.silence();
    }

    /// Closes every connection that there is. New ones work.
    pub fn cut(&self) {
        self.shared.cut_below.send_replace(self.shared.next.load(Ordering::SeqCst));
    }

    /// Passes exactly so many more bytes of what servers say, wherever in a frame that ends, and then closes
    /// every connection. New ones work.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether the cut of [`cut_after`](Self::cut_after) is still to come.
    #[must_use]
    pub fn will_cut(&self) -> bool {
        self.shared.left.load(Ordering::SeqCst) != NEVER
    }

    /// Closes every connection, and closes new ones at once, until [`heal`](Self::heal).
    pub fn refuse(&self) {
        self.shared.refuse.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Holds back whatever servers say for so long, in its order.
    pub fn delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.shared.delay_micros.store(micros, Ordering::SeqCst);
    }

    /// Wherever servers say `own`, `other` is heard, of which so many bytes pass as `own` has: a server that claims something
    /// of itself. What comes in two pieces is passed on as it is.
    pub fn replace(&self, own: &[u8], other: &[u8]) {
        let pair = Some((own.to_owned(), other[..own.len().min(other.len())].to_owned()));
        *self.shared.replaced.lock().unwrap_or_else(PoisonError::into_inner) = pair;
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.next.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.cut_below.send_replace(u64::MAX);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        if !shared.refuse.load(Ordering::SeqCst) {
            tokio::spawn(connection(client, number, shared.clone()));
        }
    }
}

async fn connection(client: TcpStream, number: u64, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(shared.target).await else { return };
    // Small frames would wait for each other otherwise.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut cut = shared.cut_below.subscribe();
    let mut silent = shared.silent_below.subscribe();
    let pass = async {
        // One side's end is the end of both: half-closed connections are nobody's concern here.
        tokio::select! {
            () = there(from_client, to_server) => {}
            () = back(from_server, to_client, &shared) => {}
        }
    };
    // Dropping `pass` would close the sockets, so a silent connection keeps it without polling it.
    let mut pass = std::pin::pin!(pass);
    tokio::select! {
        () = &mut pass => return,
        _ = cut.wait_for(|below| number < *below) => return,
        _ = silent.wait_for(|below| number < *below) => {}
    }
    let _ = cut.wait_for(|below| number < *below).await;
}

async fn there(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        if let Some((own, other)) = &*shared.replaced.lock().unwrap_or_else(PoisonError::into_inner)
        {
            let found = piece[..read].windows(own.len()).enumerate();
            let found: Vec<_> = found.filter(|(_, bytes)| bytes == own).map(|(at, _)| at).collect();
            for at in found {
                piece[at..at + other.len()].copy_from_slice(other);
            }
        }
        let delay = shared.delay_micros.load(Ordering::SeqCst);
        if delay > 0 {
            sleep(Duration::from_micros(delay)).await;
        }
        let may = shared
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
                NEVER => None,
                left => Some(left.saturating_sub(read as u64)),
            })
            .map_or(read, |left| read.min(usize::try_from(left).unwrap_or(read)));
        if to.write_all(&piece[..may]).await.is_err() {
            return;
        }
        if may < read {
            shared.left.store(NEVER, Ordering::SeqCst);
            shared.cut_below.send_replace(shared.next.load(Ordering::SeqCst));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn asked(stream: &mut TcpStream, text: &[u8]) -> Option<Vec<u8>> {
        stream.write_all(text).await.unwrap();
        let mut answer = vec![0; text.len()];
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut answer));
        read.await.ok().map(|read| read.map(|_| answer).unwrap_or_default())
    }

    #[tokio::test]
    async fn silence_stops_what_is_there_and_closes_nothing() {
        let relay = Relay::start(echo().await).await.unwrap();
        let mut old = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(asked(&mut old, b"one").await.as_deref(), Some(&b"one"[..]));
        relay.silence();
        assert_eq!(asked(&mut old, b"two").await, None);
        let mut new = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(asked(&mut new, b"three").await.as_deref(), Some(&b"three"[..]));
    }

    #[tokio::test]
    async fn a_cut_comes_after_exactly_so_many_bytes() {
        let relay = Relay::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        relay.cut_after(4);
        stream.write_all(b"frame!").await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"fram");
        assert!(!relay.will_cut());
        let mut new = TcpStream::connect(relay.address()).await.unwrap();
        assert_eq!(asked(&mut new, b"again").await.as_deref(), Some(&b"again"[..]));
    }
}
