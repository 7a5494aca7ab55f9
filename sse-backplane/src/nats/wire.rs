//! A command as messages of the stream.

use bytes::{BufMut, Bytes, BytesMut};

/// The form of these messages. Others are passed over.
const VERSION: u8 = 1;
/// Version, origin, request, part, parts.
const HEAD: usize = 1 + 8 + 8 + 2 + 2;
/// How many bytes of a command go into one message at most: under the megabyte that a server takes by default.
pub(super) const PART_BYTES: usize = 960 * 1024;
/// The least that a server has to take in one message, so that [`MAX_PARTS`] are enough for every batch.
pub(super) const LEAST_PAYLOAD: usize = 16 * 1024;
/// Into how many messages a command is split at most.
pub(super) const MAX_PARTS: usize = 256;

/// The number of a request: known to the node that waits for its answer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub(super) struct Request {
    /// One life of one engine, at random.
    pub(super) origin: u64,
    pub(super) number: u64,
}

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) request: Request,
    pub(super) index: u16,
    pub(super) of: u16,
    pub(super) bytes: Bytes,
}

/// The messages for a command, each of at most `payload` bytes. `None` if it is too large for [`MAX_PARTS`].
pub(super) fn split(request: Request, command: &[u8], payload: usize) -> Option<Vec<Bytes>> {
    let chunks = command.chunks(payload.saturating_sub(HEAD).clamp(1, PART_BYTES));
    let of = u16::try_from(chunks.len()).ok().filter(|of| usize::from(*of) <= MAX_PARTS)?;
    let message = |(index, chunk): (u16, &[u8])| {
        let mut message = BytesMut::with_capacity(HEAD + chunk.len());
        message.put_u8(VERSION);
        message.put_u64(request.origin);
        message.put_u64(request.number);
        message.put_u16(index);
        message.put_u16(of);
        message.put_slice(chunk);
        message.freeze()
    };
    Some((0..of).zip(chunks).map(message).collect())
}

/// Reads a message. `None` for what is none of ours.
pub(super) fn read(message: &Bytes) -> Option<Part> {
    let head = message.get(..HEAD)?;
    let number = |from: usize, to: usize| {
        head[from..to].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let request = Request { origin: number(1, 9), number: number(9, 17) };
    let (index, of) = (number(17, 19) as u16, number(19, 21) as u16);
    let sound = head[0] == VERSION && index < of && usize::from(of) <= MAX_PARTS;
    sound.then(|| Part { request, index, of, bytes: message.slice(HEAD..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Request = Request { origin: u64::MAX - 1, number: 258 };

    #[test]
    fn what_was_split_is_read_part_by_part() {
        let command = vec![7; PART_BYTES + 1];
        let messages = split(REQUEST, &command, usize::MAX).unwrap();
        let parts: Vec<_> = messages.iter().map(|message| read(message).unwrap()).collect();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.request == REQUEST && part.of == 2));
        assert_eq!((parts[0].index, parts[1].index), (0, 1));
        assert_eq!(parts.iter().flat_map(|part| part.bytes.to_vec()).collect::<Vec<_>>(), command);
    }

    #[test]
    fn messages_of_others_are_passed_over() {
        let mut message = split(REQUEST, b"command", usize::MAX).unwrap()[0].to_vec();
        assert!(read(&message.clone().into()).is_some());
        for wrong in [0, 2] {
            message[0] = wrong;
            assert!(read(&message.clone().into()).is_none(), "version {wrong}");
        }
        assert!(read(&Bytes::from_static(b"short")).is_none());
        message[0] = VERSION;
        message[18] = 9;
        assert!(read(&message.into()).is_none(), "the tenth part of one");
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(split(REQUEST, &vec![0; PART_BYTES * MAX_PARTS + 1], usize::MAX).is_none());
    }

    #[test]
    fn no_message_is_larger_than_the_server_takes() {
        for payload in [LEAST_PAYLOAD, 65_536] {
            let messages = split(REQUEST, &vec![7; 2 << 20], payload).unwrap();
            assert!(messages.iter().all(|message| message.len() <= payload), "{payload}");
        }
    }
}
