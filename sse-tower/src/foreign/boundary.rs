//! `Boundary`: where one event ends. Pure: bytes in, positions out.

/// Follows the line ends of an event stream (WHATWG HTML, section 9.2.6): LF, CR and CRLF each end
/// a line, an empty line ends an event, a line that begins with a colon is a comment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Boundary {
    line: Line,
    /// A field was seen since the last empty line.
    inside: bool,
    /// The last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Empty,
    Comment,
    /// Its name is this many bytes of [`RETRY`], so far.
    Retry(u8),
    Field,
}

/// A field that takes effect with its line: like a comment, it begins no event.
const RETRY: &[u8] = b"retry:";

impl Boundary {
    /// Whether an event could begin here.
    pub(crate) fn is_here(&self) -> bool {
        self.line == Line::Empty && !self.inside
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
                    match self.line {
                        Line::Empty => self.inside = false,
                        Line::Comment => {}
                        Line::Retry(count) if usize::from(count) == RETRY.len() => {}
                        Line::Retry(_) | Line::Field => self.inside = true,
                    }
                    self.line = Line::Empty;
                }
                byte => {
                    self.after_cr = false;
                    self.line = match self.line {
                        Line::Empty if *byte == b':' => Line::Comment,
                        Line::Empty if *byte == RETRY[0] => Line::Retry(1),
                        Line::Empty => Line::Field,
                        Line::Retry(count) if usize::from(count) < RETRY.len() => {
                            let next = RETRY.get(usize::from(count));
                            if next == Some(byte) { Line::Retry(count + 1) } else { Line::Field }
                        }
                        line => line,
                    };
                    if matches!(self.line, Line::Retry(count) if usize::from(count) < RETRY.len()) {
                        at += 1;
                        continue;
                    }
                    // Nothing else in this line matters.
                    let rest = &bytes[at..];
                    at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    continue;
                }
            }
            at += 1;
            if self.is_here() {
                last = Some(at);
            }
        }
        last
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
}
