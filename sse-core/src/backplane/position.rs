//! Where something stands in the store's order.

use std::fmt;

/// Where a record stands in the order of its namespace. Given by the store, never by a process; rises, and is
/// never given twice within one [`Epoch`].
///
/// Microseconds of the store's clock, always bumped, for stores that let us choose; a sequence number elsewhere.
/// Only its order means anything.
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

/// One life of a store. Made at random with the store, kept in it, and made anew when it lost its past: a
/// position of another epoch says nothing. At most 48 bits, never zero.
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
