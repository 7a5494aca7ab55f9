//! What a stream does while it waits for the state.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use sse_tower_core::{Emitters, SseEmitter, SseEvent};
use tokio::time::sleep;

use crate::{
    Error, Site,
    common::{data, events, ids, next, read_all, read_now},
    fresh, open,
};

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
