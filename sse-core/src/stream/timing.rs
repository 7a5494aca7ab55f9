//! When a connection has been silent for too long, and when its time is over.

use tokio::time::Instant;

use crate::{
    emitter::{Conn, ConnSettings},
    spread,
    sync::Arc,
    timer::{Alarm, Nanos},
};

/// How much sooner than asked for a comment may come: up to half of the interval.
const SPREAD: f64 = 0.5;

/// The clocks of one connection: both share one entry in the runtime's queue of timers.
pub(super) struct Timing {
    alarm: Alarm,
    last_write: Instant,
    /// How long the wire may be silent: the interval or somewhat less, drawn once, so that
    /// connections which all got the same event are not silent for the same time after it.
    silence: Option<Nanos>,
    /// Few connections have any: most of the time all others have.
    moments: Option<Box<Moments>>,
}

/// When something is to be done, however much was written.
#[derive(Default)]
struct Moments {
    /// When the timeout ends the connection.
    deadline: Option<Instant>,
    /// When to look at what the stream waits for, whether somebody said that it is there or not.
    look: Option<Instant>,
}

/// What a tick found.
pub(super) struct Due {
    pub(super) timeout: bool,
    pub(super) keep_alive: bool,
}

impl Timing {
    pub(super) fn start(conn: &Arc<Conn>, settings: &ConnSettings) -> Self {
        let now = Instant::now();
        let silence = settings.keep_alive();
        let deadline = settings.timeout.and_then(|timeout| now.checked_add(timeout.get()));
        let mut timing = Self {
            alarm: Alarm::default(),
            last_write: now,
            silence: silence.map(|interval| Nanos::of(spread::at_most(interval, SPREAD))),
            moments: deadline.map(|at| Box::new(Moments { deadline: Some(at), look: None })),
        };
        timing.arm(conn);
        timing
    }

    /// Another task carries the stream now, perhaps on another runtime: the timer is set anew, on its clock.
    pub(super) fn moved(&mut self, conn: &Arc<Conn>) {
        if !self.alarm.is_set_here() {
            self.arm(conn);
        }
    }

    /// Ticks at this instant too; with `None` only when something else is due.
    pub(super) fn look_at(&mut self, look: Option<Instant>, conn: &Arc<Conn>) {
        if self.moments.as_ref().and_then(|moments| moments.look) != look {
            self.moments.get_or_insert_default().look = look;
            self.arm(conn);
        }
    }

    /// Notes that something goes to the wire: an event that was published `at` a time, if that is known.
    ///
    /// The clock is not read for each delivery of an event. One that waited for its reader counts
    /// from when it was published, so the next comment may come that much sooner, never later.
    pub(super) fn wrote(&mut self, at: Option<Instant>) {
        if self.silence.is_some() {
            self.wrote_at(at.unwrap_or_else(Instant::now));
        }
    }

    /// [`wrote`](Self::wrote), where it is known when.
    #[inline]
    pub(super) fn wrote_at(&mut self, at: Instant) {
        if self.last_write < at {
            self.last_write = at;
        }
    }

    /// The timer fired: what is due? Sets the timer anew.
    pub(super) fn due(&mut self, conn: &Arc<Conn>) -> Due {
        let now = Instant::now();
        let deadline = self.moments.as_mut().map(|moments| &mut moments.deadline);
        let timeout = deadline.and_then(|deadline| deadline.take_if(|at| *at <= now)).is_some();
        let keep_alive = self
            .silence
            .is_some_and(|silence| now.saturating_duration_since(self.last_write) >= silence.get());
        if keep_alive {
            self.last_write = now;
        }
        self.arm(conn);
        Due { timeout, keep_alive }
    }

    /// Events move `last_write` without touching the timer: it fires, finds that, and is set anew.
    fn arm(&mut self, conn: &Arc<Conn>) {
        let silent = self.silence.and_then(|silence| self.last_write.checked_add(silence.get()));
        let moments = self.moments.as_ref();
        let moments =
            moments.and_then(|moments| moments.deadline.into_iter().chain(moments.look).min());
        let next = silent.into_iter().chain(moments).min();
        if let Some(next) = next {
            let conn = Arc::downgrade(conn);
            self.alarm.set(next, conn);
        }
    }
}
