//! The nine mistakes of the programs that this project began with. Each has a test that fails where it
//! is made again; here are those that no program of the examples can show, and these are elsewhere:
//!
//! | mistake | shown by |
//! |---|---|
//! | 1. A callback for an id that nobody waits for is a crash, and a 500 for the provider. | `wire/pay/callback.rs`: `an_unknown_payment_is_no_crash_and_no_error_for_the_provider` |
//! | 2. Connections stay behind after their end; the end of an old one removes a newer one. | `leftovers`; over a program's timeout `wire/examples/order.rs`: `the_end_of_an_old_wait_takes_nothing_from_a_newer_one` |
//! | 3. A plain list shared by threads: who joins while something is published is lost. | `joins`; over sockets `wire/examples/topics.rs`: `publishing_never_fails_while_clients_join_and_every_client_is_served` |
//! | 4. A callback before the browser is there is lost. | `wire/pay/push.rs`: `who_has_seen_the_payment_gets_204_and_who_has_not_gets_the_event`; `browser/chromium/pay.rs`: `a_payment_before_the_page_was_opened_is_shown_at_once` |
//! | 5. After completion the browser dials for ever. | the first of these; `browser/chromium/pay.rs`: `the_browser_of_a_finished_payment_gets_204_and_dials_no_more` |
//! | 6. The first byte comes with the first event. | `wire/pay/push.rs`: `the_head_comes_before_any_event_and_keeps_proxies_from_buffering` |
//! | 7. One remembered id, so that one message is sent again. | `wire/examples/feed.rs`: `a_client_that_comes_back_gets_all_that_it_missed_in_order_once` |
//! | 8. Asking for the stream publishes. | `publishing`; `wire/examples/topics.rs`: `subscribers_get_what_is_published_by_get_or_post` |
//! | 9. A browser that does not read delays the payment provider. | `callback` |
//!
//! And one that none of them names, because none of them awaits: `cut_off`.

mod callback;
mod cut_off;
mod joins;
mod leftovers;
mod publishing;
