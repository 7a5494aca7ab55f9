//! `llm-stream`: an answer that survives its connection.

use sse_tower_tests::{Connection, EventText, Program, Result, Stream, eventually};

async fn ask(model: &Program, id: &str, prompt: &str, last: Option<&str>) -> Result<Connection> {
    let mut connection = Connection::open(model.address()).await?;
    let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
    // As the page asks: what it has in its header counts for more than this.
    let request = format!(
        "POST /answers/{id}?lastEventId=earliest HTTP/1.1\r\nhost: x\r\n{last}content-length: {}\r\n\r\n{prompt}",
        prompt.len()
    );
    connection.write(request.as_bytes()).await?;
    Ok(connection)
}

/// The words of these events, line breaks and all.
fn text(events: &[String]) -> String {
    let words = events.iter().filter(|event| event.field("event").is_none()).map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        // A client strips one space after the colon.
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    });
    words.collect()
}

async fn whole(model: &Program, prompt: &str) -> Result<Vec<String>> {
    let connection = ask(model, "whole", prompt, None).await?;
    Stream::of(connection).await?.rest().await
}

#[tokio::test]
async fn an_answer_comes_word_by_word_then_done_then_the_end() -> Result {
    let model = Program::start_with("llm-stream", &["--every", "1ms"]).await?;
    let events = whole(&model, "why?").await?;
    assert!(events.len() > 40, "{events:?}");
    assert_eq!(events.last().and_then(|event| event.field("event")), Some("done"));
    assert!(!events.iter().any(|event| event.field("event") == Some("stream-gap")), "{events:?}");
    let text = text(&events);
    assert!(text.starts_with("You asked: “why?”\n\nI am no model, only a loop"), "{text}");
    assert!(text.ends_with("nothing comes twice."), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_reader_that_lost_its_connection_gets_the_rest_exactly() -> Result {
    let model = Program::start_with("llm-stream", &["--every", "2ms"]).await?;
    let expected = text(&whole(&model, "a tunnel?").await?);
    let mut got = Vec::new();
    let mut dials = 0;
    loop {
        let last = got.last().and_then(|event: &String| event.field("id")).map(ToOwned::to_owned);
        let connection = ask(&model, "dropped", "a tunnel?", last.as_deref()).await?;
        let mut stream = Stream::of(connection).await?;
        dials += 1;
        for _ in 0..7 {
            got.push(stream.event().await?);
            if got.last().is_some_and(|event| event.field("event") == Some("done")) {
                assert!(dials > 5, "{dials}");
                assert_eq!(text(&got), expected);
                return Ok(());
            }
        }
    }
}

#[tokio::test]
async fn the_model_writes_on_while_nobody_reads() -> Result {
    let model = Program::start_with("llm-stream", &["--every", "1ms"]).await?;
    let first = Stream::of(ask(&model, "a", "x", None).await?).await?.event().await?;
    let id = first.field("id").ok_or("no id")?;
    eventually("everything but the first word is there at once", async || {
        let mut stream = Stream::of(ask(&model, "a", "x", Some(id)).await?).await?;
        stream.event().await?;
        let waiting = stream.events_at_hand();
        Ok(if waiting > 40 { Ok(()) } else { Err(format!("{waiting} at hand")) })
    })
    .await
}

#[tokio::test]
async fn the_same_question_twice_is_one_answer() -> Result {
    let model = Program::start_with("llm-stream", &["--every", "5ms"]).await?;
    let mut first = Stream::of(ask(&model, "a", "x", None).await?).await?;
    let mut second = Stream::of(ask(&model, "a", "x", None).await?).await?;
    let answer = first.rest().await?;
    assert_eq!(second.rest().await?, answer);
    assert_eq!(text(&answer).matches("You asked").count(), 1);
    Ok(())
}

#[tokio::test]
async fn who_has_the_whole_answer_gets_204() -> Result {
    let model = Program::start_with("llm-stream", &["--every", "1ms"]).await?;
    let events = whole(&model, "x").await?;
    let last = events.last().and_then(|event| event.field("id")).ok_or("no id")?;
    let mut connection = ask(&model, "whole", "x", Some(last)).await?;
    assert_eq!(connection.head().await?.status, 204);
    Ok(())
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_refused() -> Result {
    let model = Program::start("llm-stream").await?;
    let mut connection = ask(&model, "a", &"x".repeat(2_001), None).await?;
    assert_eq!(connection.head().await?.status, 413);
    Ok(())
}
