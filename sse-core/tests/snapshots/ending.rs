//! Keys and streams that end while the state is read.

use sse_tower_core::{CloseReason, History, LastEventId, StreamHandle, bye};

use crate::{
    Site,
    common::{data, events, ids, read_all, read_now},
    fresh, open,
};

#[tokio::test]
async fn a_stream_that_a_drain_ends_while_its_reader_is_behind_says_where_it_was() {
    let site = Site::quick();
    let emitters = site.builder().history(History::none()).backlog(2, 1 << 20).build();
    let emitter = emitters.connect(1, fresh());
    let control = emitter.control();
    let mut page = emitter.into_stream();
    let place = ids(&read_now(&mut page)).pop().unwrap();
    site.may_read.forget_permits(usize::MAX >> 4);
    (0..5).for_each(|_| drop(site.change(&emitters, 1)));
    assert_eq!(read_now(&mut page), "");
    control.end(CloseReason::Drained, Some(bye(CloseReason::Drained, None)));
    let text = read_now(&mut page);
    assert_eq!((events(&text), ids(&text)), (vec!["stream-bye".into()], vec![place]));
}

#[tokio::test]
async fn a_key_that_is_complete_gives_its_state_and_the_end_and_then_nothing() {
    let site = Site::quick();
    let emitters = site.emitters();
    site.change(&emitters, 1);
    emitters.complete(&1);
    let text = read_all(open(&emitters, 1)).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["1".into()]));
    let last = LastEventId::read(ids(&text)[0].as_bytes());
    let again = emitters.connect(1, last);
    assert_eq!(again.control().is_no_content_now(), Some(false));
    assert_eq!(read_all(again.into_stream()).await, "", "and the response has no content");
}

#[tokio::test]
async fn a_key_that_is_completed_while_its_state_is_read_gives_it_before_the_end() {
    let site = Site::slow();
    let emitters = site.emitters();
    let mut page = open(&emitters, 1);
    read_now(&mut page);
    site.change(&emitters, 1);
    emitters.complete(&1);
    assert_eq!(read_now(&mut page), "");
    site.may_read.add_permits(1);
    let text = read_all(page).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["1".into(), "1".into()]));
}
