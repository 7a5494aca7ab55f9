//! The state first, then what changes: who gets a snapshot, where it stands, and who makes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use common::{data, events, ids, next, read_all, read_now};
use sse_tower_core::{
    CloseReason, Emitters, EmittersBuilder, EventId, EventStream, History, Lag, LastEventId,
    Second, SseEmitter, SseEvent, StreamHandle, bye,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

type Error = std::io::Error;

/// What a page shows, and how often it was asked for. Reading it waits until it may.
#[derive(Clone)]
struct Site {
    unread: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
    may_read: Arc<Semaphore>,
    /// What was read before that is let through after it.
    may_answer: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

/// Runs as long as this is there.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Site {
    /// One whose state is read at once.
    fn quick() -> Self {
        Self {
            unread: Arc::new(AtomicU64::new(0)),
            asked: Arc::default(),
            may_read: Arc::new(Semaphore::new(1 << 20)),
            may_answer: Arc::new(Semaphore::new(1 << 20)),
            running: Arc::default(),
        }
    }

    /// One that waits before it reads.
    fn slow() -> Self {
        Self { may_read: Arc::new(Semaphore::new(0)), ..Self::quick() }
    }

    /// One that waits between its reading and its answer.
    fn slow_to_answer() -> Self {
        Self { may_answer: Arc::new(Semaphore::new(0)), ..Self::quick() }
    }

    async fn state(self) -> Result<SseEvent, Error> {
        self.asked.fetch_add(1, SeqCst);
        self.running.fetch_add(1, SeqCst);
        let _running = Running(Arc::clone(&self.running));
        self.may_read.acquire().await.unwrap().forget();
        let unread = self.unread.load(SeqCst);
        self.may_answer.acquire().await.unwrap().forget();
        Ok(SseEvent::builder().name("state").data(unread.to_string()).build().unwrap())
    }

    fn builder(&self) -> EmittersBuilder<u64> {
        let site = self.clone();
        Emitters::builder().without_keep_alive().snapshot(move |_: u64| site.clone().state())
    }

    fn emitters(&self) -> Emitters<u64> {
        self.builder().build()
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// The state changes, and whoever looks at it is told.
    fn change(&self, emitters: &Emitters<u64>, key: u64) -> EventId {
        let unread = self.unread.fetch_add(1, SeqCst) + 1;
        let mut sent = tokio_test::task::spawn(emitters.send(&key, unread.to_string()));
        let Poll::Ready(sent) = sent.poll() else { panic!("it is not sent at once") };
        sent.unwrap().id
    }
}

fn fresh() -> LastEventId {
    LastEventId::default()
}

fn open(emitters: &Emitters<u64>, key: u64) -> EventStream {
    emitters.connect(key, fresh()).into_stream()
}

/// As a page sees it: the last of everything, whatever its name.
fn shown(text: &str) -> String {
    data(text).pop().unwrap()
}

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

#[tokio::test]
async fn what_is_ready_is_said_after_the_state() {
    let site = Site::quick();
    let emitters = site.builder().ready_event().build();
    let text = read_now(&mut open(&emitters, 1));
    assert_eq!(events(&text), ["state", "stream-ready"]);
    assert!(text.contains("\"complete\":true"), "{text}");
}

#[tokio::test]
async fn an_emitter_that_follows_a_key_later_gets_its_state_before_it_reads_on() {
    let site = Site::quick();
    let emitters = site.emitters();
    let emitter = SseEmitter::new();
    emitter.try_send("own").unwrap();
    emitters.insert(1, &emitter);
    let mut page = emitter.clone().into_stream();
    assert_eq!(data(&read_now(&mut page)), ["0", "own"]);
    emitters.insert(2, &emitter);
    site.change(&emitters, 1);
    assert_eq!(data(&read_now(&mut page)), ["1", "1"]);
}

#[tokio::test]
async fn a_snapshot_has_the_place_as_its_id_whatever_id_the_program_gave_it() {
    let state =
        |_: u64| async { Ok::<_, Error>(SseEvent::builder().id("own").data("x").build().unwrap()) };
    let emitters: Emitters<u64> = Emitters::builder().snapshot(state).build();
    let text = read_now(&mut open(&emitters, 1));
    assert_eq!(ids(&text), [emitters.position().as_str()]);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_is_kept_alive() {
    let site = Site::slow();
    let emitters = site.builder().keep_alive(Duration::from_secs(1)).build();
    let mut page = open(&emitters, 1);
    assert_eq!(next(&mut page).await.unwrap(), ":\n");
    assert_eq!(next(&mut page).await.unwrap(), ":\n");
    let permits = Arc::clone(&site.may_read);
    tokio::spawn(async move {
        sleep(Duration::from_millis(300)).await;
        permits.add_permits(1);
    });
    loop {
        let text = next(&mut page).await.unwrap();
        if text != ":\n" {
            assert_eq!(events(&text), ["state"]);
            break;
        }
    }
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

#[tokio::test]
async fn a_function_may_use_the_emitters_that_it_is_asked_for() {
    let told = Arc::new(AtomicBool::new(false));
    let cell: Arc<std::sync::OnceLock<Emitters<u64>>> = Arc::default();
    let (inner, said) = (Arc::clone(&cell), Arc::clone(&told));
    let state = move |key: u64| {
        let (inner, said) = (Arc::clone(&inner), Arc::clone(&said));
        async move {
            let emitters = inner.get().unwrap();
            emitters.send(&key, "while it is read").await.unwrap();
            said.store(true, SeqCst);
            Ok::<_, Error>(format!("{}", emitters.len()))
        }
    };
    let emitters: Emitters<u64> = Emitters::builder().snapshot(state).build();
    cell.set(emitters.clone()).unwrap();
    assert_eq!(data(&read_now(&mut open(&emitters, 1))), ["1", "while it is read"]);
    assert!(told.load(SeqCst));
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_the_later_of_two_states_does_not_look_all_the_time() {
    let times = [Duration::from_secs(4), Duration::from_secs(6)];
    let state = move |key: u64| async move {
        sleep(times[usize::try_from(key).unwrap()]).await;
        Ok::<_, Error>("state")
    };
    let builder = Emitters::builder().without_keep_alive().snapshot(state);
    let emitters: Emitters<u64> = builder.snapshot_timeout(Duration::from_secs(7)).build();
    let early = tokio::spawn(read_all(open(&emitters, 0)));
    sleep(Duration::from_millis(2_500)).await;
    let mut page = emitters.connect_many([0, 1], fresh()).into_stream();
    let text = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let text = next(&mut page).await.unwrap();
            if text != ":\n" {
                return text;
            }
        }
    });
    assert_eq!(data(&text.await.unwrap()), ["state"; 2]);
    early.abort();
}
