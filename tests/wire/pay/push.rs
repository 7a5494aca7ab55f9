//! The stream itself.

use std::process::Stdio;

use sse_tower_tests::{Connection, Program, Result, request, within};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// The event as it stands on the wire, once its id is known to be a token. A stream that was open
/// before it begins with a comment.
fn paid(event: &str) -> Result {
    let id = event
        .trim_start_matches(":\n")
        .strip_prefix("data:支付成功\nid:")
        .and_then(|rest| rest.strip_suffix("\n\n"))
        .ok_or_else(|| format!("not the event of design and post: {event:?}"))?;
    let token = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    assert!(id.starts_with("1.") && id.len() < 128 && id.chars().all(token), "{id:?}");
    Ok(())
}

#[tokio::test]
async fn the_head_comes_before_any_event_and_keeps_proxies_from_buffering() -> Result {
    let pay = Program::start("pay").await?;
    let mut stream = Connection::open(pay.address()).await?;
    stream.ask("GET", "/push?payRecordId=123", &[("accept", "text/event-stream")]).await?;
    let head = stream.head().await?;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type").as_deref(), Some("text/event-stream"));
    assert_eq!(head.header("cache-control").as_deref(), Some("no-cache, no-transform"));
    assert_eq!(head.header("x-accel-buffering").as_deref(), Some("no"));
    assert_eq!(head.header("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!(head.header("content-length"), None);
    Ok(())
}

#[tokio::test]
async fn the_callback_puts_one_event_on_the_stream_and_ends_it() -> Result {
    let pay = Program::start("pay").await?;
    let mut stream = Connection::open(pay.address()).await?;
    stream.ask("GET", "/push?payRecordId=123", &[]).await?;
    stream.head().await?;
    let answer = request(pay.address(), "GET", "/pay-callback?payRecordId=123", &[]).await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "請到監聽處查看消息"));
    let body = String::from_utf8(stream.body().await?)?;
    paid(&body)?;
    // The proper end of a chunked body leaves the connection usable.
    stream.ask("GET", "/", &[]).await?;
    assert_eq!(stream.head().await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn curl_shows_the_event_as_it_happens_and_returns_at_its_end() -> Result {
    let pay = Program::start("pay").await?;
    let mut curl = Command::new("curl")
        .args(["--silent", "--show-error", "--no-buffer", "--verbose", "--noproxy", "*"])
        .arg(pay.url("/push?payRecordId=5"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("curl: {error}"))?;
    // It says at once on standard error what it got; `<` alone is the end of the head.
    let notes = curl.stderr.take().ok_or("curl without standard error")?;
    let mut notes = BufReader::new(notes).lines();
    let mut head = Vec::new();
    while let Some(line) = within("the head in curl", notes.next_line()).await?? {
        if let Some(line) = line.strip_prefix('<') {
            head.push(line.trim().to_owned());
            if line.trim().is_empty() {
                break;
            }
        }
    }
    assert_eq!(head.first().map(String::as_str), Some("HTTP/1.1 200 OK"), "{head:?}");
    request(pay.address(), "GET", "/pay-callback?payRecordId=5", &[]).await?;
    let mut shown = curl.stdout.take().ok_or("curl without standard output")?;
    let mut body = String::new();
    within("the body in curl", shown.read_to_string(&mut body)).await??;
    paid(&body)?;
    assert!(within("the end of curl", curl.wait()).await??.success());
    Ok(())
}

#[tokio::test]
async fn every_stream_of_a_payment_gets_the_same_event_and_no_other_stream_does() -> Result {
    let pay = Program::start("pay").await?;
    let mut streams = Vec::new();
    for id in [1, 1, 2] {
        let mut stream = Connection::open(pay.address()).await?;
        stream.ask("GET", &format!("/push?payRecordId={id}"), &[]).await?;
        stream.head().await?;
        streams.push(stream);
    }
    request(pay.address(), "POST", "/pay-callback?payRecordId=1", &[]).await?;
    let first = streams[0].body().await?;
    let second = streams[1].body().await?;
    assert_eq!(first, second);
    request(pay.address(), "POST", "/pay-callback?payRecordId=2", &[]).await?;
    let third = streams[2].body().await?;
    paid(&String::from_utf8(first.clone())?)?;
    paid(&String::from_utf8(third.clone())?)?;
    assert_ne!(first, third, "ids come from one domain and are never used twice");
    Ok(())
}

#[tokio::test]
async fn who_has_seen_the_payment_gets_204_and_who_has_not_gets_the_event() -> Result {
    let pay = Program::start("pay").await?;
    request(pay.address(), "GET", "/pay-callback?payRecordId=3", &[]).await?;
    let late = request(pay.address(), "GET", "/push?payRecordId=3", &[]).await?;
    assert_eq!(late.status, 200);
    paid(&late.text())?;
    let id = late.text();
    let id = id.trim_end().rsplit_once("\nid:").ok_or("an event without an id")?.1;
    let seen =
        request(pay.address(), "GET", "/push?payRecordId=3", &[("last-event-id", id)]).await?;
    assert_eq!((seen.status, seen.body.len()), (204, 0));
    Ok(())
}

#[tokio::test]
async fn a_forged_last_event_id_neither_crashes_nor_hides_the_payment() -> Result {
    let pay = Program::start("pay").await?;
    request(pay.address(), "GET", "/pay-callback?payRecordId=4", &[]).await?;
    let huge = "9".repeat(4000);
    for forged in ["1", "1.x.99999999999999999999", "1.0.0", "支付", "-", huge.as_str()] {
        let headers = [("last-event-id", forged)];
        let answer = request(pay.address(), "GET", "/push?payRecordId=4", &headers).await?;
        assert_eq!(answer.status, 200, "{forged}");
        assert!(answer.text().contains("data:支付成功\n"), "{forged}: {:?}", answer.text());
    }
    Ok(())
}

#[tokio::test]
async fn head_answers_without_opening_a_stream() -> Result {
    let pay = Program::start("pay").await?;
    let mut connection = Connection::open(pay.address()).await?;
    connection.ask("HEAD", "/push?payRecordId=6", &[]).await?;
    let head = connection.head().await?;
    assert_eq!(
        (head.status, head.header("content-type").as_deref()),
        (200, Some("text/event-stream"))
    );
    // The next answer follows at once: no body, no stream in between.
    connection.ask("GET", "/", &[]).await?;
    assert_eq!(connection.head().await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_bad_or_missing_number_is_a_400_with_a_sentence() -> Result {
    let pay = Program::start("pay").await?;
    for path in ["/push", "/pay-callback"] {
        for query in [
            "",
            "?payRecordId=",
            "?payRecordId=abc",
            "?payRecordId=-1",
            "?payrecordid=1",
            "?payRecordId=18446744073709551616",
            "?payRecordId=%E6%94%AF",
            "?payRecordId=1&payRecordId=2",
        ] {
            let answer = request(pay.address(), "GET", &format!("{path}{query}"), &[]).await?;
            assert_eq!(answer.status, 400, "{path}{query}: {}", answer.text());
            assert!(answer.text().contains("payRecordId"), "{path}{query}: {}", answer.text());
            assert!(answer.header("content-type").is_some_and(|t| t.starts_with("text/plain")));
        }
    }
    Ok(())
}
