//! One connection per key.

use std::time::Duration;

use crate::spread::jittered;

/// What happens to the second connection at a key where each key has one: of two tabs of one user, who wins?
///
/// Without [`one_per_key`](crate::EmittersBuilder::one_per_key), which takes this, both have their place and get everything.
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
    /// It is turned away, and told to come back in a minute or two: the first may be a connection of
    /// the same client that is dead and was not noticed yet.
    Refused,
}

/// When whoever was turned away comes back: well after a dead connection was noticed, and each at a
/// moment of its own.
const COME_BACK: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(120));

/// When this client comes back, that was turned away.
pub(super) fn come_back() -> Duration {
    jittered(COME_BACK.0, COME_BACK.1)
}
