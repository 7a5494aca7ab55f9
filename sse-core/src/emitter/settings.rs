//! What one connection is set to.

use std::time::Duration;

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
    pub(crate) timeout: Option<Duration>,
    /// How long the wire may be silent before a comment is written, if one is.
    keep_alive: Option<Duration>,
    /// Whether the keep-alive is the default, which whoever carries the stream may replace.
    default_keep_alive: bool,
    pub(crate) retry: Option<Duration>,
    pub(crate) capacity_events: usize,
    pub(crate) capacity_bytes: usize,
    /// A layer or a server knows of the stream, so a drain ends it.
    pub(crate) carried: bool,
    /// It was counted, limited and given to a drain.
    pub(crate) admitted: bool,
}

impl Default for ConnSettings {
    fn default() -> Self {
        Self {
            timeout: None,
            keep_alive: Some(DEFAULT_KEEP_ALIVE),
            default_keep_alive: true,
            retry: None,
            capacity_events: DEFAULT_CAPACITY_EVENTS,
            capacity_bytes: DEFAULT_CAPACITY_BYTES,
            carried: false,
            admitted: false,
        }
    }
}

impl ConnSettings {
    /// Sets the keep-alive interval as the program says; `None` for no comments.
    pub(crate) const fn set_keep_alive(&mut self, interval: Option<Duration>) {
        self.keep_alive = interval;
        self.default_keep_alive = false;
    }

    /// Sets the keep-alive interval as whoever carries the stream says, unless the program has set it.
    pub(crate) fn set_default_keep_alive(&mut self, interval: Duration) {
        if self.default_keep_alive {
            self.keep_alive = Some(interval);
        }
    }

    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive.map(|interval| interval.max(MIN_KEEP_ALIVE))
    }
}
