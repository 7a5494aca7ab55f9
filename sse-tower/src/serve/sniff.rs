//! `Sniffed`: whether a client speaks HTTP/1.1, or HTTP/2 by prior knowledge, which its first bytes tell.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read at once: all that most clients say at first, so that nothing is left for a second
/// read.
const FIRST_READ: usize = 1024;

/// A connection some of whose bytes were looked at already; they are read again first.
pub(super) struct Sniffed<I> {
    io: I,
    seen: Vec<u8>,
    /// So much of it was read again.
    from: usize,
}

impl<I: AsyncRead + Unpin> Sniffed<I> {
    /// A connection of which so much was read already.
    pub(super) fn after(io: I, seen: Vec<u8>) -> Self {
        Self { io, seen, from: 0 }
    }

    /// The connection, and what of it is still to be read again.
    pub(super) fn into_inner(mut self) -> (I, Vec<u8>) {
        self.seen.drain(..self.from);
        (self.io, self.seen)
    }

    /// Reads until it is clear whether the client speaks HTTP/2: one read for nearly everybody.
    pub(super) async fn is_http2(&mut self) -> io::Result<bool> {
        self.seen.reserve_exact(FIRST_READ.saturating_sub(self.seen.len()));
        loop {
            let some = self.seen.len().min(PREFACE.len());
            if self.seen[..some] != PREFACE[..some] {
                return Ok(false);
            }
            if some == PREFACE.len() {
                return Ok(true);
            }
            let room = FIRST_READ.saturating_sub(self.seen.len());
            if self.io.read_buf(&mut (&mut self.seen).limit(room)).await? == 0 {
                return Ok(false);
            }
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Sniffed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let seen = &this.seen[this.from..];
        if seen.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let some = seen.len().min(buf.remaining());
        buf.put_slice(&seen[..some]);
        this.from += some;
        if this.from == this.seen.len() {
            // Most connections never need it again.
            (this.seen, this.from) = (Vec::new(), 0);
        }
        if buf.remaining() > 0 {
            // What has arrived since goes into the same read: hyper would grow its buffer for a
            // second one. An error or the end comes again with the next read.
            let _ = Pin::new(&mut this.io).poll_read(cx, buf);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Sniffed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sniff(chunks: &[&[u8]]) -> (bool, Vec<u8>) {
        let mut mock = tokio_test::io::Builder::new();
        for chunk in chunks {
            mock.read(chunk);
        }
        let mut sniffed = Sniffed::after(mock.build(), Vec::new());
        let http2 = sniffed.is_http2().await.unwrap();
        let mut all = Vec::new();
        sniffed.read_to_end(&mut all).await.unwrap();
        (http2, all)
    }

    #[tokio::test]
    async fn the_preface_in_any_pieces_is_http2_and_nothing_is_lost() {
        for split in 1..PREFACE.len() {
            let (head, tail) = PREFACE.split_at(split);
            let (http2, all) = sniff(&[head, tail, b"rest"]).await;
            assert!(http2);
            assert_eq!(all, [PREFACE, b"rest"].concat());
        }
    }

    #[tokio::test]
    async fn anything_else_is_http1_and_nothing_is_lost() {
        for request in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"P", b"PRI * HTTP/2.1", b""] {
            let (http2, all) = sniff(&[request]).await;
            assert!(!http2);
            assert_eq!(all, request);
        }
        let (http2, all) = sniff(&[b"P", b"OST / HTTP/1.1\r\n\r\n"]).await;
        assert!(!http2);
        assert_eq!(all, b"POST / HTTP/1.1\r\n\r\n");
    }
}
