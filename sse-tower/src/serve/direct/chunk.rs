//! `Chunker` and `Unsent`: one frame as HTTP/1.1 carries it (RFC 9112, section 7.1), and how far it is written.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;

/// Up to which size a chunk is put together in one piece: one write of one piece costs the kernel less than one of
/// three. A larger frame is written from where it is.
const IN_ONE_PIECE: usize = 16 * 1024;

/// A size in hexadecimal and a line break.
const HEAD: usize = usize::BITS as usize / 4 + 2;

const LINE: &[u8] = b"\r\n";
const LINE_AND_END: &[u8] = b"\r\n0\r\n\r\n";
const END: &[u8] = b"0\r\n\r\n";

/// Writes frames as chunks. Remembers the last one: an event goes to many connections, and is put
/// together once for all of them.
pub(super) struct Chunker<I> {
    try_write: TryWrite<I>,
    /// Held, so that no other frame can be where this one is.
    frame: Bytes,
    was_last: bool,
    chunk: Vec<u8>,
}

/// Writes what a socket takes at once: see [`SocketListener::try_write`](crate::SocketListener::try_write).
pub(in crate::serve) type TryWrite<I> = fn(&mut I, &[u8]) -> io::Result<usize>;

impl<I: AsyncWrite + Unpin> Chunker<I> {
    pub(super) fn new(try_write: TryWrite<I>) -> Self {
        Self { try_write, frame: Bytes::new(), was_last: false, chunk: Vec::new() }
    }

    /// Writes a frame; with it the end of the body, if it is the last. Gives back what was not
    /// taken; whoever has it is woken when there is room.
    ///
    /// Not for an empty frame, which would be an end.
    pub(super) fn write(
        &mut self,
        frame: Bytes,
        is_last: bool,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<Box<Unsent>>> {
        if frame.len() > IN_ONE_PIECE {
            return Box::new(Unsent::new(frame, is_last, 0)).write(io, cx);
        }
        let is_same = self.was_last == is_last
            && self.frame.len() == frame.len()
            && self.frame.as_ptr() == frame.as_ptr();
        if !is_same {
            self.put_together(&frame, is_last);
        }
        let written = match (self.try_write)(io, &self.chunk) {
            Ok(written) if written == self.chunk.len() => return Ok(None),
            Ok(written) => written,
            // It is not known when there will be room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        Box::new(Unsent::new(frame, is_last, written)).write(io, cx)
    }

    fn put_together(&mut self, frame: &Bytes, is_last: bool) {
        let chunk = Unsent::new(frame.clone(), is_last, 0);
        self.chunk.clear();
        chunk.pieces().iter().for_each(|piece| self.chunk.extend_from_slice(piece));
        self.frame = frame.clone();
        self.was_last = is_last;
    }
}

/// A frame, the end of the body, or both, which are not all written.
#[derive(Debug)]
pub(super) struct Unsent {
    head: [u8; HEAD],
    head_len: usize,
    frame: Bytes,
    tail: &'static [u8],
    /// How many bytes of all this are written.
    written: usize,
}

impl Unsent {
    fn new(frame: Bytes, is_last: bool, written: usize) -> Self {
        let (head, head_len) = head(frame.len());
        Self { head, head_len, frame, tail: if is_last { LINE_AND_END } else { LINE }, written }
    }

    /// The end of the body alone.
    pub(super) fn end() -> Self {
        Self { head: [0; HEAD], head_len: 0, frame: Bytes::new(), tail: END, written: 0 }
    }

    /// Whether the body is over when this is written.
    pub(super) fn is_last(&self) -> bool {
        self.tail.len() != LINE.len()
    }

    fn pieces(&self) -> [&[u8]; 3] {
        let mut pieces = [&self.head[..self.head_len], &self.frame[..], self.tail];
        let mut written = self.written;
        for piece in &mut pieces {
            let skipped = written.min(piece.len());
            *piece = &piece[skipped..];
            written -= skipped;
        }
        pieces
    }

    /// Writes on. Gives back what was not taken.
    pub(super) fn write<I: AsyncWrite + Unpin>(
        mut self: Box<Self>,
        io: &mut I,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<Box<Self>>> {
        let all = self.head_len + self.frame.len() + self.tail.len();
        while self.written < all {
            let pieces = self.pieces().map(IoSlice::new);
            match Pin::new(&mut *io).poll_write_vectored(cx, &pieces) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Some(self)),
            }
        }
        Ok(None)
    }
}

/// The head of a chunk of this size, as hyper writes it, and how long it is.
fn head(size: usize) -> ([u8; HEAD], usize) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1) as usize;
    let mut head = [0; HEAD];
    for (place, digit) in head[..digits].iter_mut().rev().enumerate() {
        *digit = DIGITS[size >> (4 * place) & 0xf];
    }
    head[digits..digits + 2].copy_from_slice(LINE);
    (head, digits + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_chunk_is_its_size_in_hexadecimal() {
        for size in [0, 1, 9, 0xa, 0xf, 0x10, 0xff, 0x100, 0xabc_def0, usize::MAX] {
            let (head, len) = head(size);
            assert_eq!(head[..len], *format!("{size:X}\r\n").as_bytes());
        }
    }

    /// Takes so many bytes at a time, or says that it is full.
    struct Narrow {
        taken: Vec<u8>,
        at_once: usize,
        vectored: bool,
        full: bool,
    }

    impl Narrow {
        fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            match Pin::new(self).poll_write(&mut cx, bytes) {
                Poll::Ready(written) => written,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
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

    fn written(frames: &[(&[u8], bool)], at_once: usize) -> Narrow {
        let mut io = Narrow { taken: Vec::new(), at_once, vectored: false, full: false };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut chunker = Chunker::new(Narrow::try_write);
        for (frame, is_last) in frames {
            let frame = Bytes::copy_from_slice(frame);
            let mut unsent = match &frame[..] {
                b"" => Some(Box::new(Unsent::end())),
                _ => chunker.write(frame, *is_last, &mut io, &mut cx).unwrap(),
            };
            while let Some(rest) = unsent {
                assert_eq!(rest.is_last(), *is_last);
                unsent = rest.write(&mut io, &mut cx).unwrap();
            }
        }
        io
    }

    #[test]
    fn a_chunk_is_the_same_however_little_is_taken_at_once() {
        for at_once in 1..40 {
            let all = written(&[(b"data:x\n\n", false), (b"data: forty\n\n", true)], at_once);
            assert_eq!(all.taken, b"8\r\ndata:x\n\n\r\nD\r\ndata: forty\n\n\r\n0\r\n\r\n");
            assert_eq!(written(&[(b"", true)], at_once).taken, b"0\r\n\r\n");
        }
    }

    #[test]
    fn the_same_frame_with_the_end_is_another_chunk() {
        let mut io = Narrow { taken: Vec::new(), at_once: 99, vectored: false, full: true };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut chunker = Chunker::new(Narrow::try_write);
        let frame = Bytes::from_static(b":\n");
        for is_last in [false, false, true] {
            io.full = true;
            let unsent = chunker.write(frame.clone(), is_last, &mut io, &mut cx).unwrap();
            assert!(unsent.is_none());
        }
        assert_eq!(io.taken, b"2\r\n:\n\r\n2\r\n:\n\r\n2\r\n:\n\r\n0\r\n\r\n");
    }

    #[test]
    fn a_large_chunk_is_not_copied() {
        let data = vec![b'x'; 20_000];
        let io = written(&[(&data, false)], 7_000);
        assert!(io.vectored);
        assert_eq!(io.taken, [b"4E20\r\n", &data[..], b"\r\n"].concat());
    }
}
