//! `EventName`: the name of an event.

use std::{borrow::Cow, fmt};

use super::InvalidEvent;

/// The name of an event, as in `addEventListener(name, …)`. Holds no line break.
///
/// ```
/// # use sse_tower_core::EventName;
/// const FINISH: EventName = EventName::from_static("finish");
/// assert!(EventName::try_from("a\nb").is_err());
/// # assert_eq!(FINISH.as_str(), "finish");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventName(Cow<'static, str>);

impl EventName {
    /// A constant name, checked when the program is compiled.
    ///
    /// # Panics
    /// If `name` is empty or contains a line break; in a constant that is a compile error.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(
            !name.is_empty() && !has_line_break(name.as_bytes()),
            "an event name must not be empty or contain a line break"
        );
        Self(Cow::Borrowed(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Usable in a constant, where an error with a destructor is not.
pub(super) const fn has_line_break(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], b'\n' | b'\r') {
            return true;
        }
        at += 1;
    }
    false
}

impl TryFrom<&str> for EventName {
    type Error = InvalidEvent;

    fn try_from(name: &str) -> Result<Self, InvalidEvent> {
        Self::try_from(name.to_owned())
    }
}

impl TryFrom<String> for EventName {
    type Error = InvalidEvent;

    fn try_from(name: String) -> Result<Self, InvalidEvent> {
        match name.as_bytes() {
            [] => Err(InvalidEvent::EmptyName),
            bytes if has_line_break(bytes) => Err(InvalidEvent::NameWithLineBreak),
            _ => Ok(Self(Cow::Owned(name))),
        }
    }
}

impl AsRef<str> for EventName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
