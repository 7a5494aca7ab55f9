//! HTTP/1.1 with chunks, and events in it, as they come in pieces.

/// What a piece of the response says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// The head, with the status.
    Head(u16),
    /// A line of the stream, without its end.
    Line(&'a [u8]),
    /// The last chunk, or the end of a response without a body.
    End,
}

/// Where a response stands.
#[derive(Debug, Default)]
pub(super) struct Wire {
    place: Place,
    /// The start of something whose rest has not come yet.
    partial: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Head,
    Size,
    Data(usize),
    AfterData,
    AfterLast,
    End,
}

impl Wire {
    pub(super) fn read(&mut self, mut bytes: &[u8], mut item: impl FnMut(Item<'_>)) {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::Data(left) => self.data(bytes, left, &mut item),
                Place::End => return,
                place => self.line(bytes, place, &mut item),
            };
        }
    }

    /// A line of the head or between chunks.
    fn line<'a>(
        &mut self,
        bytes: &'a [u8],
        place: Place,
        item: &mut impl FnMut(Item<'_>),
    ) -> &'a [u8] {
        if matches!(place, Place::Head) {
            self.partial.extend_from_slice(bytes);
            let Some(end) = memchr::memmem::find(&self.partial, b"\r\n\r\n") else { return &[] };
            let head = String::from_utf8_lossy(&self.partial[..end]).to_ascii_lowercase();
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let surplus = self.partial.len() - end - 4;
            self.partial.clear();
            item(Item::Head(status.unwrap_or(0)));
            if head.contains("transfer-encoding: chunked") {
                self.place = Place::Size;
            } else if head.contains("text/event-stream") {
                // Without chunks, until the connection ends.
                self.place = Place::Data(usize::MAX);
            } else {
                self.place = Place::End;
                item(Item::End);
            }
            return &bytes[bytes.len() - surplus..];
        }
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.partial.extend_from_slice(bytes);
            return &[];
        };
        let line = &bytes[..end];
        match place {
            Place::AfterData => self.place = Place::Size,
            Place::AfterLast => {
                self.place = Place::End;
                item(Item::End);
            }
            _ => {
                self.place = match (self.partial.is_empty(), hexadecimal(line)) {
                    (true, 0) => Place::AfterLast,
                    (true, size) => Place::Data(size),
                    (false, _) => {
                        self.partial.extend_from_slice(line);
                        match hexadecimal(&self.partial) {
                            0 => Place::AfterLast,
                            size => Place::Data(size),
                        }
                    }
                };
            }
        }
        self.partial.clear();
        &bytes[end + 1..]
    }

    /// Lines of the stream. Each server writes whole events, so a chunk ends where a line ends.
    fn data<'a>(
        &mut self,
        bytes: &'a [u8],
        left: usize,
        item: &mut impl FnMut(Item<'_>),
    ) -> &'a [u8] {
        let (now, rest) = bytes.split_at(left.min(bytes.len()));
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', now) {
            if self.partial.is_empty() {
                item(Item::Line(&now[start..end]));
            } else {
                self.partial.extend_from_slice(&now[start..end]);
                item(Item::Line(&self.partial));
                self.partial.clear();
            }
            start = end + 1;
        }
        self.partial.extend_from_slice(&now[start..]);
        self.place =
            if left == now.len() { Place::AfterData } else { Place::Data(left - now.len()) };
        if left == now.len() && !self.partial.is_empty() {
            // Not a whole line: shown as it is, so that somebody counts it.
            item(Item::Line(&self.partial));
            self.partial.clear();
        }
        rest
    }
}

fn hexadecimal(line: &[u8]) -> usize {
    line.iter()
        .map_while(|byte| (*byte as char).to_digit(16))
        .fold(0, |size, digit| size * 16 + digit as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        d\r\nid:1\ndata:a\n\n\r\n11\r\nid:2\ndata:b\ndat:\n\r\n0\r\n\r\n";

    #[test]
    fn a_stream_without_chunks_is_all_lines() {
        let response =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid:1\ndata:a\n\n";
        let mut items = Vec::new();
        Wire::default().read(response, |item| items.push(format!("{item:?}")));
        assert_eq!(items.len(), 1 + 3, "{items:?}");
    }

    #[test]
    fn pieces_of_any_size_say_the_same() {
        let mut whole = Vec::new();
        Wire::default().read(RESPONSE, |item| whole.push(format!("{item:?}")));
        assert_eq!(whole.len(), 1 + 3 + 3 + 1, "{whole:?}");
        for size in 1..RESPONSE.len() {
            let (mut wire, mut pieces) = (Wire::default(), Vec::new());
            for piece in RESPONSE.chunks(size) {
                wire.read(piece, |item| pieces.push(format!("{item:?}")));
            }
            assert_eq!(pieces, whole, "in pieces of {size}");
        }
    }
}
