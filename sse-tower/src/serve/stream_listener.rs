//! `StreamListener`: sockets for `axum::serve` that suit streams.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use axum::serve::Listener;
use sse_tower_core::__private::Blocked;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Where `axum::serve` takes connections from whose sockets suit streams; made by
/// [`SocketOptions::listen`](super::SocketOptions::listen).
///
/// Beside the options, an event costs less: nobody asks the runtime with each whether there is something to read, and hyper
/// copies what it writes into the one buffer that a connection has anyway, and gives it to the kernel as one piece, in place
/// of a list of three.
///
/// What a client does not read waits in the log, as with [`serve`](crate::serve): over HTTP/1.1 an event stream, ours or one
/// by others under an [`SseLayer`](crate::SseLayer), is not asked for more while 64 KiB of it are not sent, so that buffer holds
/// 128 KiB at most, or one event that is larger. It is kept as long as the connection. Other bodies fill it up to
/// hyper's own bound, 400 KiB.
#[derive(Debug)]
pub struct StreamListener(TcpListener);

impl StreamListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl Listener for StreamListener {
    type Io = StreamSocket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (StreamSocket, SocketAddr) {
        let (io, peer) = Listener::accept(&mut self.0).await;
        (StreamSocket { io, read_waker: None, silent: 0, blocked: None }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// How often a connection is asked for more to read and has nothing, before it is remembered that it has nothing.
/// One that is soon over does without.
const ASKED: u8 = 8;

/// One connection of a [`StreamListener`].
#[derive(Debug)]
pub struct StreamSocket {
    io: TcpStream,
    /// Of one that sends and hears nothing.
    read_waker: Option<Arc<ReadWaker>>,
    /// How often it was asked since it last had something.
    silent: u8,
    /// The body that waits until all is sent.
    blocked: Option<Blocked>,
}

/// Wakes whoever reads, and remembers that. hyper asks with each event whether there is something to read: until this
/// was woken there is not, and the runtime need not be asked.
#[derive(Debug)]
struct ReadWaker {
    woken: AtomicBool,
    reader: Waker,
}

impl Wake for ReadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.reader.wake_by_ref();
    }
}

impl StreamSocket {
    /// The waker of this one that reads.
    fn read_waker(&mut self, reader: &Waker) -> Arc<ReadWaker> {
        let known = self.read_waker.take().filter(|known| known.reader.will_wake(reader));
        let waker = known.unwrap_or_else(|| {
            Arc::new(ReadWaker { woken: AtomicBool::new(false), reader: reader.clone() })
        });
        Arc::clone(self.read_waker.insert(waker))
    }

    #[inline(never)]
    fn ask(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.silent < ASKED {
            let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
            self.silent = if polled.is_pending() { self.silent + 1 } else { 0 };
            return polled;
        }
        let read_waker = self.read_waker(cx.waker());
        // Before the runtime has it: what it says from now on is news.
        read_waker.woken.store(false, Ordering::Release);
        let waker = Waker::from(read_waker);
        let polled = Pin::new(&mut self.io).poll_read(&mut Context::from_waker(&waker), buffer);
        if polled.is_ready() {
            // The runtime has no waker now.
            (self.read_waker, self.silent) = (None, 0);
        }
        polled
    }

    /// Who waits for room is asked for only now.
    #[cold]
    fn wait_to_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        match &polled {
            Poll::Pending if self.blocked.is_none() => self.blocked = Blocked::of_this_task(),
            Poll::Pending => {}
            Poll::Ready(written) => self.has_written(written, bytes),
        }
        polled
    }

    #[cold]
    fn has_written(&mut self, written: &io::Result<usize>, bytes: &[u8]) {
        // These were all that hyper had.
        if written.as_ref().is_ok_and(|written| *written == bytes.len()) {
            self.blocked = None;
        }
    }
}

impl AsyncRead for StreamSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &this.read_waker {
            Some(known)
                if !known.woken.load(Ordering::Acquire) && known.reader.will_wake(cx.waker()) =>
            {
                Poll::Pending
            }
            _ => this.ask(cx, buffer),
        }
    }
}

/// Not vectored: of that hyper makes one piece.
impl AsyncWrite for StreamSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.io.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                this.wait_to_write(cx, bytes)
            }
            written => {
                if this.blocked.is_some() {
                    this.has_written(&written, bytes);
                }
                Poll::Ready(written)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
