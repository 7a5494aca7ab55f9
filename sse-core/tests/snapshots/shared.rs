//! One run for all who come at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use sse_tower_core::{Emitters, History, LastEventId};

use crate::{
    Error, Site,
    common::{data, events, read_all, read_now},
    fresh, open,
};

#[tokio::test(start_paused = true)]
async fn all_who_come_at_a_time_share_one_run() {
    let site = Site::slow();
    let emitters = site.emitters();
    let mut pages: Vec<_> = (0..1000).map(|_| open(&emitters, 1)).collect();
    pages.iter_mut().for_each(|page| assert_eq!(read_now(page), ":\n"));
    assert_eq!(site.asked(), 1);
    site.may_read.add_permits(9);
    for page in &mut pages {
        assert_eq!(data(&read_now(page)), ["0"]);
    }
    // And those who come soon after, though something has changed meanwhile.
    site.change(&emitters, 1);
    let text = read_now(&mut open(&emitters, 1));
    assert_eq!((data(&text), site.asked()), (vec!["0".into(), "1".into()], 1));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(data(&read_now(&mut open(&emitters, 1))), ["1"]);
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn a_snapshot_is_not_shared_once_the_log_has_lost_what_came_after_it() {
    let site = Site::quick();
    let emitters = site.builder().history(History::events(2)).build();
    let mut first = open(&emitters, 1);
    assert_eq!(data(&read_now(&mut first)), ["0"]);
    (0..2).for_each(|_| drop(site.change(&emitters, 1)));
    assert_eq!(data(&read_now(&mut open(&emitters, 1))), ["0", "1", "2"]);
    read_now(&mut first);
    assert_eq!(site.asked(), 1);
    site.change(&emitters, 1);
    assert_eq!(data(&read_now(&mut open(&emitters, 1))), ["3"]);
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn the_bytes_of_a_snapshot_are_the_same_for_all_who_share_it() {
    use futures_util::StreamExt as _;
    let emitters = Site::quick().emitters();
    let mut pages = [open(&emitters, 1), open(&emitters, 1)];
    let [first, second] = &mut pages;
    let (first, second) = (first.next().await.unwrap(), second.next().await.unwrap());
    assert_eq!(first.as_ptr(), second.as_ptr());
}

#[tokio::test]
async fn when_the_one_that_polls_leaves_the_next_takes_over() {
    let site = Site::slow();
    let emitters = site.emitters();
    let mut first = tokio_test::task::spawn(open(&emitters, 1));
    let mut second = tokio_test::task::spawn(open(&emitters, 1));
    assert!(first.poll_next().is_ready() && second.poll_next().is_ready());
    assert!(first.poll_next().is_pending() && second.poll_next().is_pending());
    site.may_read.add_permits(1);
    assert!(first.is_woken());
    drop(first);
    assert!(second.is_woken());
    let Poll::Ready(Some(bytes)) = second.poll_next() else { panic!("nothing") };
    assert_eq!(events(std::str::from_utf8(&bytes).unwrap()), ["state"]);
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn it_is_dropped_when_the_last_who_waits_has_left() {
    let site = Site::slow();
    let emitters = site.emitters();
    let mut pages = [open(&emitters, 1), open(&emitters, 1)];
    pages.iter_mut().for_each(|page| drop(read_now(page)));
    let [first, second] = pages;
    drop(first);
    assert_eq!(site.running.load(SeqCst), 1);
    drop(second);
    assert_eq!(site.running.load(SeqCst), 0);
    // And the next begins anew.
    let mut page = open(&emitters, 1);
    read_now(&mut page);
    assert_eq!(site.asked(), 2);
}

#[tokio::test]
async fn nothing_runs_before_a_stream_is_polled_nor_for_a_head_request() {
    let site = Site::quick();
    let emitters = site.emitters();
    let response = emitters.connect(1, fresh());
    let head = emitters.connect(1, LastEventId::of_head_request());
    assert_eq!(read_all(head.into_stream()).await, "");
    drop(response);
    assert_eq!(site.asked(), 0);
}

#[tokio::test]
async fn a_run_goes_on_though_those_who_were_asked_to_poll_it_do_not() {
    let site = Site::slow();
    let emitters = site.emitters();
    let mut pages: Vec<_> = (0..20).map(|_| open(&emitters, 1)).collect();
    pages.iter_mut().for_each(|page| drop(read_now(page)));
    site.may_read.add_permits(1);
    // None of those who were woken; somebody else happens to come by.
    let mut late = open(&emitters, 1);
    assert_eq!(events(&read_now(&mut late)), ["state"]);
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn kept_snapshots_take_no_more_than_their_share_of_the_total() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let state = move |_: u64| {
        counted.fetch_add(1, SeqCst);
        async { Ok::<_, Error>("x".repeat(10_000)) }
    };
    let emitters: Emitters<u64> = Emitters::builder().snapshot(state).total(1000, 50_000).build();
    let mut pages: Vec<_> = (0..4).map(|key| open(&emitters, key)).collect();
    pages.iter_mut().for_each(|page| drop(read_now(page)));
    // The newest two have room, the others are asked for again.
    for key in [3, 2] {
        read_now(&mut open(&emitters, key));
    }
    assert_eq!(asked.load(SeqCst), 4);
    read_now(&mut open(&emitters, 0));
    assert_eq!(asked.load(SeqCst), 5);
}
