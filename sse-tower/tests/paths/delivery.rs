//! What comes out, in which order.

use std::future::IntoFuture;

use crate::{Path, common::Wire, on_both};
use sse_tower::{Emitters, History, Lag, SocketListener};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};

/// Connections that take any amount at once.
struct Within(mpsc::Receiver<DuplexStream>);

impl SocketListener for Within {
    type Io = DuplexStream;
    type Peer = ();

    async fn accept(&mut self) -> std::io::Result<(DuplexStream, ())> {
        match self.0.recv().await {
            Some(connection) => Ok((connection, ())),
            None => std::future::pending().await,
        }
    }
}

on_both! {
    async fn events_come_as_chunks_in_order(path) {
        let app = path.start().await;
        let mut client = app.open(1).await;
        for n in 0..50 {
            app.send(1, &format!("event{n}")).await;
            if n % 7 == 0 {
                client.until(&format!("data:event{n}\n")).await;
            }
        }
        let got = client.until("data:event49\n").await;
        let body = got.split("\r\n\r\n").nth(1).unwrap();
        let order: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        assert_eq!(order, (0..50).map(|n| format!("event{n}")).collect::<Vec<_>>());
        assert_eq!(app.emitters.len(), 1);
    }
}

on_both! {
    async fn what_waits_for_the_stream_comes_with_its_head_and_the_rest_later(path) {
        let app = path.start().await;
        app.send(1, "before").await;
        let mut client = app.open(1).await;
        client.until("data:before\n").await;
        app.send(1, "after").await;
        client.until("data:after\n").await;
    }
}

on_both! {
    async fn a_client_that_comes_back_gets_what_it_missed_once(path) {
        let app = path.start().await;
        let mut client = app.open(1).await;
        app.send(1, "seen").await;
        let got = client.until("\n\n").await;
        let id = got.lines().find_map(|line| line.strip_prefix("id:")).unwrap().to_owned();
        drop(client);
        crate::common::open(&app.context, 0).await;
        app.send(1, "missed").await;
        let mut client = app.open_with(1, &format!("Last-Event-ID: {id}\r\n")).await;
        app.send(1, "live").await;
        let got = client.until("data:live\n").await;
        assert_eq!(got.matches("data:missed\n").count(), 1);
        assert!(!got.contains("data:seen"), "{got}");
    }
}

on_both! {
    async fn large_events_reach_a_client_that_reads_slowly_whole(path) {
        let emitters = Emitters::builder().backlog(10, 10 << 20).build();
        let app = path.start_with(emitters, |r| r, |l| l, |s| s).await;
        let mut client = app.open(1).await;
        for letter in ["a", "b", "c", "d"] {
            app.send(1, &letter.repeat(700_000)).await;
        }
        app.emitters.complete(&1);
        let got = client.at_body_end().await;
        let (_, body) = got.split_once("\r\n\r\n").unwrap();
        let mut body = body;
        let mut all = String::new();
        while let Some((size, rest)) = body.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            all.push_str(&rest[..size]);
            body = rest[size..].strip_prefix("\r\n").unwrap();
            if size == 0 {
                break;
            }
        }
        for letter in ["a", "b", "c", "d"] {
            assert!(all.contains(&format!("data:{}\n", letter.repeat(700_000))));
        }
    }
}

on_both! {
    async fn a_client_that_stopped_reading_is_told_what_it_missed(path) {
        let history = History::events(10);
        let emitters = Emitters::builder().history(history).lag(Lag::Gap).backlog(20, 1 << 20);
        let app = path.start_with(emitters.build(), |r| r, |l| l, |s| s).await;
        let mut client = app.open(1).await;
        // More than both kernels take.
        for n in 0..300 {
            app.send(1, &format!("{n}:{}", "x".repeat(50_000))).await;
            tokio::task::yield_now().await;
        }
        app.send(1, "last").await;
        let got = client.until("data:last\n").await;
        let gap = got.split("event:stream-gap\ndata:").nth(1).expect("it was told");
        assert!(gap.starts_with("{\"reason\":\"lagged\",\"missed\":"), "{}", &gap[..60]);
        let numbers = got.split("data:").filter_map(|event| event.split_once(':')?.0.parse().ok());
        let numbers: Vec<u32> = numbers.collect();
        assert!(numbers.is_sorted() && numbers.len() < 300, "{numbers:?}");
        assert_eq!(numbers.last(), Some(&299));
    }
}

on_both! {
    async fn a_client_that_stopped_reading_is_closed_where_that_is_the_policy(path) {
        let history = History::events(10);
        let emitters = Emitters::builder().history(history).lag(Lag::Close).backlog(20, 1 << 20);
        let app = path.start_with(emitters.build(), |r| r, |l| l, |s| s).await;
        let mut client = app.open(1).await;
        for _ in 0..300 {
            app.send(1, &"x".repeat(50_000)).await;
            tokio::task::yield_now().await;
        }
        client.at_body_end().await;
        assert!(client.got.contains("event:stream-bye\ndata:{\"reason\":\"lagged\"}\n"));
        crate::common::open(&app.context, 0).await;
    }
}

