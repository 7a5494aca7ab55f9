//! Functions that run by the clock.
//!
//! # What happens
//!
//! A scheduled function is a listener of [`ScheduledRun`](crate::ScheduledRun): so parameters are injected, failures and panics are
//! told with their three places, the graph and the wiring report show it, all as for any listener. When the context
//! is built, and after `ContextStarted`, one task for each of them begins to publish its runs.
//!
//! # What may be relied on
//!
//! * A function never overlaps itself. A run that takes longer than the time between two makes the ones in between
//!   **fall out**; they are not made up for. The log says so, once for each run that was too long.
//! * A failure or a panic is counted and logged, and the next run comes.
//! * The drain ends it: no run begins any more, and the one that runs is waited for within the drain's deadline.
//! * Time is tokio's. On a paused clock an hour of runs takes a moment; cron begins with the wall clock of the
//!   context's beginning and goes as tokio's clock goes.
//! * The context may die meanwhile: a schedule keeps none alive.
//! * Of those that are declared `once`, at one backplane, one process at a time runs one of a name: who holds its
//!   [turn](crate::durable). Who takes over begins as a context begins.

mod by_hand;
#[cfg(feature = "cron")]
mod cron;
mod runner;
mod times;
#[cfg(feature = "json")]
mod turn;

pub use by_hand::{Schedule, ScheduleBuilder};
pub(crate) use runner::begin;
pub(crate) use times::Times;
#[cfg(feature = "json")]
pub(crate) use turn::turn;
