//! `ticker`: five events and an end.

use std::time::{Duration, Instant};

use sse_tower_tests::{Connection, Program, Result, Stream, eventually, request};

const FIVE: &str = "event:me\ndata:0\n\nevent:me\ndata:1\n\nevent:me\ndata:2\n\n\
                    event:me\ndata:3\n\nevent:me\ndata:4\n\n";

#[tokio::test]
async fn five_events_then_the_proper_end_for_get_and_post_alike() -> Result {
    let ticker = Program::start_with("ticker", &["--every", "1ms"]).await?;
    for method in ["GET", "POST"] {
        let answer = request(ticker.address(), method, "/SSE", &[]).await?;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type").as_deref(), Some("text/event-stream"));
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-cache, no-transform"));
        // A comment comes first if the head was ready before the first event.
        assert_eq!(answer.text().trim_start_matches(":\n"), FIVE, "{method}");
    }
    Ok(())
}

#[tokio::test]
async fn an_event_is_on_the_wire_long_before_the_next_one() -> Result {
    let ticker = Program::start_with("ticker", &["--every", "60m"]).await?;
    let mut stream = Stream::open(&ticker, "/SSE").await?;
    assert_eq!(stream.event().await?, "event:me\ndata:0\n\n");
    Ok(())
}

#[tokio::test]
async fn the_time_between_events_is_that_of_the_option() -> Result {
    let every = Duration::from_millis(60);
    let ticker = Program::start_with("ticker", &["--every", "60ms"]).await?;
    let asked = Instant::now();
    let mut stream = Stream::open(&ticker, "/SSE").await?;
    for n in 0..5 {
        assert_eq!(stream.event().await?, format!("event:me\ndata:{n}\n\n"));
        assert!(asked.elapsed() >= every * n, "event {n} came after {:?}", asked.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn the_connection_serves_the_next_request_after_the_end() -> Result {
    let ticker = Program::start_with("ticker", &["--every", "1ms"]).await?;
    let mut stream = Stream::open(&ticker, "/SSE").await?;
    assert_eq!(stream.rest().await?.concat(), FIVE);
    let mut connection = stream.into_connection();
    connection.ask("GET", "/SSE", &[]).await?;
    assert_eq!(Stream::of(connection).await?.rest().await?.concat(), FIVE);
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_is_let_go_long_before_the_next_event() -> Result {
    let ticker = Program::start_with("ticker", &["--every", "60m"]).await?;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = Stream::open(&ticker, "/SSE").await?;
        stream.event().await?;
        streams.push(stream);
    }
    assert_eq!(ticker.connections()?, 20);
    drop(streams);
    eventually("the sockets of those who left are closed", async || {
        let open = ticker.connections()?;
        Ok(if open == 0 { Ok(()) } else { Err(format!("{open} are open")) })
    })
    .await
}

#[tokio::test]
async fn many_clients_have_a_count_of_their_own() -> Result {
    let ticker = Program::start_with("ticker", &["--every", "20ms"]).await?;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&ticker, "/SSE").await?);
    }
    for stream in &mut streams {
        assert_eq!(stream.rest().await?.concat(), FIVE);
    }
    Ok(())
}

#[tokio::test]
async fn head_starts_no_count() -> Result {
    let ticker = Program::start_with("ticker", &["--every", "60m"]).await?;
    let mut connection = Connection::open(ticker.address()).await?;
    connection.ask("HEAD", "/SSE", &[]).await?;
    assert_eq!(connection.head().await?.status, 200);
    // The answer to the next request follows at once: no stream is in between.
    connection.ask("GET", "/", &[]).await?;
    assert_eq!(
        connection.head().await?.header("content-type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    Ok(())
}
