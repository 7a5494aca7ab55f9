//! `Head`: what is looked for in the head of each request, found in one walk.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, CONNECTION, ORIGIN, UPGRADE},
};

use crate::headers::is_essence;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What the headers of one request say. A look-up of each by its name would hash every name anew.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// The bytes that they took on the wire, or nearly.
    pub(crate) size: usize,
    /// The id that its client holds.
    pub(crate) last: Option<&'a HeaderValue>,
    pub(crate) origin: Option<&'a HeaderValue>,
    /// The only thing that it accepts is an event stream.
    pub(crate) wants_events: bool,
    /// The connection outlives it, and goes on speaking HTTP.
    pub(crate) keeps_connection: bool,
}

impl<'a> Head<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut accepted = 0;
        let (mut last, mut origin) = (None, None);
        let mut head = Self { size: 0, last, origin, wants_events: false, keeps_connection: true };
        for (name, value) in headers {
            // `: ` and the line end.
            head.size += name.as_str().len() + value.len() + 4;
            if name == ACCEPT {
                accepted += 1;
                head.wants_events = accepted == 1 && accepts_events_alone(value.as_bytes());
            } else if name == CONNECTION {
                // HTTP/1.1 connections are kept unless something else is said; browsers say it all the same.
                head.keeps_connection &= value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
            } else if name == UPGRADE {
                head.keeps_connection = false;
            } else if name == ORIGIN {
                origin = origin.or(Some(value));
            } else if name == LAST_EVENT_ID {
                last = last.or(Some(value));
            }
        }
        Self { last, origin, ..head }
    }
}

fn accepts_events_alone(accepted: &[u8]) -> bool {
    is_essence(accepted) && !accepted.contains(&b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter();
        lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_walk_finds_what_look_ups_find() {
        let all = headers(&[("origin", "a"), ("last-event-id", "7"), ("origin", "b"), ("x", "y")]);
        let head = Head::of(&all);
        assert_eq!((head.origin, head.last), (all.get("origin"), all.get("last-event-id")));
        let lines = "origin: a\r\nlast-event-id: 7\r\norigin: b\r\nx: y\r\n";
        assert_eq!(head.size, lines.len());
    }

    #[test]
    fn a_connection_is_kept_unless_something_else_is_said() {
        let cases: [(&[(&'static str, &'static str)], bool); 6] = [
            (&[], true),
            (&[("connection", "Keep-Alive")], true),
            (&[("connection", "close")], false),
            (&[("connection", "keep-alive"), ("connection", "close")], false),
            (&[("connection", "upgrade"), ("upgrade", "websocket")], false),
            (&[("upgrade", "h2c")], false),
        ];
        for (lines, keeps) in cases {
            assert_eq!(Head::of(&headers(lines)).keeps_connection, keeps, "{lines:?}");
        }
    }
}
