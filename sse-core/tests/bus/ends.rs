//! How a listener may end.

use futures_util::StreamExt as _;
use sse_tower_core::{ApplicationContext, Emitters, LastEventId, SseEvent};

use crate::Paid;

#[tokio::test]
async fn a_closure_that_sends_into_a_channel_makes_a_stream() {
    let (send, mut receive) = tokio::sync::mpsc::channel(4);
    let context = ApplicationContext::bare().build().unwrap();
    let subscription = context.on(move |paid: &Paid| send.try_send(paid.0));
    context.publish_event(Paid(1)).await.unwrap();
    context.publish_event(Paid(2)).await.unwrap();
    drop(subscription);
    let mut received = Vec::new();
    while let Some(amount) = receive.recv().await {
        received.push(amount);
    }
    assert_eq!(received, [1, 2], "and the stream ends with its subscription");
}

#[tokio::test]
async fn a_listener_may_end_with_a_send() {
    let (context, pages) = (ApplicationContext::bare().build().unwrap(), Emitters::<u64>::new());
    let page = pages.clone();
    context.on(move |paid: &Paid| page.send(&paid.0, "paid")).forever();
    assert_eq!(context.publish_event(Paid(7)).await.unwrap().ran(), 1);
    let mut stream = pages.connect(7, LastEventId::default()).into_stream();
    assert!(stream.next().await.unwrap().starts_with(b"data:paid\n"));

    // A callback that comes twice is no failure: whoever called would come a third time.
    pages.complete(&7);
    context.publish_event(Paid(7)).await.unwrap();
}

#[tokio::test]
async fn a_send_of_what_is_no_event_fails_its_listener() {
    let (context, pages) = (ApplicationContext::bare().build().unwrap(), Emitters::<u64>::new());
    let send = move |paid: &Paid| pages.send(&paid.0, SseEvent::builder().name("two\nlines"));
    context.on(send).forever();
    let error = context.publish_event(Paid(7)).await.unwrap_err();
    assert_eq!(error.failures().len(), 1);
}
