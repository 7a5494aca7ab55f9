//! `EventUid`: the id of an event, the same on every node and on every attempt.

use std::{
    fmt,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

/// Names one event on every node and on every attempt: a UUID of version 7, so that ids rise roughly with time.
///
/// What a listener gives to others as an idempotency key: a payment provider, a table with a unique column.
///
/// ```
/// # use sse_tower_core::EventUid;
/// let id = EventUid::new(0x0190_5d0b_9c1e_7000_8000_0000_0000_0001);
/// assert_eq!(id.to_string(), "01905d0b-9c1e-7000-8000-000000000001");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventUid(u128);

impl EventUid {
    /// The id with this number, as a store gives it back.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// A new one, of this moment.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::v7(since.as_millis(), fastrand::u128(..))
    }

    /// The id of publication `number`, for an event that never leaves its process: always the same, and no other
    /// event's.
    pub(crate) fn of_publication(number: u64) -> Self {
        static PROCESS: OnceLock<(u128, u64)> = OnceLock::new();
        let (began, process) = PROCESS.get_or_init(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (since.as_millis(), fastrand::u64(..))
        });
        let random = (u128::from(*process) << 64) | u128::from(number);
        Self::v7(*began, random)
    }

    const fn v7(millis: u128, random: u128) -> Self {
        const BELOW_THE_TIME: u128 = (1 << 80) - 1;
        let number = (millis << 80) | (random & BELOW_THE_TIME);
        // The version in bits 76 to 79, the variant in 62 and 63.
        let number = (number & !(0xf << 76)) | (7 << 76);
        Self((number & !(0b11 << 62)) | (0b10 << 62))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for EventUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
        for (n, (from, to)) in parts.into_iter().enumerate() {
            let dash = if n == 0 { "" } else { "-" };
            write!(f, "{dash}{}", digits.get(from..to).unwrap_or_default())?;
        }
        Ok(())
    }
}

impl fmt::Debug for EventUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_says_its_version_its_variant_and_its_time() {
        let id = EventUid::v7(0x0123_4567_89ab, u128::MAX);
        assert_eq!(id.to_string(), "01234567-89ab-7fff-bfff-ffffffffffff");
    }

    #[test]
    fn two_publications_of_a_process_have_two_ids_and_each_keeps_its_own() {
        let (one, other) = (1, 2);
        assert_eq!(EventUid::of_publication(one), EventUid::of_publication(one));
        assert_ne!(EventUid::of_publication(one), EventUid::of_publication(other));
    }
}
