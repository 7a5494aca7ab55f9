//! Positions as tokens: `1.{epoch}.{offset}`.

use std::fmt::Write as _;

use crate::EventId;

/// The version of the token's form.
const VERSION: &str = "1";

/// A place in the order of events of one `Emitters`, during one life of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: u64,
    pub(crate) offset: u64,
}

impl Position {
    /// Reads a token. `None` for anything that this code would not have written.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let (version, rest) = token.split_once('.')?;
        let (epoch, offset) = rest.split_once('.')?;
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if version != VERSION || !digits(epoch) || !digits(offset) {
            return None;
        }
        let position =
            Self { epoch: u64::from_str_radix(epoch, 16).ok()?, offset: offset.parse().ok()? };
        // One position, one token: `01` and `1` are not the same id to anybody else.
        (position.token().as_str() == token).then_some(position)
    }

    /// The token, as the text of an id: letters, digits and dots, well under 128 bytes.
    pub(crate) fn token(self) -> String {
        let mut token = String::with_capacity(40);
        // Writing to a `String` cannot fail.
        let _ = write!(token, "{VERSION}.{:x}.{}", self.epoch, self.offset);
        token
    }

    pub(crate) fn event_id(self) -> EventId {
        EventId::from_token(self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back() {
        let position = Position { epoch: 0xfeed, offset: 1_700_000_000_000_000 };
        assert_eq!(Position::parse(&position.token()), Some(position));
    }

    #[test]
    fn nothing_else_is_a_token() {
        for text in [
            "",
            "1",
            "1.",
            "1..",
            "1.a",
            "1.a.",
            "2.a.1",
            "1.a.-1",
            "1.a.01",
            "1.A.1",
            "1.0a.1",
            "1.a.1.",
            " 1.a.1",
            "1.a.99999999999999999999",
            "1.a.1x",
            "６.a.1",
        ] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
