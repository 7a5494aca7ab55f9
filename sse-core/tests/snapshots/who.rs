//! Who gets a snapshot, and where it stands among the events.

use std::time::Duration;

use sse_tower_core::{Emitters, History, Lag, LastEventId};

use crate::{
    Site,
    common::{data, events, ids, read_now},
    fresh, open, shown,
};

#[tokio::test]
async fn a_first_visit_begins_with_the_state_and_goes_on_with_what_changes() {
    let site = Site::quick();
    let emitters = site.emitters();
    site.change(&emitters, 1);
    let mut page = open(&emitters, 1);
    let text = read_now(&mut page);
    assert_eq!((events(&text), data(&text)), (vec!["state".to_owned()], vec!["1".to_owned()]));
    assert_eq!(ids(&text), [emitters.position().as_str()]);
    site.change(&emitters, 1);
    assert_eq!(data(&read_now(&mut page)), ["2"]);
}

#[tokio::test]
async fn a_client_that_can_go_on_gets_no_snapshot() {
    let site = Site::quick();
    let emitters = site.emitters();
    let seen = site.change(&emitters, 1);
    site.change(&emitters, 1);
    let mut page = emitters.connect(1, seen.into()).into_stream();
    assert_eq!(data(&read_now(&mut page)), ["2"]);
    assert_eq!(site.asked(), 0);
}

#[tokio::test]
async fn the_id_of_a_snapshot_is_a_place_to_go_on_from() {
    let site = Site::quick();
    let emitters = site.emitters();
    let mut page = open(&emitters, 1);
    let id = ids(&read_now(&mut page)).pop().unwrap();
    drop(page);
    site.change(&emitters, 1);
    let last = LastEventId::read(id.as_bytes());
    let mut page = emitters.connect(1, last).into_stream();
    assert_eq!(data(&read_now(&mut page)), ["1"]);
    assert_eq!(site.asked(), 1);
}

#[tokio::test]
async fn whoever_cannot_go_on_gets_the_state_and_no_word_of_what_is_missing() {
    let foreign = Emitters::<u64>::new().position();
    let site = Site::quick();
    let emitters = site.builder().history(History::events(2)).snapshot_age(Duration::ZERO).build();
    let old = site.change(&emitters, 1);
    (0..9).for_each(|_| drop(site.change(&emitters, 1)));
    let lasts = [
        fresh(),
        old.into(),
        foreign.into(),
        LastEventId::read(b"unknown"),
        LastEventId::read(b"\xff"),
        LastEventId::earliest(),
    ];
    for last in lasts {
        let mut page = emitters.connect(1, last.clone()).into_stream();
        let text = read_now(&mut page);
        assert_eq!(
            (events(&text), data(&text)),
            (vec!["state".into()], vec!["10".into()]),
            "{last:?}"
        );
        assert_eq!(ids(&text), [emitters.position().as_str()], "{last:?}");
    }
}

#[tokio::test]
async fn from_the_beginning_is_no_snapshot_while_the_beginning_is_there() {
    let site = Site::quick();
    let emitters = site.emitters();
    site.change(&emitters, 1);
    let mut page = emitters.connect(1, LastEventId::earliest()).into_stream();
    assert_eq!(data(&read_now(&mut page)), ["1"]);
    assert_eq!(site.asked(), 0);
}

#[tokio::test]
async fn what_changes_while_the_state_is_read_comes_after_it() {
    // Once before the function reads, and once between its reading and its answer.
    for site in [Site::slow(), Site::slow_to_answer()] {
        let emitters = site.emitters();
        let mut page = open(&emitters, 1);
        assert_eq!(read_now(&mut page), ":\n");
        site.change(&emitters, 1);
        assert_eq!(read_now(&mut page), "");
        site.may_read.add_permits(1);
        site.may_answer.add_permits(1);
        let text = read_now(&mut page);
        assert_eq!(events(&text), ["state"]);
        assert!(text.starts_with("id:"), "{text}");
        assert_eq!(shown(&text), "1");
        assert_eq!(ids(&text).len(), 2);
    }
}

#[tokio::test]
async fn a_reader_that_was_overtaken_gets_the_state_instead_of_a_gap() {
    let site = Site::quick();
    let emitters = site.builder().history(History::none()).backlog(2, 1 << 20).build();
    let mut page = open(&emitters, 1);
    read_now(&mut page);
    (0..5).for_each(|_| drop(site.change(&emitters, 1)));
    let text = read_now(&mut page);
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["5".into()]));
    site.change(&emitters, 1);
    assert_eq!(data(&read_now(&mut page)), ["6"]);
}

#[tokio::test]
async fn one_that_is_overtaken_while_it_waits_is_renewed_once_more() {
    let site = Site::slow();
    let emitters = site.builder().history(History::none()).backlog(2, 1 << 20).build();
    let mut page = open(&emitters, 1);
    read_now(&mut page);
    (0..5).for_each(|_| drop(site.change(&emitters, 1)));
    site.may_read.add_permits(9);
    let text = read_now(&mut page);
    assert_eq!(events(&text), ["state", "state"]);
    assert_eq!(shown(&text), "5");
    assert_eq!(ids(&text).pop().unwrap(), emitters.position().as_str());
}

#[tokio::test]
async fn another_policy_for_slow_readers_can_be_asked_for() {
    let site = Site::quick();
    let builder = site.builder().history(History::none()).backlog(2, 1 << 20);
    let emitters = builder.lag(Lag::Gap).build();
    let mut page = open(&emitters, 1);
    read_now(&mut page);
    (0..5).for_each(|_| drop(site.change(&emitters, 1)));
    let text = read_now(&mut page);
    assert_eq!((events(&text), shown(&text)), (vec!["stream-gap".into()], "5".into()));
}

#[tokio::test]
async fn without_a_snapshot_a_slow_reader_that_would_get_one_is_told_of_the_gap() {
    let emitters: Emitters<u64> =
        Emitters::builder().history(History::none()).backlog(2, 1 << 20).lag(Lag::Snapshot).build();
    let mut page = open(&emitters, 1);
    read_now(&mut page);
    (0..5).for_each(|n| drop(emitters.send(&1, n.to_string())));
    assert_eq!(events(&read_now(&mut page)), ["stream-gap"]);
}
