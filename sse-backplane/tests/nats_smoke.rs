#![cfg(feature = "nats")]
use std::{sync::{Arc, Mutex}, time::Duration};
use sse_tower_core::backplane::*;

fn event(topic: &str, body: &str) -> Entry {
    Entry { topic: Topic::new(topic).unwrap(), change: Change::Event { body: body.to_owned().into(), once: None }, keep: Keep { events: 10, bytes: 1 << 20, age: Duration::from_secs(60) } }
}

#[tokio::test]
async fn smoke() {
    let server = engine_servers::Nats::start().await.unwrap();
    let a = sse_tower_backplane::nats::connect(&server.url(), "shop").await.unwrap();
    let b = sse_tower_backplane::nats::connect(&server.url(), "shop").await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    a.start(Feed::new(|_| {})).await.unwrap();
    b.start(Feed::new({ let heard = heard.clone(); move |item| heard.lock().unwrap().push(item) })).await.unwrap();
    b.follow(vec![Topic::new("t").unwrap()]).await.unwrap();
    let node = NodeId::random();
    let began = std::time::Instant::now();
    for number in 1..=1000 {
        let answers = a.append(Batch { node, number, entries: Arc::new([event("t", "x")]) }).await.unwrap();
        assert!(matches!(answers[..], [Answer::Stored(_)]));
    }
    eprintln!("1000 appends one after the other {:?}", began.elapsed());
    b.mark().await.unwrap();
    let heard = heard.lock().unwrap();
    let records: usize = heard.iter().map(|item| match item { FeedItem::Records { records, .. } => records.len(), _ => 0 }).sum();
    assert_eq!(records, 1000);
    assert!(matches!(heard.last(), Some(FeedItem::Mark(_))));
}
