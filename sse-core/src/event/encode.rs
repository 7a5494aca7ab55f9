//! Fields to bytes. The one place that knows LF, CR and CRLF, and writes what goes to the wire.

use bytes::Bytes;

use super::EventId;

/// The largest event that can be made, in bytes on the wire: 16 MiB.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// What opens a stream that has nothing to say yet, and keeps proxies and peers from taking silence
/// for death: an empty comment. A blank line after it would be an empty event to some clients.
pub const KEEP_ALIVE_COMMENT: Bytes = Bytes::from_static(b":\n");

/// An id without data: it moves the client's position, and dispatches nothing.
pub(crate) fn id_alone(id: &EventId) -> Bytes {
    let mut encoder = Encoder::default();
    encoder.line("id", id.as_str());
    encoder.finish()
}

/// An encoded event with an id that was not known when it was encoded; what is none stays as it is.
pub(crate) fn frame_with_id(frame: &Bytes, id: &EventId) -> Bytes {
    let Some(fields) = frame.strip_suffix(b"\n").filter(|fields| fields.ends_with(b"\n")) else {
        return frame.clone();
    };
    let mut buffer = Vec::with_capacity(frame.len() + id.as_str().len() + TAIL);
    buffer.extend_from_slice(fields);
    let mut encoder = Encoder { buffer, ends_blank: true };
    encoder.line("id", id.as_str());
    encoder.finish()
}

/// An event of these fields with this id alone, before everything else; and the same without an id.
pub(crate) fn encode_behind_id(fields: &[u8], id: &EventId) -> (Bytes, Bytes) {
    let line = id_line(id);
    let mut buffer = Vec::with_capacity(line.len() + fields.len() + 1);
    buffer.extend_from_slice(&line);
    for field in fields.split_inclusive(|byte| *byte == b'\n') {
        if !field.starts_with(b"id:") {
            buffer.extend_from_slice(field);
        }
    }
    buffer.push(b'\n');
    let all = Bytes::from(buffer);
    let without = all.slice(line.len()..);
    (all, without)
}

/// The line of an id, to be followed by the rest of its event.
pub(crate) fn id_line(id: &EventId) -> Bytes {
    let mut encoder = Encoder::default();
    encoder.line("id", id.as_str());
    encoder.buffer.into()
}

/// Room for what a keyed log adds: `id:`, a token, its line end and the blank line.
const TAIL: usize = 48;

/// Fields already written, without the blank line that ends the event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encoder {
    buffer: Vec<u8>,
    /// There is a field that takes effect at the blank line. Comments and `retry` do so at their
    /// line's end, and a blank line after nothing else would be an empty event to some clients.
    ends_blank: bool,
}

impl Encoder {
    /// Writes one field whose value holds no line break.
    pub(crate) fn line(&mut self, field: &str, value: &str) {
        self.ends_blank |= !matches!(field, "" | "retry");
        self.write(field, value);
    }

    fn write(&mut self, field: &str, value: &str) {
        // Name, colon, a space at most, value, line end. Room for the tail is made once, with the
        // first line, so that the id of a keyed log fits without another allocation.
        let line = field.len() + value.len() + 3;
        if self.buffer.capacity() - self.buffer.len() < line {
            self.buffer.reserve(line + TAIL);
        }
        self.buffer.extend_from_slice(field.as_bytes());
        self.buffer.push(b':');
        // A client strips one space after the colon: give it one to strip.
        if value.starts_with(' ') && !field.is_empty() {
            self.buffer.push(b' ');
        }
        self.buffer.extend_from_slice(value.as_bytes());
        self.buffer.push(b'\n');
    }

    /// Writes one field for each line of `text`, at least one. LF, CR and CRLF each end one line.
    /// An empty `field` makes comments.
    pub(crate) fn lines(&mut self, field: &str, text: &str) {
        let mut rest = text;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest.as_bytes()) {
            self.write(field, &rest[..end]);
            let width = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
            rest = &rest[end + width..];
        }
        self.line(field, rest);
    }

    /// What was written.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// An encoder to which these fields were written before.
    pub(crate) fn from_bytes(fields: &[u8]) -> Self {
        let takes_effect = |line: &[u8]| !line.starts_with(b":") && !line.starts_with(b"retry:");
        let mut lines = fields.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Self { buffer: fields.to_vec(), ends_blank: lines.any(takes_effect) }
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len() + usize::from(self.ends_blank)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Ends the event.
    pub(crate) fn finish(mut self) -> Bytes {
        if self.ends_blank {
            self.buffer.push(b'\n');
        }
        self.buffer.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(field: &str, text: &str) -> Bytes {
        let mut encoder = Encoder::default();
        encoder.lines(field, text);
        encoder.finish()
    }

    #[test]
    fn crlf_counts_as_one_line_break() {
        assert_eq!(encoded("data", "a\r\nb"), "data:a\ndata:b\n\n");
    }

    #[test]
    fn lf_and_cr_each_count_as_one_line_break() {
        assert_eq!(encoded("data", "a\nb\rc"), "data:a\ndata:b\ndata:c\n\n");
        assert_eq!(encoded("data", "a\n\rb"), "data:a\ndata:\ndata:b\n\n");
    }

    #[test]
    fn a_trailing_line_break_is_an_empty_last_line() {
        assert_eq!(encoded("data", "x\n"), "data:x\ndata:\n\n");
        assert_eq!(encoded("data", "x\r\n"), "data:x\ndata:\n\n");
    }

    #[test]
    fn a_leading_space_survives_the_client() {
        assert_eq!(encoded("data", " x"), "data:  x\n\n");
    }

    #[test]
    fn empty_data_is_written() {
        assert_eq!(encoded("data", ""), "data:\n\n");
    }

    #[test]
    fn each_line_of_a_comment_is_a_comment() {
        assert_eq!(encoded("", "a\nb"), ":a\n:b\n");
    }

    #[test]
    fn an_id_alone_has_no_data() {
        assert_eq!(id_alone(&EventId::from_static("6666")), "id:6666\n\n");
    }

    #[test]
    fn an_id_that_is_known_later_is_the_last_field() {
        let id = EventId::from_static("6666");
        assert_eq!(frame_with_id(&encoded("data", "x"), &id), "data:x\nid:6666\n\n");
        assert_eq!(frame_with_id(&encoded("", "x"), &id), ":x\n");
    }

    #[test]
    fn an_id_that_comes_first_is_the_only_one() {
        let id = EventId::from_static("6666");
        let (with, without) = encode_behind_id(b"event:a\nid:own\ndata:id:x\n", &id);
        assert_eq!(with, "id:6666\nevent:a\ndata:id:x\n\n");
        assert_eq!(without, "event:a\ndata:id:x\n\n");
        assert_eq!([&*id_line(&id), &*without].concat(), with);
    }

    #[test]
    fn comments_and_retry_alone_end_with_their_line() {
        assert_eq!(encoded("retry", "3000"), "retry:3000\n");
        assert_eq!(encoded("", ""), ":\n");
        assert_eq!(encoded("id", "7"), "id:7\n\n");
        let mut encoder = Encoder::default();
        encoder.line("retry", "1");
        encoder.line("data", "x");
        assert_eq!(encoder.len(), "retry:1\ndata:x\n\n".len());
        assert_eq!(encoder.finish(), "retry:1\ndata:x\n\n");
    }

    #[test]
    fn fields_in_the_text_stay_text() {
        assert_eq!(
            encoded("data", "ok\nevent:evil\ndata:hacked\n\nid:7"),
            "data:ok\ndata:event:evil\ndata:data:hacked\ndata:\ndata:id:7\n\n"
        );
    }
}
