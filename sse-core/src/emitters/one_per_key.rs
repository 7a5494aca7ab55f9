//! One connection per key.

/// What happens to a second connection where one per key is allowed.
///
/// ```
/// # use sse_tower_core::{Emitters, LastEventId, Second};
/// let seats: Emitters<u64> = Emitters::builder().one_per_key(Second::Refused).build();
/// let first = seats.connect(7, LastEventId::default());
/// let second = seats.connect(7, LastEventId::default());
/// assert!(!first.is_closed() && second.is_closed());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Second {
    /// It takes the place of the first, which ends and is told not to come back for a day.
    Replaces,
    /// It is turned away, and told not to come back for a day.
    Refused,
}
