//! What is stored in the program's own transaction, with a database that is a list.

use std::{
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use sse_tower_core::{
    ApplicationContext, Emitters, EventMeta, Listener,
    backplane::{
        Batch, EngineFuture, Entry, Feed, MemoryStore, NodeId, OnceIn, StoreIn, StoreInError,
    },
};

use super::site::{Handled, Paid, Process, notes, seconds};

/// A driver.
enum Paper {}

/// A transaction: what would be stored, and what is remembered.
#[derive(Default)]
struct Sheet {
    entries: Vec<Entry>,
    remembered: Arc<Mutex<Vec<(String, u128)>>>,
}

impl StoreIn<Paper> for Sheet {
    fn store<'a>(&'a mut self, namespace: &'a str, entries: &'a [Entry]) -> EngineFuture<'a, ()> {
        assert_eq!(namespace, "sse");
        self.entries.extend_from_slice(entries);
        Box::pin(ready(Ok(())))
    }
}

impl OnceIn<Paper> for Sheet {
    fn once<'a>(
        &'a mut self,
        _: &'a str,
        listener: &'a str,
        event: u128,
    ) -> EngineFuture<'a, bool> {
        let mut remembered = self.remembered.lock().unwrap();
        let new = !remembered.iter().any(|it| it.0 == listener && it.1 == event);
        if new {
            remembered.push((listener.to_owned(), event));
        }
        Box::pin(ready(Ok(new)))
    }
}

/// What the mover of a database does after the commit.
async fn commit(store: &MemoryStore, sheet: Sheet) {
    use sse_tower_core::backplane::Engine;
    let engine = store.engine();
    engine.start(Feed::new(|_| {})).await.unwrap();
    let (node, entries) = (NodeId::random(), sheet.entries.into());
    engine.append(Batch { node, number: 1, entries }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_with_its_row_is_delivered_once_and_a_rollback_leaves_nothing() {
    let (store, handled) = (MemoryStore::new(), Handled::default());
    let here = Process::start(&store, vec![notes(&handled, Duration::ZERO).into()]);
    let mut sheet = Sheet::default();
    let events = here.context.transaction();
    events.publish_event(Paid { order: 1 });
    events.store_in(&mut sheet).await.unwrap();
    events.store_in(&mut sheet).await.unwrap(); // nothing is left to store
    assert_eq!(sheet.entries.len(), 1);
    commit(&store, sheet).await;
    events.commit().await.unwrap();

    let rolled_back = here.context.transaction();
    rolled_back.publish_event(Paid { order: 2 });
    rolled_back.store_in(&mut Sheet::default()).await.unwrap();
    rolled_back.rollback().await.unwrap();
    tokio::time::sleep(seconds(30)).await;
    assert_eq!((handled.orders(), handled.repeated()), (vec![1], 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_backplane_there_is_nothing_to_store_in() {
    let handled = Handled::default();
    let context =
        ApplicationContext::bare().listener(notes(&handled, Duration::ZERO)).build().unwrap();
    let events = context.transaction();
    events.publish_event(Paid { order: 1 });
    let refused = events.store_in(&mut Sheet::default()).await.unwrap_err();
    assert!(matches!(refused, StoreInError::NoBackplane));
    let sent = Emitters::<u64>::new().send_in(&mut Sheet::default(), &1, "paid").await;
    assert!(matches!(sent, Err(StoreInError::NoBackplane)));
}

#[tokio::test(start_paused = true)]
async fn an_effect_in_the_same_database_happens_once_although_the_listener_runs_twice() {
    let (store, effects, remembered) = (MemoryStore::new(), Handled::default(), Arc::default());
    let listener = {
        let effects = effects.clone();
        Listener::on_async_with_meta(move |paid: Arc<Paid>, meta: EventMeta| {
            let remembered: Arc<Mutex<Vec<(String, u128)>>> = Arc::clone(&remembered);
            let effects = effects.clone();
            async move {
                let mut sheet = Sheet { remembered, ..Sheet::default() };
                if meta.once_in(&mut sheet).await.unwrap() {
                    effects.note(paid.order);
                }
                if meta.attempt() == 1 { Err("after the commit") } else { Ok(()) }
            }
        })
    };
    let here = Process::start(&store, vec![listener.durable().id("ledger").into()]);
    here.publish([1, 2]).await;
    here.done("ledger", seconds(60)).await;
    assert_eq!((effects.count(), effects.repeated()), (2, 0));
}
