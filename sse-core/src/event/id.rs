//! `EventId`: the id of an event.

use std::{borrow::Cow, fmt};

use super::{InvalidEvent, name::has_line_break};

/// The id of an event: what a client sends back as `Last-Event-ID`, a header. So it is whatever a
/// header carries back unchanged: it is not empty, holds no control character, neither begins nor ends
/// with a space, and has at most [`EventId::MAX_BYTES`].
///
/// ```
/// # use sse_tower_core::EventId;
/// const FIRST: EventId = EventId::from_static("1");
/// assert!(EventId::try_from("a\0b").is_err()); // clients ignore it
/// assert!(EventId::try_from("a\x0cb").is_err()); // browsers send it, and servers answer 400
/// assert!(EventId::try_from("a ").is_err()); // comes back as `a`
/// # assert_eq!(FIRST.as_str(), "1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Cow<'static, str>);

impl EventId {
    /// The longest id, in bytes. Ids over 128 bytes, or with other characters than letters,
    /// digits, `.` and `-`, cost every cross-origin browser a preflight at each reconnect.
    pub const MAX_BYTES: usize = 1024;

    /// A constant id, checked when the program is compiled.
    ///
    /// # Panics
    /// If `id` is none: empty, too long, with a control character, or with a space at an end. In a
    /// constant that is a compile error.
    #[must_use]
    pub const fn from_static(id: &'static str) -> Self {
        let bytes = id.as_bytes();
        assert!(
            !bytes.is_empty()
                && bytes.len() <= Self::MAX_BYTES
                && !has_control(bytes)
                && !has_blank_end(bytes),
            "an event id must not be empty, too long, contain a line break, NUL or another control character, or begin or end with a space"
        );
        Self(Cow::Borrowed(id))
    }

    /// An id that this crate wrote itself, from characters that need no check.
    pub(crate) fn from_token(token: String) -> Self {
        Self(Cow::Owned(token))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Usable in a constant, where an error with a destructor is not.
const fn has_control(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_control() {
            return true;
        }
        at += 1;
    }
    false
}

/// A header's value is trimmed on its way.
const fn has_blank_end(bytes: &[u8]) -> bool {
    matches!(bytes, [b' ', ..] | [.., b' '])
}

impl TryFrom<&str> for EventId {
    type Error = InvalidEvent;

    fn try_from(id: &str) -> Result<Self, InvalidEvent> {
        Self::try_from(id.to_owned())
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidEvent;

    fn try_from(id: String) -> Result<Self, InvalidEvent> {
        match id.as_bytes() {
            [] => Err(InvalidEvent::EmptyId),
            bytes if bytes.len() > Self::MAX_BYTES => {
                Err(InvalidEvent::IdTooLong { len: bytes.len(), max: Self::MAX_BYTES })
            }
            bytes if has_line_break(bytes) => Err(InvalidEvent::IdWithLineBreak),
            bytes if bytes.contains(&0) => Err(InvalidEvent::IdWithNul),
            bytes if has_control(bytes) => Err(InvalidEvent::IdWithControl),
            bytes if has_blank_end(bytes) => Err(InvalidEvent::IdWithBlankEnd),
            _ => Ok(Self(Cow::Owned(id))),
        }
    }
}

impl AsRef<str> for EventId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_a_header_carries_back_unchanged() {
        for byte in (0..0x20).chain([0x7f]) {
            let id = format!("a{}b", char::from(byte));
            assert!(EventId::try_from(id).is_err(), "{byte}");
        }
        for id in [" a", "a ", " ", "\ta", "a\t"] {
            assert!(EventId::try_from(id).is_err(), "{id:?}");
        }
        for id in ["a b", "!~", "é", "支付 1"] {
            assert_eq!(EventId::try_from(id).unwrap().as_str(), id);
        }
    }
}
