//! One frame as HTTP/1.1 carries it (RFC 9112, section 7.1), and how far it is written.

use std::{
    io::{self, IoSlice, Write as _},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

/// Up to here the pieces are copied together: one write of one piece costs the kernel less than one
/// of three. A larger frame is written from where it is.
const COPIED: usize = 16 * 1024;

/// A size in hexadecimal and a line break.
const HEAD: usize = usize::BITS as usize / 4 + 2;

const LINE: &[u8] = b"\r\n";
const LINE_AND_END: &[u8] = b"\r\n0\r\n\r\n";
const END: &[u8] = b"0\r\n\r\n";

/// A frame, the end of the body, or both.
#[derive(Debug)]
pub(super) struct Chunk {
    head: [u8; HEAD],
    head_len: usize,
    data: Bytes,
    tail: &'static [u8],
    /// So many bytes of all this are written.
    written: usize,
}

impl Chunk {
    /// Some data; with it the end of the body, if it is the last. Not for empty data, which would
    /// be an end.
    pub(super) fn new(data: Bytes, is_last: bool) -> Self {
        let mut head = [0; HEAD];
        let room = head.len();
        let mut rest = &mut head[..];
        // As hyper writes it. There is room for any size.
        let _ = write!(rest, "{:X}\r\n", data.len());
        let head_len = room - rest.len();
        Self { head, head_len, data, tail: if is_last { LINE_AND_END } else { LINE }, written: 0 }
    }

    /// The end of the body.
    pub(super) fn end() -> Self {
        Self { head: [0; HEAD], head_len: 0, data: Bytes::new(), tail: END, written: 0 }
    }

    /// The body is over when this is written.
    pub(super) fn is_last(&self) -> bool {
        self.tail.len() != LINE.len()
    }

    fn pieces(&self) -> [&[u8]; 3] {
        let mut pieces = [&self.head[..self.head_len], &self.data[..], self.tail];
        let mut written = self.written;
        for piece in &mut pieces {
            let skipped = written.min(piece.len());
            *piece = &piece[skipped..];
            written -= skipped;
        }
        pieces
    }

    /// Writes what is not written yet. `copy` is somebody's buffer, to use.
    pub(super) fn poll_write<I: AsyncWrite + Unpin>(
        &mut self,
        io: &mut I,
        cx: &mut Context<'_>,
        copy: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        let all = self.head_len + self.data.len() + self.tail.len();
        while self.written < all {
            let pieces = self.pieces();
            let written = if all - self.written <= COPIED {
                copy.clear();
                pieces.iter().for_each(|piece| copy.extend_from_slice(piece));
                ready!(Pin::new(&mut *io).poll_write(cx, copy))?
            } else {
                let pieces = pieces.map(IoSlice::new);
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &pieces))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at a time, or says that it is full.
    struct Narrow {
        taken: Vec<u8>,
        at_once: usize,
        vectored: bool,
        full: bool,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.full = !self.full;
            if self.full {
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.at_once);
            self.taken.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.vectored = true;
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
            self.poll_write(cx, &joined)
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn written(mut chunk: Chunk, at_once: usize) -> (Vec<u8>, bool) {
        let mut io = Narrow { taken: Vec::new(), at_once, vectored: false, full: false };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut copy = Vec::new();
        while chunk.poll_write(&mut io, &mut cx, &mut copy).is_pending() {}
        (io.taken, io.vectored)
    }

    #[test]
    fn a_chunk_is_the_same_however_little_is_taken_at_once() {
        for at_once in 1..40 {
            let (all, _) = written(Chunk::new(Bytes::from("data:x\n\n"), false), at_once);
            assert_eq!(all, b"8\r\ndata:x\n\n\r\n");
            let (all, _) = written(Chunk::new(Bytes::from("data: forty\n\n"), true), at_once);
            assert_eq!(all, b"D\r\ndata: forty\n\n\r\n0\r\n\r\n");
            assert_eq!(written(Chunk::end(), at_once).0, b"0\r\n\r\n");
        }
    }

    #[test]
    fn a_large_chunk_is_not_copied() {
        let data = Bytes::from(vec![b'x'; 20_000]);
        let (all, vectored) = written(Chunk::new(data.clone(), false), 7_000);
        assert!(vectored);
        assert_eq!(all, [b"4E20\r\n", &data[..], b"\r\n"].concat());
    }
}
