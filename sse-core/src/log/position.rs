//! Where an event stands: [`Position`], and the token `1.{epoch}.{position}` that clients hold.

use std::fmt;

use super::Offset;
use crate::event::EventId;

/// The version of the token's form.
const VERSION: &str = "1";

/// Where an event stands among those of its source, in the order of whoever keeps them. Rises, and is never given
/// twice within one [`Epoch`].
///
/// Ids are made of it; resuming, gaps, dropped events and completion count by it, and so does merging the logs of
/// one source. In memory whoever keeps them is this process, and a position is made from when the event came;
/// with a backplane only the store knows it: microseconds of its clock, always bumped, where it lets us choose, a sequence
/// number elsewhere. Only its order means anything.
///
/// ```
/// # use sse_tower_core::backplane::Position;
/// assert!(Position::ZERO < Position::new(1));
/// assert_eq!(Position::new(7).get(), 7);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Position(u64);

impl Position {
    /// Before everything.
    pub const ZERO: Self = Self(0);
    /// After every event.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// The newest position before this one.
    pub(crate) const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// In memory, events are kept in the order of their arrival.
impl From<Offset> for Position {
    fn from(offset: Offset) -> Self {
        Self(offset.get())
    }
}

/// One life of a source. Positions of different epochs have nothing to do with each other: one is made anew where
/// the past was lost. At most 48 bits, so that it is short in every event; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "replicated", derive(serde::Serialize, serde::Deserialize))]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch with this number, as a store gives it back.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u64(1..1 << 48))
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position as clients hold it: with the epoch in which it means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) epoch: Epoch,
    pub(crate) position: Position,
}

impl Token {
    /// Reads a token. `None` for anything that this code would not have written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(VERSION)?.as_bytes().strip_prefix(b".")?;
        let dot = rest.iter().position(|byte| *byte == b'.')?;
        let (epoch, position) = (&rest[..dot], &rest[dot + 1..]);
        Some(Self { epoch: Epoch(number(epoch, 16)?), position: Position(number(position, 10)?) })
    }

    /// The text of an id: letters, digits and dots, well under 128 bytes.
    fn text(self) -> String {
        let mut text = String::with_capacity(40);
        text.push_str(VERSION);
        text.push('.');
        push_hexadecimal(&mut text, self.epoch.0);
        text.push('.');
        text.push_str(itoa::Buffer::new().format(self.position.0));
        text
    }

    pub(crate) fn event_id(self) -> EventId {
        EventId::from_token(self.text())
    }
}

/// Where the event with an id of the program's stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    At(Position),
    /// The id was used at several places: to go on from any might pass over events.
    Several,
}

impl Place {
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nowhere, place) | (place, Self::Nowhere) => place,
            (Self::At(a), Self::At(b)) if a == b => self,
            _ => Self::Several,
        }
    }
}

/// Reads a number as it is written here. One position, one token: `01` and `1` are not the same id to
/// anybody else.
fn number(digits: &[u8], radix: u64) -> Option<u64> {
    if matches!(digits, [] | [b'0', _, ..]) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' if radix == 16 => byte - b'a' + 10,
            _ => return None,
        };
        number.checked_mul(radix)?.checked_add(u64::from(digit))
    })
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
        let token = Token { epoch: Epoch(0xfeed), position: Position(1_700_000_000_000_000) };
        assert_eq!(Token::parse(&token.text()), Some(token));
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
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_that_was_used_twice_stands_nowhere_certain() {
        let (one, two) = (Place::At(Position(1)), Place::At(Position(2)));
        assert_eq!(Place::Nowhere.and(one), one);
        assert_eq!(one.and(one), one);
        assert_eq!(one.and(two), Place::Several);
        assert_eq!(Place::Several.and(Place::Nowhere), Place::Several);
    }
}
