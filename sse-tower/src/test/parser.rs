//! `Parser`: reads an event stream as WHATWG HTML, section 9.2.6, has it. Pure: bytes in, items out.

use std::time::Duration;

use super::event::ReceivedEvent;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a stream is made of.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Comment(String),
    Retry(Duration),
    /// An empty line was reached.
    Block {
        /// What the client would send as `Last-Event-ID` from here on.
        last_event_id: String,
        /// `None` where there was nothing to dispatch.
        event: Option<ReceivedEvent>,
    },
}

/// What was read of a stream and is not yet an item.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was CR: an LF that follows belongs to it.
    after_cr: bool,
    /// The first line is over: no mark can follow.
    begun: bool,
    last_event_id: String,
    name: String,
    data: String,
    id: Option<String>,
    retry: Option<Duration>,
    /// The lines of the event that is being read.
    block: String,
}

impl Parser {
    /// Begins where a client begins that has seen events before.
    pub(super) fn after(last_event_id: String) -> Self {
        Self { last_event_id, ..Self::default() }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], mut out: impl FnMut(Item)) {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    self.end_line(&mut out);
                }
                byte => {
                    self.after_cr = false;
                    self.line.push(byte);
                }
            }
        }
    }

    /// The event that was begun and not finished. A browser drops it if the stream ends here.
    pub(super) fn unfinished(&self) -> Option<String> {
        let text = format!("{}{}", self.block, String::from_utf8_lossy(&self.line));
        (!text.is_empty()).then_some(text)
    }

    fn end_line(&mut self, out: &mut impl FnMut(Item)) {
        let line = std::mem::take(&mut self.line);
        let line = match line.strip_prefix(BOM) {
            Some(rest) if !self.begun => rest,
            _ => &line,
        };
        self.begun = true;
        let line = String::from_utf8_lossy(line);
        if line.is_empty() {
            return out(self.end_block());
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        if field.is_empty() {
            return out(Item::Comment(value.to_owned()));
        }
        self.block.push_str(&line);
        self.block.push('\n');
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => {
                value.clone_into(&mut self.last_event_id);
                self.id = Some(value.to_owned());
            }
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                if let Ok(milliseconds) = value.parse() {
                    let retry = Duration::from_millis(milliseconds);
                    self.retry = Some(retry);
                    out(Item::Retry(retry));
                }
            }
            _ => {}
        }
    }

    fn end_block(&mut self) -> Item {
        self.block.clear();
        let name = std::mem::take(&mut self.name);
        let (id, retry) = (self.id.take(), self.retry.take());
        // Each line of data has brought its line end; the last one separates nothing.
        let data = std::mem::take(&mut self.data);
        let event = data.strip_suffix('\n').map(|data| ReceivedEvent {
            name: if name.is_empty() { "message".to_owned() } else { name },
            id,
            data: data.to_owned(),
            retry,
        });
        Item::Block { last_event_id: self.last_event_id.clone(), event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(parts: &[&[u8]]) -> Vec<Item> {
        let mut parser = Parser::default();
        let mut items = Vec::new();
        for part in parts {
            parser.feed(part, |item| items.push(item));
        }
        items
    }

    fn events(text: &str) -> Vec<ReceivedEvent> {
        let event = |item| match item {
            Item::Block { event, .. } => event,
            Item::Comment(_) | Item::Retry(_) => None,
        };
        items(&[text.as_bytes()]).into_iter().filter_map(event).collect()
    }

    fn event(name: &str, id: Option<&str>, data: &str) -> ReceivedEvent {
        let (name, data) = (name.to_owned(), data.to_owned());
        ReceivedEvent { name, id: id.map(str::to_owned), data, retry: None }
    }

    #[test]
    fn the_examples_of_the_specification_are_read_as_it_says() {
        assert_eq!(
            events("data: YHOO\ndata: +2\ndata: 10\n\n"),
            [event("message", None, "YHOO\n+2\n10")]
        );
        let four = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
        assert_eq!(
            events(four),
            [
                event("message", Some("1"), "first event"),
                event("message", Some(""), "second event")
            ]
        );
        assert_eq!(
            events("data\n\ndata\ndata\n\ndata:"),
            [event("message", None, ""), event("message", None, "\n")]
        );
        assert_eq!(events("data:test\n\ndata: test\n\n"), vec![event("message", None, "test"); 2]);
    }

    #[test]
    fn lf_cr_and_crlf_each_end_one_line_however_the_bytes_are_split() {
        let text = "\u{feff}event:a\r\ndata:1\rid:7\n\r\n:c\rdata:ö\r\rdata:3\n\n";
        let whole = items(&[text.as_bytes()]);
        assert_eq!(whole.len(), 4);
        for at in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            assert_eq!(items(&[head, tail]), whole, "split at {at}");
        }
    }

    #[test]
    fn what_has_no_data_is_not_dispatched_but_moves_the_position() {
        let block = |id: &str, event| Item::Block { last_event_id: id.to_owned(), event };
        assert_eq!(
            items(&[b"event:x\nid:1\n\ndata:y\n\n"]),
            [block("1", None), block("1", Some(event("message", None, "y")))]
        );
    }

    #[test]
    fn fields_that_break_a_rule_are_passed_over() {
        let odd = "id:a\0b\nretry:1s\nretry:-1\nDATA:no\n data:no\n\u{feff}data:no\ndata:yes\n\n";
        assert_eq!(events(odd), [event("message", None, "yes")]);
        assert_eq!(items(&[b"retry:250\n"]), [Item::Retry(Duration::from_millis(250))]);
    }

    #[test]
    fn an_event_that_was_begun_is_unfinished_and_a_comment_is_not() {
        let mut parser = Parser::default();
        parser.feed(b":c\ndata:1\n\n:c\n", |_| ());
        assert_eq!(parser.unfinished(), None);
        parser.feed(b"id:1\nda", |_| ());
        assert_eq!(parser.unfinished().as_deref(), Some("id:1\nda"));
    }
}
