//! `Body`: an event as the store has it: its fields, encoded once, and what a log has to know of it. Each node writes
//! the id, which only the store knows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::event::{EventId, EventName, SseEvent};

/// The version of this form. A node passes over what it cannot read.
const VERSION: u8 = 1;

/// An event that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// When it was sent, by the sender's clock, in microseconds since 1970.
    sent_at: u64,
    pub(super) name: Option<EventName>,
    /// The id that the program gave it.
    pub(super) own_id: Option<EventId>,
    /// Its fields on the wire, without the blank line.
    fields: Bytes,
}

/// The event as bytes for the store.
pub(super) fn encode(event: &SseEvent) -> Bytes {
    let name = event.name().map_or("", EventName::as_str);
    let id = event.id().map_or("", EventId::as_str);
    let fields = event.fields();
    let mut body = BytesMut::with_capacity(17 + name.len() + id.len() + fields.len());
    body.put_u8(VERSION);
    body.put_u64(now());
    for text in [name, id] {
        body.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        body.put_slice(text.as_bytes());
    }
    body.put_slice(fields);
    body.freeze()
}

/// The event of these bytes; `None` for what no node of this version has written.
pub(super) fn decode(mut body: Bytes) -> Option<Body> {
    if body.try_get_u8().ok()? != VERSION {
        return None;
    }
    let sent_at = body.try_get_u64().ok()?;
    let mut text = || {
        let len = usize::try_from(body.try_get_u32().ok()?).ok()?;
        (len <= body.len()).then(|| body.split_to(len))
    };
    let (name, id) = (text()?, text()?);
    let name = match &name[..] {
        [] => None,
        name => Some(EventName::try_from(std::str::from_utf8(name).ok()?).ok()?),
    };
    let own_id = match &id[..] {
        [] => None,
        id => Some(EventId::try_from(std::str::from_utf8(id).ok()?).ok()?),
    };
    Some(Body { sent_at, name, own_id, fields: body })
}

impl Body {
    /// What readers get, with `id` unless it has one of its own.
    pub(super) fn frame(&self, id: impl FnOnce() -> EventId) -> Bytes {
        if self.own_id.is_some() {
            return frame(&self.fields, None);
        }
        frame(&self.fields, Some(&id()))
    }

    /// The event again, to be given back to who sent it.
    pub(super) fn into_event(self) -> SseEvent {
        SseEvent::from_fields(&self.fields, self.own_id, self.name)
    }

    /// How long ago it was sent. Clocks of several machines never agree quite: one that is behind makes events older.
    pub(super) fn age(&self) -> Duration {
        Duration::from_micros(now().saturating_sub(self.sent_at))
    }
}

fn frame(fields: &[u8], id: Option<&EventId>) -> Bytes {
    let id = id.map_or("", EventId::as_str);
    let mut frame = BytesMut::with_capacity(fields.len() + id.len() + 5);
    frame.put_slice(fields);
    if !id.is_empty() {
        frame.put_slice(b"id:");
        frame.put_slice(id.as_bytes());
        frame.put_u8(b'\n');
    }
    frame.put_u8(b'\n');
    frame.freeze()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> SseEvent {
        SseEvent::builder().name("paid").data("a\nb").build().unwrap()
    }

    #[test]
    fn what_is_carried_is_what_would_have_been_written() {
        let body = decode(encode(&event())).unwrap();
        let id = EventId::from_static("1.a.7");
        assert_eq!(body.frame(|| id.clone()), event().encode_with_id("1.a.7"));
        assert_eq!(body.name, event().name().cloned());
        assert_eq!(body.into_event(), event());
        let comment = SseEvent::comment("ping");
        assert_eq!(decode(encode(&comment)).unwrap().into_event(), comment);
    }

    #[test]
    fn an_id_of_its_own_stays() {
        let event = SseEvent::builder().id("6666").data("x").build().unwrap();
        let body = decode(encode(&event)).unwrap();
        assert_eq!(body.frame(|| EventId::from_static("never")), event.clone().encode());
        assert_eq!(body.own_id.as_ref(), event.id());
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let whole = encode(&event());
        for len in 0..17 {
            assert_eq!(decode(whole.slice(..len)), None, "{len}");
        }
        let mut newer = BytesMut::from(&whole[..]);
        newer[0] = VERSION + 1;
        assert_eq!(decode(newer.freeze()), None);
    }
}
