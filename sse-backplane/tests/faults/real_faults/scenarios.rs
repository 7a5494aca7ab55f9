//! Every scenario as a test of an engine.

/// `faults!(Redis, "redis")`: a test of each scenario, if that engine is exercised.
macro_rules! faults {
    ($store:ty, $engine:literal) => {
        $crate::real_faults::scenarios::faults! { $store, $engine:
            process::a_store_that_is_killed_three_times_loses_and_doubles_nothing
            process::a_store_that_stood_still_for_four_seconds_loses_and_doubles_nothing
            process::a_publisher_that_dies_before_it_is_told_is_heard_all_the_same
            process::ten_thousand_topics_over_one_connection_are_followed_again_after_a_restart
            network::a_feed_that_goes_silent_is_noticed_and_healed
            network::writers_whose_connections_go_silent_write_on_and_double_nothing
            network::connections_that_are_cut_within_a_frame_lose_and_double_nothing
            past::a_lost_tail_is_a_new_epoch
            past::a_lost_tail_is_a_new_epoch_although_others_wrote_meanwhile
            past::a_store_that_forgot_everything_is_a_new_epoch_with_the_next_event
            past::positions_rise_while_the_clock_is_behind
        }
    };
    ($store:ty, $engine:literal: $($room:ident::$scenario:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $scenario() {
            if engine_servers::wanted($engine) {
                $crate::real_faults::$room::$scenario::<$store>().await;
            }
        }
    )*};
}

pub(crate) use faults;
