//! The state first, then what changes on any node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use sse_tower_core::{
    Emitters, EventStream, LastEventId, SseEvent,
    backplane::{Epoch, MemoryStore, Node},
};
use tokio::time::sleep;

use crate::{
    builder,
    common::{data, events, ids, next, read_all},
    node, none, settle,
};

fn with_state(node: &Node, unread: &Arc<AtomicU64>) -> Emitters<u64> {
    let unread = Arc::clone(unread);
    let state = move |_: u64| {
        let now = unread.load(SeqCst);
        async move {
            sleep(Duration::from_millis(5)).await;
            Ok::<_, std::io::Error>(
                SseEvent::builder().name("state").data(now.to_string()).build().unwrap(),
            )
        }
    };
    builder(node).snapshot(state).snapshot_age(Duration::ZERO).build()
}

/// Everything that comes within a second.
async fn read_a_while(stream: &mut EventStream) -> String {
    let mut text = String::new();
    while let Ok(Some(more)) = tokio::time::timeout(Duration::from_secs(1), next(stream)).await {
        text.push_str(&more);
    }
    text
}

#[tokio::test(start_paused = true)]
async fn on_every_node_the_state_comes_first_and_then_what_changes_anywhere() {
    let (store, unread) = (MemoryStore::new(), Arc::new(AtomicU64::new(0)));
    let [one, other] = [(); 2].map(|()| with_state(&node(&store), &unread));
    unread.store(1, SeqCst);
    one.send(&1, "1").await.unwrap();
    let mut page = other.connect(1, none()).into_stream();
    let text = read_a_while(&mut page).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["1".into()]));
    unread.store(2, SeqCst);
    one.send(&1, "2").await.unwrap();
    let text = read_a_while(&mut page).await;
    assert_eq!(data(&text), ["2"]);
    // It goes on at the other one, which gives it no snapshot.
    let last = LastEventId::read(ids(&text)[0].as_bytes());
    drop(page);
    unread.store(3, SeqCst);
    other.send(&1, "3").await.unwrap();
    let mut page = one.connect(1, last).into_stream();
    assert_eq!(data(&read_a_while(&mut page).await), ["3"]);
}

#[tokio::test(start_paused = true)]
async fn when_the_store_loses_its_past_clients_get_the_state_and_no_reset() {
    let (store, unread) = (MemoryStore::new(), Arc::new(AtomicU64::new(7)));
    let emitters = with_state(&node(&store), &unread);
    emitters.send(&1, "7").await.unwrap();
    let mut page = emitters.connect_many([1, 2], none()).into_stream();
    let text = read_a_while(&mut page).await;
    assert_eq!(events(&text), ["state"; 2]);
    let before = ids(&text).pop().unwrap();
    store.faults().new_epoch(Epoch::new(78));
    unread.store(8, SeqCst);
    let text = read_a_while(&mut page).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into(); 2], vec!["8".into(); 2]));
    let after = ids(&text).pop().unwrap();
    assert_ne!(before.split('.').nth(1), after.split('.').nth(1), "of the new epoch");
    // And whoever comes back from the old one gets the state too.
    let mut back = emitters.connect(1, LastEventId::read(before.as_bytes())).into_stream();
    assert_eq!(events(&read_a_while(&mut back).await), ["state"]);
}

#[tokio::test(start_paused = true)]
async fn a_complete_key_of_a_backplane_gives_its_state_and_the_end() {
    let (store, unread) = (MemoryStore::new(), Arc::new(AtomicU64::new(7)));
    let [one, other] = [(); 2].map(|()| with_state(&node(&store), &unread));
    one.send(&1, "7").await.unwrap();
    one.complete(&1);
    settle().await;
    let text = read_all(other.connect(1, none()).into_stream()).await;
    assert_eq!((events(&text), data(&text)), (vec!["state".into()], vec!["7".into()]));
    let seen = LastEventId::read(ids(&text)[0].as_bytes());
    let text = read_all(other.connect(1, seen).into_stream()).await;
    assert_eq!(events(&text).len(), usize::from(!text.is_empty()), "{text}");
}
