//! `feed`: events with numbers of their own, and nothing missed.

use futures_util::future::try_join_all;
use sse_tower_tests::{EventText, Program, Result, Stream, eventually, request};

fn event(n: u64) -> String {
    format!("data:data{n}\nid:{n}\nretry:3000\n\n")
}

async fn after(feed: &Program, last: &str) -> Result<Stream> {
    Stream::open_with(feed, "/test/sse", &[("last-event-id", last)]).await
}

async fn start(options: &[&str]) -> Result<Program> {
    Program::start_with("feed", options).await
}

#[tokio::test]
async fn events_are_numbered_from_one_in_the_bytes_of_the_post() -> Result {
    let feed = start(&["--every", "10ms"]).await?;
    let mut stream = Stream::open(&feed, "/test/sse").await?;
    for n in 1..=20 {
        assert_eq!(stream.event().await?, event(n));
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_comes_back_gets_all_that_it_missed_in_order_once() -> Result {
    let feed = start(&["--every", "10ms"]).await?;
    let mut first = Stream::open(&feed, "/test/sse").await?;
    for n in 1..=12 {
        assert_eq!(first.event().await?, event(n));
    }
    // Behind, at any distance; and at the newest, where nothing comes twice.
    for last in [1, 6, 11, 12] {
        let mut again = after(&feed, &last.to_string()).await?;
        for n in last + 1..=last + 15 {
            assert_eq!(again.event().await?, event(n), "after {last}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn it_goes_on_while_nobody_is_connected() -> Result {
    let feed = start(&["--every", "10ms"]).await?;
    assert_eq!(Stream::open(&feed, "/test/sse").await?.event().await?, event(1));
    eventually("several events that were made while nobody was there", async || {
        let mut stream = after(&feed, "1").await?;
        assert_eq!(stream.event().await?, event(2));
        let waiting = stream.events_at_hand();
        Ok(if waiting >= 5 { Ok(()) } else { Err(format!("{waiting} at hand")) })
    })
    .await
}

#[tokio::test]
async fn across_many_timeouts_nothing_is_missed_and_nothing_comes_twice() -> Result {
    let feed = start(&["--every", "7ms", "--timeout", "50ms"]).await?;
    let (mut last, mut dials) = (0, 0);
    while last < 60 {
        let mut stream = match last {
            0 => Stream::open(&feed, "/test/sse").await?,
            last => after(&feed, &last.to_string()).await?,
        };
        dials += 1;
        // Each life ends properly, whether something was sent in it or not.
        for got in stream.rest_of_its_time().await? {
            last += 1;
            assert_eq!(got, event(last));
        }
    }
    assert!(dials > 3, "{dials}");
    Ok(())
}

#[tokio::test]
async fn an_id_that_means_nothing_is_a_reset_then_everything_new() -> Result {
    let feed = start(&["--every", "10ms"]).await?;
    let far = Stream::open(&feed, "/test/sse").await?.event().await?;
    assert_eq!(far, event(1));
    for junk in ["999999", "-1", "x", "1.5.7", "%00", "支付"] {
        let mut stream = after(&feed, junk).await?;
        let reset = stream.event().await?;
        assert_eq!(reset.field("event"), Some("stream-reset"), "{junk}: {reset:?}");
        let live = stream.event().await?;
        let n: u64 = live.field("id").ok_or("no id")?.parse()?;
        assert_eq!(live, event(n));
        assert_eq!(stream.event().await?, event(n + 1));
    }
    Ok(())
}

#[tokio::test]
async fn any_number_of_clients_get_the_same() -> Result {
    let feed = start(&["--every", "10ms"]).await?;
    let open = (0..100).map(|_| Stream::open(&feed, "/test/sse"));
    for stream in &mut try_join_all(open).await? {
        for n in 1..=10 {
            assert_eq!(stream.event().await?, event(n));
        }
    }
    Ok(())
}

#[tokio::test]
async fn clients_that_left_are_let_go() -> Result {
    let feed = start(&["--every", "60m"]).await?;
    let open = (0..20).map(|_| Stream::open(&feed, "/test/sse"));
    drop(try_join_all(open).await?);
    eventually("the sockets of those who left are closed", async || {
        let open = feed.connections()?;
        Ok(if open == 0 { Ok(()) } else { Err(format!("{open} are open")) })
    })
    .await
}

#[tokio::test]
async fn the_page_at_port_8080_may_read_with_credentials_and_no_other_page_may() -> Result {
    let feed = start(&[]).await?;
    let allowed = ("origin", "http://localhost:8080");
    let stream = Stream::open_with(&feed, "/test/sse", &[allowed]).await?;
    let header = |name| stream.head.header(name);
    assert_eq!(header("access-control-allow-origin").as_deref(), Some("http://localhost:8080"));
    assert_eq!(header("access-control-allow-credentials").as_deref(), Some("true"));
    assert!(header("vary").is_some_and(|vary| vary.contains("origin")), "{:?}", stream.head);
    let other = ("origin", "http://evil.example");
    let stream = Stream::open_with(&feed, "/test/sse", &[other]).await?;
    assert_eq!(stream.head.header("access-control-allow-origin"), None);
    Ok(())
}

#[tokio::test]
async fn who_asks_beforehand_is_told_methods_headers_and_for_how_long() -> Result {
    let feed = start(&[]).await?;
    let asked = [
        ("origin", "http://localhost:8080"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "last-event-id"),
    ];
    let answer = request(feed.address(), "OPTIONS", "/test/sse", &asked).await?;
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", "http://localhost:8080"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "POST,GET,PUT,OPTIONS,DELETE"),
        ("access-control-allow-headers", "last-event-id"),
        ("access-control-max-age", "3600"),
    ] {
        assert_eq!(answer.header(name).as_deref(), Some(value), "{name}");
    }
    Ok(())
}
