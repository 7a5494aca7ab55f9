//! An event's id.

use std::{borrow::Cow, fmt};

use super::{InvalidEvent, name::has_line_break};

/// The id of an event: what a client sends back as `Last-Event-ID`. Holds no line break and no NUL,
/// is not empty, and has at most [`EventId::MAX_BYTES`].
///
/// ```
/// # use sse_tower_core::EventId;
/// const FIRST: EventId = EventId::from_static("1");
/// assert!(EventId::try_from("a\0b").is_err());
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
    /// If `id` is empty, too long, or contains a line break or NUL; in a constant that is a
    /// compile error.
    #[must_use]
    pub const fn from_static(id: &'static str) -> Self {
        let bytes = id.as_bytes();
        assert!(
            !bytes.is_empty()
                && bytes.len() <= Self::MAX_BYTES
                && !has_line_break(bytes)
                && !has_nul(bytes),
            "an event id must not be empty, too long, or contain a line break or NUL"
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
const fn has_nul(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == 0 {
            return true;
        }
        at += 1;
    }
    false
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
            bytes if has_nul(bytes) => Err(InvalidEvent::IdWithNul),
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
