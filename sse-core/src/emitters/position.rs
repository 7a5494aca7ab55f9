//! Positions as tokens: `1.{epoch}.{offset}`.

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
        token.push_str(VERSION);
        token.push('.');
        push_hexadecimal(&mut token, self.epoch);
        token.push('.');
        token.push_str(itoa::Buffer::new().format(self.offset));
        token
    }

    pub(crate) fn event_id(self) -> EventId {
        EventId::from_token(self.token())
    }
}

/// As `{:x}` writes it, without the cost of that for each event.
fn push_hexadecimal(text: &mut String, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let count = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    let digits = (0..count).rev().map(|place| (number >> (4 * place)) as usize & 0xf);
    text.extend(digits.map(|digit| char::from(DIGITS[digit])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_written_as_by_the_standard_library() {
        for number in [0, 1, 0xf, 0x10, 0x1020_0304, 0xffff_ffff_ffff, u64::MAX] {
            let mut text = String::new();
            push_hexadecimal(&mut text, number);
            assert_eq!(text, format!("{number:x}"));
        }
    }

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
