//! `Boundary`: where one event ends, and where the client then stands. Pure: bytes in, positions out.

use sse_tower_core::EventId;

/// Follows the line ends of an event stream (WHATWG HTML, section 9.2.6): LF, CR and CRLF each end
/// a line, an empty line ends an event, a line that begins with a colon is a comment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Boundary {
    line: Line,
    /// Whether a field was seen since the last empty line.
    inside: bool,
    /// Whether the last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The value of this `id` line; its beginning, if it is longer than an id may be.
    value: Vec<u8>,
    /// The value of the last `id` line, which counts from the next empty line on.
    last_value: Vec<u8>,
    /// Whether there was an `id` line since the last empty line.
    identified: bool,
    position: Option<EventId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Empty,
    Comment,
    /// Its first bytes, so many, are those of a name.
    Name(Name, u8),
    /// The value of an `id`.
    Id,
    /// The value of a `retry`.
    Retry,
    /// Any other field.
    Field,
}

/// The fields that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Id,
    /// It takes effect with its line: like a comment, it begins no event.
    Retry,
}

impl Name {
    fn of(first: u8) -> Option<Self> {
        [Self::Id, Self::Retry].into_iter().find(|name| name.bytes()[0] == first)
    }

    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Id => b"id:",
            Self::Retry => b"retry:",
        }
    }
}

impl Boundary {
    /// At the beginning of a stream to a client that stands at `position`.
    pub(crate) fn at(position: Option<EventId>) -> Self {
        Self { position, ..Self::default() }
    }

    /// Whether an event could begin here.
    pub(crate) fn is_here(&self) -> bool {
        self.line == Line::Empty && !self.inside
    }

    /// The id of the last event that is over, or that with which the client came. `None` where there is none, or none that
    /// a client can say again.
    pub(crate) fn position(&self) -> Option<&EventId> {
        self.position.as_ref()
    }

