//! The suite that every engine passes: the docs of [`Engine`] and [`Queue`](super::Queue), as tests. Feature `test-util`.
//!
//! A [`Harness`] gives the engines of one namespace; a macro makes a test of each rule. In an integration test, with
//! tokio's features `macros` and `rt-multi-thread`:
//!
//! ```
//! use std::sync::Arc;
//! # use sse_tower_core::backplane::{Engine, contract::Harness, memory::MemoryStore};
//!
//! struct Memory(MemoryStore);
//!
//! impl Harness for Memory {
//!     async fn fresh() -> Self {
//!         Self(MemoryStore::new())
//!     }
//!
//!     async fn engine(&self) -> Arc<dyn Engine> {
//!         Arc::new(self.0.engine())
//!     }
//! }
//!
//! # mod tests { use super::Memory;
//! sse_tower_core::engine_contract!(Memory); // one #[tokio::test] for each rule
//! sse_tower_core::queue_contract!(Memory); // and those of the queue, for an engine that has one
//! # }
//! # fn main() {}
//! ```
//!
//! Rules wait for what they expect, at most [`DEADLINE`], and never for a time alone where the store has no
//! duty to have done something by then. Each rule is a function of its own, so that one can be run by hand.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "it is how a test fails"
)]

mod batches;
mod bodies;
mod calls;
mod follow;
mod heads;
mod join;
mod node;
mod once;
mod order;
mod queue;
mod restart;
mod resume;
mod retention;
mod topics;

use std::{future::Future, sync::Arc};

use super::{Engine, MAX_RECORD_BYTES};

pub use node::{DEADLINE, KEEP, Node, event, topic};
pub use queue::*;

pub use {
    batches::{
        a_batch_in_flight_twice_is_stored_once, a_batch_is_stored_whole_or_not_at_all,
        a_large_batch_is_one_batch, a_lower_batch_number_is_superseded,
        a_repeated_batch_has_its_first_answers,
    },
    bodies::{any_bytes_come_back_as_they_were, the_largest_body_fits_and_one_byte_more_does_not},
    calls::{
        a_call_may_come_from_any_runtime, a_closed_engine_says_so_and_is_silent,
        a_dropped_call_is_whole, changed_topics_are_listed,
        what_was_begun_is_done_before_the_close, without_a_queue_nothing_is_queued,
    },
    follow::{
        a_restarted_feed_says_so_and_goes_on, a_topic_unfollowed_and_followed_is_followed,
        following_twice_is_following_once, ten_thousand_topics_are_followed_at_once,
    },
    heads::{
        a_completed_topic_takes_no_event_until_it_is_forgotten,
        a_head_tells_the_newest_disconnect_and_claim, a_mark_is_a_barrier,
        an_unknown_topic_has_no_head, changes_of_a_head_push_no_event_out,
        the_epoch_is_the_same_everywhere,
    },
    join::{follow_then_load_loses_nothing, load_then_follow_loses},
    once::{a_once_key_is_stored_once, a_once_key_outlives_its_event},
    order::{
        answers_are_in_the_order_of_their_batch, many_nodes_have_one_order,
        what_is_stored_can_be_read_by_all,
    },
    restart::a_restarted_store_knows_everything,
    resume::what_is_missing_can_be_told_by_the_predecessors,
    retention::{
        a_topic_keeps_the_bytes_it_was_told, a_topic_keeps_the_events_it_was_told,
        events_go_when_they_are_too_old, the_newest_event_is_loaded_whatever_its_size,
    },
    topics::names_are_bytes_and_nothing_more,
};

/// What the suite needs of an engine: one namespace of a store, as several nodes see it.
pub trait Harness: Sized + Send + Sync + 'static {
    /// A namespace that nobody used before.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// One more node of it, not started yet.
    fn engine(&self) -> impl Future<Output = Arc<dyn Engine>> + Send;

    /// Ends the store and starts it again with what it has stored. Called when all engines were closed and dropped;
    /// `false` where that cannot be done, and what needs it is passed over.
    fn restart(&mut self) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }

    /// Whether this engine is to be tested in this run. Without a server for it, its rules may be passed over on
    /// purpose.
    fn is_wanted() -> bool {
        true
    }

    /// How large a body may be.
    fn max_body(&self) -> usize {
        MAX_RECORD_BYTES
    }
}

/// Makes a `#[tokio::test]` of each rule for an engine: see
/// [`backplane::contract`](crate::backplane::contract).
#[macro_export]
macro_rules! engine_contract {
    ($harness:ty) => {
        $crate::__contract_tests! { $harness:
            many_nodes_have_one_order
            answers_are_in_the_order_of_their_batch
            what_is_stored_can_be_read_by_all
            follow_then_load_loses_nothing
            load_then_follow_loses
            what_is_missing_can_be_told_by_the_predecessors
            a_topic_keeps_the_events_it_was_told
            a_topic_keeps_the_bytes_it_was_told
            the_newest_event_is_loaded_whatever_its_size
            events_go_when_they_are_too_old
            a_repeated_batch_has_its_first_answers
            a_batch_in_flight_twice_is_stored_once
            a_lower_batch_number_is_superseded
            a_batch_is_stored_whole_or_not_at_all
            a_large_batch_is_one_batch
            a_completed_topic_takes_no_event_until_it_is_forgotten
            a_head_tells_the_newest_disconnect_and_claim
            changes_of_a_head_push_no_event_out
            an_unknown_topic_has_no_head
            a_mark_is_a_barrier
            the_epoch_is_the_same_everywhere
            a_once_key_is_stored_once
            a_once_key_outlives_its_event
            ten_thousand_topics_are_followed_at_once
            following_twice_is_following_once
            a_topic_unfollowed_and_followed_is_followed
            a_restarted_feed_says_so_and_goes_on
            a_dropped_call_is_whole
            a_call_may_come_from_any_runtime
            what_was_begun_is_done_before_the_close
            a_closed_engine_says_so_and_is_silent
            changed_topics_are_listed
            without_a_queue_nothing_is_queued
            any_bytes_come_back_as_they_were
            the_largest_body_fits_and_one_byte_more_does_not
            names_are_bytes_and_nothing_more
            a_restarted_store_knows_everything
        }
    };
}

/// One test for each rule named.
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_tests {
    ($harness:ty: $($rule:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $rule() {
            if !<$harness as $crate::backplane::contract::Harness>::is_wanted() {
                return;
            }
            let harness = <$harness as $crate::backplane::contract::Harness>::fresh().await;
            $crate::backplane::contract::$rule(harness).await;
        }
    )*};
}
