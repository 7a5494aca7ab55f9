//! `Watched` and `Watch`: one socket with two ends, hyper's and ours.
//!
//! hyper stops to read where something was read that it cannot use yet, and does not say what it has not written
//! yet. Both is asked for here: whether the client has left, and whether everything is written. And since hyper's first
//! read is the connection's, it is heard here which protocol that speaks.

use parking_lot::Mutex;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    read_ahead::{MAX_READ_AHEAD, ReadAhead, poll_gone},
    sniff::Sniff,
};

struct Socket<I> {
    io: I,
    /// Bytes that were read past hyper, which gets them with its next read.
    read_ahead: ReadAhead,
    sniff: Sniff,
    /// Whether there may be something that the socket did not take.
    unflushed: bool,
}

/// The socket as hyper has it.
pub(super) struct Watched<I>(Arc<Mutex<Socket<I>>>);

/// The other end of it. The lock is hardly ever waited for: both are polled by one task.
pub(super) struct Watch<I>(Arc<Mutex<Socket<I>>>);

impl<I> Watched<I> {
    /// A socket of which so much was read already. Where it is to be [sniffed](Sniff::BEGIN), hyper gets nothing of
    /// a client that speaks HTTP/2.
    pub(super) fn new(io: I, read_ahead: ReadAhead, sniff: Sniff) -> (Self, Watch<I>) {
        let socket = Socket { io, read_ahead, sniff, unflushed: false };
        let socket = Arc::new(Mutex::new(socket));
        (Self(Arc::clone(&socket)), Watch(socket))
    }
}

impl<I> Watch<I> {
    /// Whether the client has said that it speaks HTTP/2: hyper waits for ever then.
    pub(super) fn is_http2(&self) -> bool {
        self.0.lock().sniff == Sniff::Http2
    }

    /// Whether everything that hyper has said is written.
    pub(super) fn is_flushed(&self) -> bool {
        !self.0.lock().unflushed
    }

    /// The socket with what was read ahead of it, once hyper's end is dropped.
    pub(super) fn into_inner(self) -> Option<(I, ReadAhead)> {
        let socket = Arc::into_inner(self.0)?;
        let socket = socket.into_inner();
        Some((socket.io, socket.read_ahead))
    }
}

impl<I: AsyncRead + Unpin> Watch<I> {
    /// Whether the client has left; wakes the task when there is something new to see. What it says while it
    /// `uploads` is hyper's to ask for.
    pub(super) fn poll_gone(&self, uploads: bool, cx: &mut Context<'_>) -> bool {
        let socket = &mut *self.0.lock();
        let before = socket.read_ahead.len();
        if uploads && before > MAX_READ_AHEAD {
            return false;
        }
        let gone = poll_gone(&mut socket.io, &mut socket.read_ahead, cx);
        let more = socket.read_ahead.len();
        if uploads && more > before {
            // hyper may wait for just this.
            cx.waker().wake_by_ref();
        }
        gone && !(uploads && more > MAX_READ_AHEAD)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &mut *self.0.lock();
        match socket.sniff {
            Sniff::Http1 => {}
            Sniff::Http2 => return Poll::Pending,
            Sniff::Listening(_) => {
                ready!(socket.poll_first(cx, buffer))?;
                if socket.read_ahead.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if socket.read_ahead.is_empty() {
            return Pin::new(&mut socket.io).poll_read(cx, buffer);
        }
        let some = socket.read_ahead.len().min(buffer.remaining());
        buffer.put_slice(&socket.read_ahead[..some]);
        socket.read_ahead.drop_first(some);
        if socket.read_ahead.is_empty() && buffer.remaining() > 0 {
            // What has arrived since goes into the same read: hyper would grow its buffer for a second one. An
            // error or the end comes again with the next read.
            let _ = Pin::new(&mut socket.io).poll_read(cx, buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> Socket<I> {
    /// Reads until it is clear which protocol the client speaks: one read for nearly everybody, whose bytes are where
    /// they are to be.
    fn poll_first(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let filled = buffer.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
            let said = &buffer.filled()[filled..];
            let before = self.sniff.hear(said);
            match self.sniff {
                Sniff::Http1 if before.is_empty() => return Poll::Ready(Ok(())),
                Sniff::Listening(_) => buffer.set_filled(filled),
                Sniff::Http1 | Sniff::Http2 => {
                    self.read_ahead = [before, said].concat().into();
                    buffer.set_filled(filled);
                    let is_http1 = self.sniff == Sniff::Http1;
                    return if is_http1 { Poll::Ready(Ok(())) } else { Poll::Pending };
                }
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = &mut *self.0.lock();
        socket.unflushed = true;
        Pin::new(&mut socket.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = &mut *self.0.lock();
        socket.unflushed = true;
        Pin::new(&mut socket.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self.0.lock();
        let poll = Pin::new(&mut socket.io).poll_flush(cx);
        // hyper flushes the socket when it has given all of its own to it.
        if matches!(poll, Poll::Ready(Ok(()))) {
            socket.unflushed = false;
        }
        poll
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio_test::{io::Builder, task};

    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn said(pieces: &[&[u8]]) -> tokio_test::io::Mock {
        let mut mock = Builder::new();
        for piece in pieces {
            mock.read(piece);
        }
        mock.build()
    }

    #[tokio::test]
    async fn a_client_that_speaks_http1_is_read_whole_whatever_it_resembled_at_first() {
        for pieces in
            [&[&b"GET / HTTP/1.1"[..]][..], &[b"P", b"RI", b"VATE / HTTP/1.1"], &[b"PRI"], &[]]
        {
            let (mut io, watch) = Watched::new(said(pieces), ReadAhead::default(), Sniff::BEGIN);
            let mut all = Vec::new();
            io.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, pieces.concat());
            assert!(!watch.is_http2());
        }
    }

    #[tokio::test]
    async fn of_a_client_that_speaks_http2_hyper_gets_nothing_and_nothing_is_lost() {
        for split in 1..PREFACE.len() {
            let (head, tail) = PREFACE.split_at(split);
            let tail = [tail, b"rest"].concat();
            let (io, watch) =
                Watched::new(said(&[head, &tail]), ReadAhead::default(), Sniff::BEGIN);
            let mut read = task::spawn(async move {
                let mut io = io;
                io.read(&mut [0; 64]).await
            });
            assert!(read.poll().is_pending() && watch.is_http2());
            drop(read);
            let (_, all) = watch.into_inner().unwrap();
            assert_eq!(*all, [PREFACE, b"rest"].concat());
        }
    }

    #[tokio::test]
    async fn what_came_back_with_a_connection_is_read_first_and_not_sniffed() {
        let (mut io, watch) = Watched::new(said(&[b"RI"]), b"P".to_vec().into(), Sniff::Http1);
        let mut buffer = [0; 64];
        assert_eq!(io.read(&mut buffer).await.unwrap(), 3, "both in one read");
        assert_eq!(&buffer[..3], b"PRI");
        assert!(!watch.is_http2());
    }
}
