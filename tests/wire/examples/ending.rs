//! Every example ends cleanly on SIGTERM and SIGINT, whoever listens.

use std::time::Duration;

use rustix::process::Signal;
use sse_tower_tests::{Connection, Program, Result, Stream};

/// "At once", with room for a machine that compiles beside the test.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Opens five streams with this request, sends the signal, and sees each stream told and ended.
async fn ends(mut program: Program, request: &str, signal: Signal) -> Result {
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut connection = Connection::open(program.address()).await?;
        connection.write(request.as_bytes()).await?;
        streams.push(Stream::of(connection).await?);
    }
    // One that never said what it wants must not hold up the others.
    let _silent = Connection::open(program.address()).await?;
    let exit = program.signal(signal).await?;
    assert_eq!(exit.status.code(), Some(0), "{exit:?}");
    assert!(exit.after < AT_ONCE, "{exit:?}");
    for mut stream in streams {
        let events = stream.rest().await?;
        let bye = events.last().ok_or("no goodbye")?;
        assert!(bye.contains("event:stream-bye\n") && bye.contains("drained"), "{events:?}");
        assert!(bye.contains("retry:"), "{events:?}");
    }
    Ok(())
}

async fn ends_on_both(name: &str, options: &[&str], request: &str) -> Result {
    for signal in [Signal::TERM, Signal::INT] {
        ends(Program::start_with(name, options).await?, request, signal).await?;
    }
    Ok(())
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")
}

#[tokio::test]
async fn ticker_ends_while_it_counts() -> Result {
    ends_on_both("ticker", &["--every", "60m"], &get("/SSE")).await
}

#[tokio::test]
async fn order_ends_while_pages_wait() -> Result {
    ends_on_both("order", &[], &get("/orderpay?payid=1")).await
}

#[tokio::test]
async fn topics_ends_while_pages_wait() -> Result {
    ends_on_both("topics", &[], &get("/subscribe?topic=t")).await
}

#[tokio::test]
async fn shop_ends_while_pages_wait() -> Result {
    ends_on_both("shop", &[], &get("/changes")).await
}

#[tokio::test]
async fn feed_ends_between_two_events() -> Result {
    ends_on_both("feed", &["--every", "60m"], &get("/test/sse")).await
}

#[tokio::test]
async fn fleet_ends_with_all_its_nodes() -> Result {
    ends_on_both("fleet", &["--every", "60m"], &get("/events?tab=t")).await
}

#[tokio::test]
async fn tower_only_ends_while_pages_wait() -> Result {
    ends_on_both("tower-only", &[], &get("/bell")).await
}

#[tokio::test]
async fn llm_stream_ends_within_an_answer() -> Result {
    let request = "POST /answers/a HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx";
    ends_on_both("llm-stream", &["--every", "60m"], request).await
}

#[tokio::test]
async fn users_ends_while_a_user_is_online() -> Result {
    for signal in [Signal::TERM, Signal::INT] {
        let mut users = Program::start("users").await?;
        let mut stream = Stream::open(&users, "/connect?userId=1").await?;
        stream.event().await?;
        let exit = users.signal(signal).await?;
        assert_eq!(exit.status.code(), Some(0), "{exit:?}");
        assert!(exit.after < AT_ONCE, "{exit:?}");
        assert!(stream.rest().await?.concat().contains("drained"));
        assert_eq!(users.log()?, "user 1: drained\n");
    }
    Ok(())
}

#[tokio::test]
async fn existing_axum_ends_both_kinds_of_streams() -> Result {
    for (path, signal) in
        [("/push", Signal::TERM), ("/clock", Signal::TERM), ("/clock", Signal::INT)]
    {
        let app = Program::start("existing-axum").await?;
        let mut connection = Connection::open(app.address()).await?;
        let login = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\
                     content-type: application/x-www-form-urlencoded\r\n\r\nname=ann";
        connection.write(login.as_bytes()).await?;
        let head = connection.head().await?;
        let cookie = head.header("set-cookie").ok_or("no cookie")?;
        let cookie = cookie.split(';').next().unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n");
        ends(app, &request, signal).await?;
    }
    Ok(())
}
