//! `Second`: one connection per key, and what happens to the second.

use std::time::Duration;

use crate::spread::jittered;

/// What happens to the second connection at a key where each key has one, as to two tabs of one user.
///
/// Set by [`one_per_key`](crate::EmittersBuilder::one_per_key); without it both have their place and get everything.
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

/// When a client that was turned away comes back: well after a dead connection was noticed, and each at a moment of
/// its own.
const COME_BACK: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(120));

/// After which time this client, which was turned away, comes back.
pub(super) fn come_back() -> Duration {
    jittered(COME_BACK.0, COME_BACK.1)
}