    /// Takes the next bytes. Returns how many of them end at the last boundary among them, if there
    /// is one.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut last = None;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    self.end_line();
                }
                byte => {
                    self.after_cr = false;
                    if self.begin_line(*byte) {
                        // Nothing else in this line tells it from others.
                        let rest = &bytes[at..];
                        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                        if self.line == Line::Id {
                            // One byte more than an id may have, and a blank before it.
                            let room = EventId::MAX_BYTES + 2 - self.value.len();
                            self.value.extend_from_slice(&rest[..end.min(room)]);
                        }
                        at += end;
                        continue;
                    }
                }
            }
            at += 1;
            if self.is_here() {
                last = Some(at);
            }
        }
        last
    }

    /// Takes a byte that ends no line. Whether it is known what line this is; then the byte may belong to its value.
    fn begin_line(&mut self, byte: u8) -> bool {
        self.line = match self.line {
            Line::Empty if byte == b':' => Line::Comment,
            Line::Empty => Name::of(byte).map_or(Line::Field, |name| Line::Name(name, 1)),
            Line::Name(name, count) => match name.bytes().get(usize::from(count)) {
                Some(next) if *next != byte => Line::Field,
                _ if byte != b':' => Line::Name(name, count + 1),
                _ => {
                    // The colon belongs to the name, so whoever calls goes on behind it.
                    self.line = match name {
                        Name::Id => Line::Id,
                        Name::Retry => Line::Retry,
                    };
                    if name == Name::Id {
                        self.value.clear();
                    }
                    return false;
                }
            },
            line => line,
        };
        !matches!(self.line, Line::Name(..))
    }

    fn end_line(&mut self) {
        match self.line {
            Line::Empty => {
                self.inside = false;
                if std::mem::take(&mut self.identified) {
                    let value = &self.last_value;
                    let value = value.strip_prefix(b" ").unwrap_or(value);
                    let value = std::str::from_utf8(value).ok();
                    self.position = value.and_then(|value| EventId::try_from(value).ok());
                }
            }
            Line::Comment | Line::Retry => {}
            // Without a colon, the value is empty.
            Line::Name(Name::Id, 2) => {
                self.last_value.clear();
                (self.inside, self.identified) = (true, true);
            }
            Line::Id => {
                // With a NUL it counts for nothing.
                if !self.value.contains(&0) {
                    std::mem::swap(&mut self.value, &mut self.last_value);
                    self.identified = true;
                }
                self.inside = true;
            }
            Line::Name(..) | Line::Field => self.inside = true,
        }
        self.line = Line::Empty;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions in `text` where an event could begin, found byte by byte.
    fn boundaries(text: &str) -> Vec<usize> {
        let mut boundary = Boundary::default();
        (1..=text.len())
            .filter(|end| {
                boundary.feed(&text.as_bytes()[end - 1..*end]);
                boundary.is_here()
            })
            .collect()
    }

    #[test]
    fn an_event_ends_with_an_empty_line_whatever_the_line_ends() {
        assert_eq!(boundaries("data:a\n\ndata:b\n\n"), [8, 16]);
        assert_eq!(boundaries("data:a\r\rdata:b\r\r"), [8, 16]);
        // After the CR of the second CRLF the event is over; its LF belongs to that line end.
        assert_eq!(boundaries("data:a\r\n\r\ndata:b\r\n\r\n"), [9, 10, 19, 20]);
        assert_eq!(boundaries("data:a\n\r\n"), [8, 9]);
        assert!(boundaries("data:a\r\ndata:b\r\n").is_empty());
    }

    #[test]
    fn a_comment_line_begins_no_event() {
        assert_eq!(boundaries(":ping\n"), [6]);
        assert_eq!(boundaries(":ping\n\n"), [6, 7]);
        assert!(boundaries("data:a\n:ping\n").is_empty());
        assert_eq!(boundaries("data\n:\n\n"), [8]);
    }

    #[test]
    fn a_line_of_retry_begins_no_event() {
        assert_eq!(boundaries("retry:3\n"), [8]);
        assert_eq!(boundaries("retry:3\r\ndata:a\n\n"), [8, 9, 17]);
        assert!(boundaries("retr:3\nretrying:3\nretry\n").is_empty());
        assert!(boundaries("data:a\nretry:3\n").is_empty());
    }

    #[test]
    fn a_colon_within_a_line_is_no_comment() {
        assert!(boundaries("data::x\n").is_empty());
    }

    #[test]
    fn the_last_boundary_is_found_however_the_bytes_are_split() {
        let text = "data:a\r\n\r\n:c\ndata:b\n\nid:1\rdata:c\r\rdata:d";
        for split in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(split);
            let mut boundary = Boundary::default();
            let first = boundary.feed(head);
            let second = boundary.feed(tail).map(|at| at + split);
            assert_eq!(second.or(first), Some(text.len() - "data:d".len()), "split at {split}");
            assert!(!boundary.is_here());
        }
    }

    /// Where a client stands after `text`, whatever way it is split in two.
    fn position(text: &str) -> Option<String> {
        let whole = |split: usize| {
            let mut boundary = Boundary::at(EventId::try_from("before").ok());
            let (head, tail) = text.as_bytes().split_at(split);
            boundary.feed(head);
            boundary.feed(tail);
            boundary.position().map(ToString::to_string)
        };
        let found = whole(0);
        assert!((0..=text.len()).all(|split| whole(split) == found), "{text:?}");
        found
    }

    #[test]
    fn an_id_counts_once_its_event_is_over() {
        assert_eq!(position("data:a\n\n").as_deref(), Some("before"));
        assert_eq!(position("id:1\ndata:a\n").as_deref(), Some("before"));
        assert_eq!(position("id:1\ndata:a\n\n").as_deref(), Some("1"));
        assert_eq!(position("id: 1\r\n\r\ndata:b\r\n\r\n").as_deref(), Some("1"));
        assert_eq!(position("id:1\rid:2\r\rid:3\r").as_deref(), Some("2"));
        assert_eq!(position("id:1\nid:\0\n\n").as_deref(), Some("1"));
    }

    #[test]
    fn an_empty_id_takes_the_position_away() {
        assert_eq!(position("id:1\n\nid\n\n"), None);
        assert_eq!(position("id:1\n\nid:\ndata:b\n\n"), None);
    }

    #[test]
    fn what_only_looks_like_an_id_is_none() {
        for text in ["i:1\n\n", "idx:1\n\n", "data:id:1\n\n", ":id:1\n\n", " id:1\n\n", "id:\0\n\n"]
        {
            assert_eq!(position(text).as_deref(), Some("before"), "{text:?}");
        }
    }

    #[test]
    fn an_id_that_no_client_can_say_again_is_no_position() {
        assert_eq!(position("id:a\tb\n\n"), None);
        let longest = "x".repeat(EventId::MAX_BYTES);
        assert_eq!(position(&format!("id: {longest}\n\n")), Some(longest.clone()));
        assert_eq!(position(&format!("id:{longest}x\n\n")), None);
        assert_eq!(position(&format!("id:{longest}{longest}\n\n")), None);
    }
}
