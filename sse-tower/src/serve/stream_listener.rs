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
        (StreamSocket { io, state: SocketState::NEW }, peer)
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
    state: SocketState,
}

/// What is known of a connection. Kept small, since `axum::serve` has it twice in each connection's task.
#[derive(Debug)]
enum SocketState {
    /// So often it was asked since it last had something to read.
    Asked(u8),
    /// It sends and hears nothing.
    Silent(Arc<ReadWaker>),
    /// The body waits until all is sent. Whether there is something to read is not remembered meanwhile.
    Blocked { _body: Blocked },
}

impl SocketState {
    const NEW: Self = Self::Asked(0);
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
        match &self.state {
            SocketState::Silent(known) if known.reader.will_wake(reader) => Arc::clone(known),
            _ => {
                let (woken, reader) = (AtomicBool::new(false), reader.clone());
                let waker = Arc::new(ReadWaker { woken, reader });
                self.state = SocketState::Silent(Arc::clone(&waker));
                waker
            }
        }
    }

    #[inline(never)]
    fn ask(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            SocketState::Asked(asked) if *asked < ASKED => {
                let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
                *asked = if polled.is_pending() { *asked + 1 } else { 0 };
                return polled;
            }
            SocketState::Blocked { .. } => return Pin::new(&mut self.io).poll_read(cx, buffer),
            SocketState::Asked(_) | SocketState::Silent(_) => {}
        }
        let read_waker = self.read_waker(cx.waker());
        // Before the runtime has it: what it says from now on is news.
        read_waker.woken.store(false, Ordering::Release);
        let waker = Waker::from(read_waker);
        let polled = Pin::new(&mut self.io).poll_read(&mut Context::from_waker(&waker), buffer);
        if polled.is_ready() {
            // The runtime has no waker now.
            self.state = SocketState::NEW;
        }
        polled
    }

    const fn is_blocked(&self) -> bool {
        matches!(self.state, SocketState::Blocked { .. })
    }

    /// Who waits for room is asked for only now.
    #[cold]
    fn wait_to_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        match &polled {
            Poll::Pending if self.is_blocked() => {}
            Poll::Pending => {
                if let Some(body) = Blocked::of_this_task() {
                    self.state = SocketState::Blocked { _body: body };
                }
            }
            Poll::Ready(written) => self.has_written(written, bytes),
        }
        polled
    }

    #[cold]
    fn has_written(&mut self, written: &io::Result<usize>, bytes: &[u8]) {
        // These were all that hyper had.
        if self.is_blocked() && written.as_ref().is_ok_and(|written| *written == bytes.len()) {
            self.state = SocketState::NEW;
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
        match &this.state {
            SocketState::Silent(known)
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
                if this.is_blocked() {
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

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_small_enough_for_a_task_that_is_no_larger_than_with_a_plain_one() {
        assert!(size_of::<StreamSocket>() <= size_of::<TcpStream>() + 16);
    }
}
