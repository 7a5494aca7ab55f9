//! What one connection is set to.

use std::{num::NonZeroU32, time::Duration};

use crate::timer::Nanos;

/// How long the wire may be silent before a keep-alive comment is written, by default: 15 seconds,
/// as the WHATWG's authoring notes advise and well under the idle timeouts of common proxies.
pub const DEFAULT_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The shortest keep-alive interval, 10 milliseconds; a shorter one is taken as this, since comments without a
/// pause between them would be all that a connection does.
pub const MIN_KEEP_ALIVE: Duration = Duration::from_millis(10);
/// How many events wait in an emitter's own queue by default.
pub const DEFAULT_CAPACITY_EVENTS: usize = 256;
/// How many bytes wait in an emitter's own queue by default: 1 MiB.
pub const DEFAULT_CAPACITY_BYTES: usize = 1024 * 1024;

/// The settings of one connection: kept small, since each connection has its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnSettings {
    pub(crate) timeout: Option<Nanos>,
    pub(crate) retry: Option<Nanos>,
    /// How many milliseconds the wire may be silent before a comment is written, if one is. Less than asked for is what
    /// is promised.
    keep_alive: Option<NonZeroU32>,
    capacity_events: u32,
    capacity_bytes: u32,
    /// Whether the keep-alive is the default, which whoever carries the stream may replace.
    default_keep_alive: bool,
    /// A layer or a server knows of the stream, so a drain ends it.
    pub(crate) carried: bool,
    /// It was counted, limited and given to a drain.
    pub(crate) admitted: bool,
}

impl Default for ConnSettings {
    fn default() -> Self {
        Self {
            timeout: None,
            retry: None,
            keep_alive: Some(millis(DEFAULT_KEEP_ALIVE)),
            capacity_events: bounded(DEFAULT_CAPACITY_EVENTS),
            capacity_bytes: bounded(DEFAULT_CAPACITY_BYTES),
            default_keep_alive: true,
            carried: false,
            admitted: false,
        }
    }
}

impl ConnSettings {
    /// Sets the keep-alive interval as the program says; `None` for no comments.
    pub(crate) const fn set_keep_alive(&mut self, interval: Option<Duration>) {
        self.keep_alive = match interval {
            Some(interval) => Some(millis(interval)),
            None => None,
        };
        self.default_keep_alive = false;
    }

    /// Sets the keep-alive interval as whoever carries the stream says, unless the program has set it.
    pub(crate) fn set_default_keep_alive(&mut self, interval: Duration) {
        if self.default_keep_alive {
            self.keep_alive = Some(millis(interval));
        }
    }

    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive.map(|millis| Duration::from_millis(millis.get().into()))
    }

    /// Bounds the queue: so many events, and so many bytes.
    pub(crate) const fn set_capacity(&mut self, events: usize, bytes: usize) {
        (self.capacity_events, self.capacity_bytes) = (bounded(events), bounded(bytes));
    }

    /// How many events the queue takes, and how many bytes.
    pub(crate) fn capacity(&self) -> (usize, usize) {
        (self.capacity_events as usize, self.capacity_bytes as usize)
    }
}

/// A keep-alive interval: not shorter than the shortest, and not longer than 49 days.
const fn millis(interval: Duration) -> NonZeroU32 {
    let (millis, least) = (interval.as_millis(), MIN_KEEP_ALIVE.as_millis());
    let millis = if millis < least { least } else { millis };
    let millis = if millis > u32::MAX as u128 { u32::MAX } else { millis as u32 };
    NonZeroU32::MIN.saturating_add(millis - 1)
}

const fn bounded(count: usize) -> u32 {
    if count > u32::MAX as usize { u32::MAX } else { count as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keep_alive_interval_is_never_longer_than_asked_for_and_never_too_short() {
        let taken = |asked| {
            let mut settings = ConnSettings::default();
            settings.set_keep_alive(Some(asked));
            settings.keep_alive().unwrap()
        };
        assert_eq!(taken(Duration::ZERO), MIN_KEEP_ALIVE);
        assert_eq!(taken(Duration::from_micros(20_999)), Duration::from_millis(20));
        assert_eq!(taken(DEFAULT_KEEP_ALIVE), DEFAULT_KEEP_ALIVE);
        assert!(taken(Duration::MAX) > Duration::from_secs(49 * 24 * 60 * 60));
    }

    #[test]
    fn a_capacity_beyond_four_gigabytes_is_four_gigabytes() {
        let mut settings = ConnSettings::default();
        settings.set_capacity(usize::MAX, 7);
        assert_eq!(settings.capacity(), (u32::MAX as usize, 7));
    }
}