on_both! {
    async fn many_readers_all_get_everything_in_order(path) {
        let app = path.start().await;
        let mut clients = Vec::new();
        // More than whoever publishes wakes by itself.
        for _ in 0..300 {
            clients.push(app.open(1).await);
        }
        for n in 0..20 {
            app.send(1, &format!("event{n}")).await;
            if n % 5 == 0 {
                tokio::task::yield_now().await;
            }
        }
        for client in &mut clients {
            let got = client.until("data:event19\n").await;
            let order: Vec<_> = got.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            assert_eq!(order, (0..20).map(|n| format!("event{n}")).collect::<Vec<_>>());
        }
    }
}

on_both! {
    async fn silence_is_broken_by_comments_between_events(path) {
        let keep_alive = std::time::Duration::from_millis(40);
        let app = path.start_with(Emitters::new(), |r| r, |l| l.keep_alive(keep_alive), |s| s).await;
        let mut client = app.open(1).await;
        client.until("2\r\n:\n\r\n2\r\n:\n\r\n").await;
        app.send(1, "event").await;
        client.until("data:event\n").await;
        client.got.clear();
        client.until("2\r\n:\n\r\n").await;
    }
}

#[tokio::test]
async fn both_ways_write_the_same_bytes() {
    let mut all = Vec::new();
    for path in [Path::Http, Path::Direct] {
        let app = path.start().await;
        let mut client = app.open(1).await;
        for data in ["支付成功", "two\nlines", ""] {
            let event = sse_tower::SseEvent::builder().name("n").id("7").data(data);
            app.emitters.send(&1, event).await.unwrap();
            client.until(&format!("data:{}", data.lines().last().unwrap_or_default())).await;
            client.until("\n\n\r\n").await;
        }
        app.emitters.complete(&1);
        let got = client.at_body_end().await;
        let lines = got.split("\r\n").filter(|line| !line.starts_with("date: "));
        all.push(lines.map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(all[0], all[1]);
}

#[tokio::test]
async fn the_last_event_and_the_end_are_one_write() {
    let app = Path::Direct.start().await;
    let mut client = app.open(1).await;
    app.send(1, "first").await;
    client.until("data:first\n").await;
    let mut second = Wire::get(app.server.address, "/events?key=2", "").await;
    second.until("\r\n\r\n").await;
    drop(app.emitters.send(&2, "last"));
    app.emitters.complete(&2);
    let got = second.at_body_end().await;
    assert!(got.ends_with("\n\n\r\n0\r\n\r\n"), "{got}");
}

on_both! {
    async fn a_stream_that_has_much_to_say_says_all_of_it_at_once(path) {
        // Without comments, which would wake it in the end.
        let emitters =
            Emitters::<u64>::builder().backlog(100, 10 << 20).without_keep_alive().build();
        let streams = emitters.clone();
        let app = axum::Router::new()
            .route("/events", axum::routing::get(|| async move { streams.connect(1, Default::default()) }))
            .layer(sse_tower::SseLayer::new(crate::common::context()));
        let (connect, connections) = mpsc::channel(1);
        let server = sse_tower::serve(Within(connections), app, crate::common::context())
            .direct(path == Path::Direct)
            .with_graceful_shutdown(std::future::pending());
        let server = tokio::spawn(server.into_future());
        let (mut client, io) = duplex(16 << 20);
        connect.send(io).await.unwrap();
        client.write_all(b"GET /events HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        crate::until(|| emitters.len() == 1).await;
        // More than one turn's worth, each too large to go with another.
        for n in 0..40 {
            emitters.send(&1, format!("{n}:{}", "x".repeat(100_000))).await.unwrap();
        }
        let read = async {
            let mut got = Vec::new();
            while got.len() < 40 * 100_000 || !got.windows(4).any(|w| w == b"39:x") {
                assert!(client.read_buf(&mut got).await.unwrap() > 0);
            }
        };
        tokio::time::timeout(crate::common::PATIENCE, read).await.expect("all of it came");
        server.abort();
    }
}

on_both! {
    async fn a_large_event_that_waits_for_its_client_is_written_before_what_comes_later(path) {
        let history = History::events(10).bytes(2 << 20);
        let emitters = Emitters::builder().history(history).backlog(10, 2 << 20).build();
        let app = path.start_with(emitters, |r| r, |l| l, |s| s.buffer_bytes(4 << 20)).await;
        app.send(1, &"x".repeat(900_000)).await;
        let mut client = Wire::get(app.server.address, "/events?key=1", "").await;
        crate::until(|| app.emitters.len() == 1).await;
        // The kernels are full now, and the stream waits for what comes.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        app.send(1, "later").await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let got = client.until("data:later\n").await;
        assert!(got.contains(&format!("data:{}\nid:", "x".repeat(900_000))));
    }
}
