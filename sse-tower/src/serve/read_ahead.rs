//! `poll_gone`: whether a client has left, while its stream goes out.
//!
//! A socket says that its client has closed or reset it only to whoever reads on. So what a client says before its
//! stream is over, a stray line break or a whole request, is read and kept for later; else it would stand before
//! the end, and the end would be noticed with the next write that fails, or never.

use std::{
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, ReadBuf};

/// How many bytes a client may send before its stream is over. One that sends more is hung up on: nobody who waits
/// for events has so much to ask meanwhile.
pub(super) const MAX_READ_AHEAD: usize = 64 * 1024;

/// How many bytes are read at once.
const AT_ONCE: usize = 512;

/// Bytes that were read too early: nearly always none, which is one word.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "a list is three words, and few connections have any")]
pub(super) struct ReadAhead(Option<Box<Vec<u8>>>);

impl ReadAhead {
    fn push(&mut self, bytes: &[u8]) {
        self.0.get_or_insert_default().extend_from_slice(bytes);
    }

    /// Gives away the first of them, and the memory with the last.
    pub(super) fn drop_first(&mut self, count: usize) {
        if let Some(bytes) = &mut self.0 {
            bytes.drain(..count.min(bytes.len()));
        }
        self.0.take_if(|bytes| bytes.is_empty());
    }
}

impl Deref for ReadAhead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl From<Vec<u8>> for ReadAhead {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Some(bytes).filter(|bytes| !bytes.is_empty()).map(Box::new))
    }
}

/// Whether the client has left, or says too much. Otherwise the task is woken when it says something more.
pub(super) fn poll_gone<I>(io: &mut I, read_ahead: &mut ReadAhead, cx: &mut Context<'_>) -> bool
where
    I: AsyncRead + Unpin,
{
    while read_ahead.len() <= MAX_READ_AHEAD {
        match poll_some(io, read_ahead, cx) {
            Poll::Pending => return false,
            Poll::Ready(true) => {}
            Poll::Ready(false) => return true,
        }
    }
    true
}

/// Reads a little; `false` for the end, however it came.
pub(super) fn poll_some<I>(io: &mut I, read: &mut ReadAhead, cx: &mut Context<'_>) -> Poll<bool>
where
    I: AsyncRead + Unpin,
{
    let mut room = [0; AT_ONCE];
    let mut buffer = ReadBuf::new(&mut room);
    match Pin::new(io).poll_read(cx, &mut buffer) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
            read.push(buffer.filled());
            Poll::Ready(true)
        }
        Poll::Ready(_) => Poll::Ready(false),
    }
}

#[cfg(test)]
mod tests {
    use std::{io, task::Waker};

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[test]
    fn a_reset_is_noticed_behind_whatever_was_read_ahead() {
        for said in [&b""[..], b"\r\n", b"GET / HTTP/1.1\r\n\r\n", &[b'x'; 3 * AT_ONCE]] {
            for reset in [false, true] {
                let mut io = tokio_test::io::Builder::new();
                if !said.is_empty() {
                    io.read(said);
                }
                if reset {
                    io.read_error(io::ErrorKind::ConnectionReset.into());
                }
                let mut socket = io.build();
                drop(io);
                let (mut read, mut cx) = (ReadAhead::default(), Context::from_waker(Waker::noop()));
                assert!(poll_gone(&mut socket, &mut read, &mut cx));
                assert_eq!(&*read, said);
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_says_a_little_is_still_there() {
        let (mut client, mut server) = tokio::io::duplex(64);
        client.write_all(b"\r\n").await.unwrap();
        let (mut read, mut cx) = (ReadAhead::default(), Context::from_waker(Waker::noop()));
        assert!(!poll_gone(&mut server, &mut read, &mut cx));
        assert_eq!(*read, *b"\r\n");
        drop(client);
        assert!(poll_gone(&mut server, &mut read, &mut cx));
    }

    #[test]
    fn a_client_that_says_too_much_is_hung_up_on() {
        let mut io = tokio::io::repeat(b'x');
        let (mut read, mut cx) = (ReadAhead::default(), Context::from_waker(Waker::noop()));
        assert!(poll_gone(&mut io, &mut read, &mut cx));
        assert!(read.len() <= MAX_READ_AHEAD + AT_ONCE);
    }
}
