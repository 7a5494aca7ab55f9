//! Functions that fail, panic or take too long.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use sse_tower_core::{
    CloseReason, Emitters, EmittersBuilder, LastEventId, SseEvent, StreamHandle, bye,
};
use tokio::time::Instant;

use crate::{
    Error, Site,
    common::{data, events, ids, read_all, read_now},
    fresh, open, shown,
};

fn failing(builder: EmittersBuilder<u64>, panics: bool) -> Emitters<u64> {
    let fail = move |_: u64| async move {
        assert!(!panics, "the database is on fire");
        Err::<SseEvent, _>(Error::other("no database"))
    };
    builder.without_keep_alive().snapshot(fail).build()
}

fn retry(text: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix("retry:")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_function_that_fails_or_panics_ends_those_who_wait_and_says_when_to_come_back() {
    for panics in [false, true] {
        let emitters = failing(Emitters::builder(), panics);
        let other = Emitters::<u64>::new();
        let mut untouched = open(&other, 1);
        let page = emitters.connect(1, fresh());
        let control = page.control();
        let reason = Arc::new(std::sync::Mutex::new(None));
        let seen = Arc::clone(&reason);
        control.on_completion(move |reason| *seen.lock().unwrap() = Some(reason));
        let text = read_all(page.into_stream()).await;
        assert_eq!((events(&text), ids(&text)), (vec!["stream-bye".into()], vec![]));
        assert_eq!(data(&text), ["{\"reason\":\"failed\"}"]);
        assert!((2_000..=10_000).contains(&retry(&text)), "{text}");
        assert_eq!(*reason.lock().unwrap(), Some(CloseReason::Failed));
        assert_eq!(emitters.len(), 0);
        drop(other.send(&1, "x"));
        assert_eq!(shown(&read_now(&mut untouched)), "x");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_too_long_is_given_up_for_all_who_wait() {
    let site = Site::slow();
    let emitters = site.emitters();
    let begun = Instant::now();
    let pages = [open(&emitters, 1), open(&emitters, 1)];
    let texts = futures_util::future::join_all(pages.map(read_all)).await;
    for text in texts {
        assert_eq!(events(&text), ["stream-bye"]);
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!((site.asked(), site.running.load(SeqCst)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn its_time_can_be_set() {
    let site = Site::slow();
    let emitters = site.builder().snapshot_timeout(Duration::from_millis(50)).build();
    let begun = Instant::now();
    read_all(open(&emitters, 1)).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(50));
}

#[tokio::test]
async fn a_client_that_gets_no_state_comes_back_as_it_came() {
    let emitters = failing(Emitters::builder(), false);
    let last = LastEventId::read(b"1.feed.17");
    let text = read_all(emitters.connect(1, last).into_stream()).await;
    assert_eq!(ids(&text), ["1.feed.17"]);
}

#[tokio::test]
async fn the_library_says_no_place_before_the_client_has_the_state() {
    let site = Site::slow();
    let emitters = site.emitters();
    site.change(&emitters, 1);
    let emitter = emitters.connect(1, fresh());
    let control = emitter.control();
    let mut page = emitter.into_stream();
    read_now(&mut page);
    control.end(CloseReason::Drained, Some(bye(CloseReason::Drained, None)));
    let text = read_now(&mut page);
    assert_eq!((events(&text), ids(&text)), (vec!["stream-bye".into()], vec![]));
    assert_eq!(site.running.load(SeqCst), 0, "nobody waits for it any more");
}
