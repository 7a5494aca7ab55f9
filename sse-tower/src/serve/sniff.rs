//! `Sniff`: whether a client speaks HTTP/1.1, or HTTP/2 by prior knowledge, which its first bytes tell.

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniff {
    /// It has said this many bytes of the preface, and nothing else.
    Listening(usize),
    Http1,
    Http2,
}

impl Sniff {
    /// Nothing was heard yet.
    pub(super) const BEGIN: Self = Self::Listening(0);

    /// Hears what it says next, or its end, which is empty. Returns what it has said before that.
    pub(super) fn hear(&mut self, said: &[u8]) -> &'static [u8] {
        let Self::Listening(heard) = *self else { return &[] };
        let (before, missing) = PREFACE.split_at(heard);
        let some = said.len().min(missing.len());
        *self = if said.is_empty() || said[..some] != missing[..some] {
            Self::Http1
        } else if some == missing.len() {
            Self::Http2
        } else {
            Self::Listening(heard + some)
        };
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(pieces: &[&[u8]]) -> (Sniff, Vec<u8>) {
        let mut sniff = Sniff::BEGIN;
        let mut before: &[u8] = &[];
        for piece in pieces {
            before = sniff.hear(piece);
        }
        (sniff, [before, pieces.last().copied().unwrap_or_default()].concat())
    }

    #[test]
    fn the_preface_in_any_pieces_is_http2_and_nothing_is_lost() {
        for split in 1..PREFACE.len() {
            let (head, tail) = PREFACE.split_at(split);
            let tail = [tail, b"rest"].concat();
            assert_eq!(sniff(&[head]).0, Sniff::Listening(split));
            assert_eq!(sniff(&[head, &tail]), (Sniff::Http2, [PREFACE, b"rest"].concat()));
        }
    }

    #[test]
    fn anything_else_is_http1_and_nothing_is_lost() {
        for request in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/2.1", b""] {
            assert_eq!(sniff(&[request]), (Sniff::Http1, request.to_vec()));
        }
        let (http1, all) = sniff(&[b"P", b"OST / HTTP/1.1\r\n\r\n"]);
        assert_eq!((http1, &all[..]), (Sniff::Http1, &b"POST / HTTP/1.1\r\n\r\n"[..]));
        assert_eq!(sniff(&[b"PRI", b""]), (Sniff::Http1, b"PRI".to_vec()));
    }
}
