//! `users`: one connection a user.

use futures_util::future::try_join_all;
use sse_tower_tests::{Connection, EventText, Program, Result, Stream, eventually, request};

async fn connect(users: &Program, user: u64) -> Result<(Stream, String)> {
    let mut stream = Stream::open(users, &format!("/connect?userId={user}")).await?;
    let hello = stream.event().await?;
    Ok((stream, hello))
}

async fn send(users: &Program, user: u64, message: &str) -> Result<String> {
    let target = format!("/send?userId={user}&messageId={message}&message=hello");
    let answer = request(users.address(), "POST", &target, &[]).await?;
    assert_eq!(answer.status, 200);
    Ok(answer.text())
}

async fn logged(users: &Program, line: &str) -> Result {
    eventually(line, async || {
        let log = users.log()?;
        Ok(if log.lines().any(|l| l == line) { Ok(()) } else { Err(log) })
    })
    .await
}

#[tokio::test]
async fn the_first_event_is_empty_with_a_fresh_id_and_a_retry_of_a_minute() -> Result {
    let users = Program::start("users").await?;
    let (_first, a) = connect(&users, 1).await?;
    let (_second, b) = connect(&users, 2).await?;
    for hello in [&a, &b] {
        let id = hello.field("id").ok_or("no id")?;
        assert_eq!(*hello, format!("id:{id}\nretry:60000\ndata:\n\n"));
        assert!(id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    }
    assert_ne!(a, b);
    Ok(())
}

#[tokio::test]
async fn a_message_is_true_for_who_is_online_and_false_for_who_is_not() -> Result {
    let users = Program::start("users").await?;
    let (mut stream, _) = connect(&users, 1).await?;
    assert_eq!(send(&users, 1, "m1").await?, "true");
    assert_eq!(send(&users, 2, "m1").await?, "false");
    assert_eq!(stream.event().await?, "id:m1\nretry:60000\ndata:hello\n\n");
    // What was answered `false` is not delivered later behind the sender's back.
    let (mut late, _) = connect(&users, 2).await?;
    assert_eq!(send(&users, 2, "m2").await?, "true");
    assert_eq!(late.event().await?.field("id"), Some("m2"));
    Ok(())
}

#[tokio::test]
async fn remove_ends_the_stream_and_the_next_message_is_false() -> Result {
    let users = Program::start("users").await?;
    let (mut stream, _) = connect(&users, 1).await?;
    let answer = request(users.address(), "POST", "/remove?userId=1", &[]).await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert_eq!(stream.rest().await?, Vec::<String>::new());
    assert_eq!(send(&users, 1, "m1").await?, "false");
    logged(&users, "user 1: completed").await?;
    // Nobody is shut out for ever, and who is not online can be removed as well.
    assert_eq!(request(users.address(), "POST", "/remove?userId=1", &[]).await?.status, 200);
    let (_stream, _) = connect(&users, 1).await?;
    assert_eq!(send(&users, 1, "m2").await?, "true");
    Ok(())
}

#[tokio::test]
async fn a_message_right_after_remove_is_false_too() -> Result {
    let users = Program::start("users").await?;
    let mut connection = Connection::open(users.address()).await?;
    for user in 0..50 {
        let (_stream, _) = connect(&users, user).await?;
        // Both in one write: the server sees them one after the other, with nothing in between.
        let requests = format!(
            "POST /remove?userId={user} HTTP/1.1\r\nhost: x\r\n\r\n\
             POST /send?userId={user}&messageId=m&message=x HTTP/1.1\r\nhost: x\r\n\r\n"
        );
        connection.write(requests.as_bytes()).await?;
        connection.head().await?;
        connection.body().await?;
        connection.head().await?;
        assert_eq!(connection.body().await?, b"false", "user {user}");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_connection_replaces_the_first_which_is_told_not_to_come_back() -> Result {
    let users = Program::start("users").await?;
    let (mut first, _) = connect(&users, 1).await?;
    let (mut second, _) = connect(&users, 1).await?;
    // A day: otherwise the two would take the place from each other for ever.
    let bye = "retry:86400000\nevent:stream-bye\ndata:{\"reason\":\"replaced\"}\nid:";
    let rest = first.rest().await?.concat();
    assert!(rest.starts_with(bye), "{rest}");
    logged(&users, "user 1: replaced").await?;
    // The end of the old one took nothing from the new one.
    assert_eq!(send(&users, 1, "m1").await?, "true");
    assert_eq!(second.event().await?.field("id"), Some("m1"));
    Ok(())
}

#[tokio::test]
async fn of_twenty_connections_at_once_one_stays_and_gets_the_messages() -> Result {
    let users = Program::start("users").await?;
    let open = (0..20).map(|_| Stream::open(&users, "/connect?userId=1"));
    let mut streams = try_join_all(open).await?;
    assert_eq!(send(&users, 1, "m1").await?, "true");
    let mut served = 0;
    for stream in &mut streams {
        let mut last = None;
        while let Some(event) = stream.next().await? {
            if event.field("id") == Some("m1") {
                served += 1;
                break;
            }
            last = event.field("event").map(ToOwned::to_owned);
        }
        assert!(last.is_none_or(|name| name == "stream-bye"));
    }
    assert_eq!(served, 1);
    Ok(())
}

#[tokio::test]
async fn who_leaves_is_known_at_once_without_a_message() -> Result {
    let users = Program::start("users").await?;
    let (stream, _) = connect(&users, 1).await?;
    drop(stream);
    logged(&users, "user 1: client-gone").await?;
    assert_eq!(send(&users, 1, "m1").await?, "false");
    Ok(())
}

#[tokio::test]
async fn after_the_timeout_its_callback_runs_then_the_last_one_and_the_user_is_gone() -> Result {
    let users = Program::start_with("users", &["--timeout", "100ms"]).await?;
    let (mut stream, _) = connect(&users, 1).await?;
    assert_eq!(stream.rest_of_its_time().await?, Vec::<String>::new());
    logged(&users, "user 1: timed-out").await?;
    assert_eq!(send(&users, 1, "m1").await?, "false");
    assert_eq!(users.log()?, "user 1: the time is over\nuser 1: timed-out\n");
    Ok(())
}

#[tokio::test]
async fn head_replaces_nobody() -> Result {
    let users = Program::start("users").await?;
    let (mut stream, _) = connect(&users, 1).await?;
    let head = request(users.address(), "HEAD", "/connect?userId=1", &[]).await?;
    assert_eq!(head.status, 200);
    assert_eq!(send(&users, 1, "m1").await?, "true");
    assert_eq!(stream.event().await?.field("id"), Some("m1"));
    Ok(())
}

#[tokio::test]
async fn an_id_with_a_line_break_is_a_400_and_forges_nothing() -> Result {
    let users = Program::start("users").await?;
    let (mut stream, _) = connect(&users, 1).await?;
    for id in ["a%0Adata:forged", "a%0D", "a%00"] {
        let target = format!("/send?userId=1&messageId={id}&message=x");
        let answer = request(users.address(), "POST", &target, &[]).await?;
        assert_eq!(answer.status, 400, "{id}");
        assert!(answer.text().contains("id"), "{}", answer.text());
    }
    assert_eq!(send(&users, 1, "m1").await?, "true");
    assert_eq!(stream.event().await?.field("id"), Some("m1"));
    Ok(())
}

#[tokio::test]
async fn missing_parameters_are_a_400_and_other_methods_a_405() -> Result {
    let users = Program::start("users").await?;
    for (method, target, status) in [
        ("GET", "/connect", 400),
        ("GET", "/connect?userId=x", 400),
        ("POST", "/send?userId=1&messageId=m", 400),
        ("POST", "/send?messageId=m&message=x", 400),
        ("POST", "/remove", 400),
        ("GET", "/send?userId=1&messageId=m&message=x", 405),
        ("GET", "/remove?userId=1", 405),
        ("POST", "/connect?userId=1", 405),
    ] {
        let answer = request(users.address(), method, target, &[]).await?;
        assert_eq!(answer.status, status, "{method} {target}");
    }
    Ok(())
}
