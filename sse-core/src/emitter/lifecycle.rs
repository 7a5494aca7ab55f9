//! `Lifecycle`: how one connection lives and ends, a pure state machine.

use crate::close_reason::CloseReason;

/// Open, then ending while what is queued is written, then over. Each step happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    Open,
    Ending(CloseReason),
    Over(CloseReason),
}

impl Lifecycle {
    /// Accepts nothing more. `false` if that was so already.
    pub(crate) fn close(&mut self, reason: CloseReason) -> bool {
        let first = *self == Self::Open;
        if first {
            *self = Self::Ending(reason);
        }
        first
    }

    /// Writes nothing more. Returns the reason to report, the first time only.
    ///
    /// A client that leaves before it was given everything is gone, whatever the program said; an
    /// end that the server decided for another cause keeps that cause.
    pub(crate) fn finish(&mut self, everything_was_written: bool) -> Option<CloseReason> {
        let reason = match *self {
            Self::Over(_) => return None,
            Self::Ending(CloseReason::Completed) if !everything_was_written => {
                CloseReason::ClientGone
            }
            Self::Ending(reason) => reason,
            Self::Open => CloseReason::ClientGone,
        };
        *self = Self::Over(reason);
        Some(reason)
    }

    /// Why nothing more is accepted.
    pub(crate) fn closed(self) -> Option<CloseReason> {
        match self {
            Self::Open => None,
            Self::Ending(reason) | Self::Over(reason) => Some(reason),
        }
    }

    pub(crate) fn over(self) -> Option<CloseReason> {
        match self {
            Self::Over(reason) => Some(reason),
            Self::Open | Self::Ending(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let mut life = Lifecycle::Open;
        assert!(life.close(CloseReason::TimedOut));
        assert!(!life.close(CloseReason::Completed));
        assert_eq!(life.finish(true), Some(CloseReason::TimedOut));
    }

    #[test]
    fn the_end_is_reported_once() {
        let mut life = Lifecycle::Open;
        life.close(CloseReason::Completed);
        assert_eq!(life.finish(true), Some(CloseReason::Completed));
        assert_eq!(life.finish(false), None);
        assert!(!life.close(CloseReason::Failed));
    }

    #[test]
    fn a_client_that_leaves_before_the_end_is_gone() {
        let mut open = Lifecycle::Open;
        assert_eq!(open.finish(false), Some(CloseReason::ClientGone));
        let mut completed = Lifecycle::Ending(CloseReason::Completed);
        assert_eq!(completed.finish(false), Some(CloseReason::ClientGone));
        let mut timed_out = Lifecycle::Ending(CloseReason::TimedOut);
        assert_eq!(timed_out.finish(false), Some(CloseReason::TimedOut));
    }
}
