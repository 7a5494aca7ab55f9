//! Several keys, and what depends on who asks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use sse_tower_core::{Emitters, History, LastEventId, Second};

use crate::{
    Error, Site,
    common::{data, events, ids, read_all, read_now},
    fresh, open, shown,
};

#[tokio::test]
async fn of_several_keys_all_states_come_first_and_one_id_with_the_last() {
    let site = Site::slow();
    let emitters = site.emitters();
    let mut page = emitters.connect_many([1, 2, 3], fresh()).into_stream();
    read_now(&mut page);
    site.may_read.add_permits(2);
    site.change(&emitters, 2);
    assert_eq!(read_now(&mut page), "", "two states of three");
    site.may_read.add_permits(1);
    let text = read_now(&mut page);
    assert_eq!(events(&text), ["state"; 3]);
    let all_ids = ids(&text);
    assert_eq!(all_ids.len(), 2, "{text}");
    let before_id = &text[..text.find("id:").unwrap()];
    assert_eq!(events(before_id).len(), 2);
    assert_eq!(site.asked(), 3);

    // From the id of the states nothing is missing at any of the keys.
    drop(page);
    let last = LastEventId::read(all_ids[0].as_bytes());
    let mut page = emitters.connect_many([1, 2, 3], last).into_stream();
    let text = read_now(&mut page);
    assert_eq!((events(&text), shown(&text)), (vec![], "1".into()));
}

#[tokio::test]
async fn a_client_of_several_keys_that_cannot_go_on_at_one_of_them_gets_the_state_of_all() {
    let site = Site::quick();
    let emitters = site.builder().history(History::events(2)).build();
    let old = site.change(&emitters, 1);
    site.change(&emitters, 2);
    (0..5).for_each(|_| drop(site.change(&emitters, 1)));
    let mut page = emitters.connect_many([1, 2], old.into()).into_stream();
    assert_eq!(events(&read_now(&mut page)), ["state"; 2]);
}

#[tokio::test]
async fn one_of_several_keys_that_is_overtaken_holds_up_the_others_until_its_state_is_there() {
    let site = Site::quick();
    let emitters = site.builder().history(History::none()).backlog(2, 1 << 20).build();
    let mut page = emitters.connect_many([1, 2], fresh()).into_stream();
    let place = ids(&read_now(&mut page)).pop().unwrap();
    site.may_read.forget_permits(usize::MAX >> 4);
    site.change(&emitters, 2);
    (0..5).for_each(|_| drop(site.change(&emitters, 1)));
    assert_eq!(read_now(&mut page), "");
    site.may_read.add_permits(1);
    let text = read_now(&mut page);
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["6".into(), "1".into()]));
    assert_eq!(ids(&text)[0], place, "the other key is still there");
}

#[tokio::test]
async fn what_depends_on_who_asks_is_asked_for_by_each_connection() {
    let emitters = Emitters::<u64>::builder().without_keep_alive().build();
    let asked = Arc::new(AtomicUsize::new(0));
    for user in ["alice", "bob"] {
        let asked = Arc::clone(&asked);
        let state = move || {
            asked.fetch_add(1, SeqCst);
            async move { Ok::<_, Error>(format!("for {user}")) }
        };
        let mut page = emitters.connect_with(1, fresh(), state).into_stream();
        assert_eq!(data(&read_now(&mut page)), [format!("for {user}")]);
    }
    assert_eq!(asked.load(SeqCst), 2);
    let state = |key: u64| async move { Ok::<_, Error>(format!("of {key}")) };
    let mut page = emitters.connect_many_with([1, 2], fresh(), state).into_stream();
    let mut all = data(&read_now(&mut page));
    all.sort();
    assert_eq!(all, ["of 1", "of 2"]);
}

#[tokio::test]
async fn of_two_at_a_key_for_one_the_second_gets_the_state_and_the_first_the_end() {
    let site = Site::slow();
    let emitters = site.builder().one_per_key(Second::Replaces).build();
    let mut first = open(&emitters, 1);
    read_now(&mut first);
    let mut second = open(&emitters, 1);
    read_now(&mut second);
    assert_eq!(events(&read_all(first).await), ["stream-bye"]);
    site.may_read.add_permits(1);
    assert_eq!(events(&read_now(&mut second)), ["state"]);
    assert_eq!(site.asked(), 1);
}
