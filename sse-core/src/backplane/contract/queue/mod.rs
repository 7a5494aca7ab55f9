//! The rules of the queue.

mod claims;
mod leases;
mod letters;
mod listeners;
mod worker;

pub use {
    claims::{
        a_failure_is_counted_and_due_again, a_release_counts_nothing, a_stale_verdict_does_nothing,
        any_event_comes_back_as_it_was, first_attempts_come_in_the_order_of_the_log,
        ordered_is_one_node_and_one_after_the_other, two_claimers_never_get_the_same,
        what_is_queued_is_queued_once_and_rings,
    },
    leases::{
        a_dropped_claim_is_whole, a_lease_that_is_renewed_is_not_reaped,
        a_restarted_store_knows_its_queue, what_a_leaving_node_holds_is_released,
        what_is_lost_is_counted_and_given_alone,
    },
    letters::{
        a_dead_letter_has_all_there_is_to_know, a_dead_letter_lives_again_or_goes,
        errors_are_bounded,
    },
    listeners::{
        a_listener_begins_where_it_says, a_retired_listener_begins_anew,
        a_version_waits_for_a_node_that_reads_it, each_listener_has_its_own_lane,
        nobody_takes_from_a_paused_listener, stats_tell_how_a_listener_stands,
        two_declarations_of_a_listener_add_up,
    },
};

/// Makes a `#[tokio::test]` of each rule of the queue for an engine that has one: see
/// [`backplane::contract`](crate::backplane::contract).
#[macro_export]
macro_rules! queue_contract {
    ($harness:ty) => {
        $crate::__contract_tests! { $harness:
            a_listener_begins_where_it_says
            a_version_waits_for_a_node_that_reads_it
            each_listener_has_its_own_lane
            nobody_takes_from_a_paused_listener
            a_retired_listener_begins_anew
            stats_tell_how_a_listener_stands
            two_declarations_of_a_listener_add_up
            first_attempts_come_in_the_order_of_the_log
            two_claimers_never_get_the_same
            a_stale_verdict_does_nothing
            a_failure_is_counted_and_due_again
            a_release_counts_nothing
            ordered_is_one_node_and_one_after_the_other
            what_is_queued_is_queued_once_and_rings
            any_event_comes_back_as_it_was
            what_is_lost_is_counted_and_given_alone
            a_lease_that_is_renewed_is_not_reaped
            what_a_leaving_node_holds_is_released
            a_dropped_claim_is_whole
            a_restarted_store_knows_its_queue
            a_dead_letter_has_all_there_is_to_know
            a_dead_letter_lives_again_or_goes
            errors_are_bounded
        }
    };
}
