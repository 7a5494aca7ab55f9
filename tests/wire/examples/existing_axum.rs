//! `existing-axum`: what was there still works, and notes are pushed to whom they are for.

use sse_tower_tests::{Answer, Connection, EventText, Program, Result, Stream, request};

async fn post(app: &Program, path: &str, kind: &str, cookie: &str, body: &str) -> Result<Answer> {
    let mut connection = Connection::open(app.address()).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncookie: theme=dark; {cookie}\r\ncontent-type: {kind}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write(request.as_bytes()).await?;
    let mut answer = connection.head().await?;
    answer.body = connection.body().await?;
    Ok(answer)
}

/// The cookie.
async fn log_in(app: &Program, name: &str) -> Result<String> {
    let kind = "application/x-www-form-urlencoded";
    let answer = post(app, "/login", kind, "", &format!("name={name}")).await?;
    assert_eq!(answer.status, 204);
    let cookie = answer.header("set-cookie").ok_or("no cookie")?;
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

async fn write(app: &Program, cookie: &str, to: &str, text: &str) -> Result {
    let note = format!(r#"{{"to":"{to}","text":"{text}"}}"#);
    let answer = post(app, "/notes", "application/json", cookie, &note).await?;
    assert_eq!(answer.status, 201);
    Ok(())
}

async fn push(app: &Program, cookie: &str, query: &str) -> Result<Stream> {
    Stream::open_with(app, &format!("/push{query}"), &[("cookie", cookie)]).await
}

#[tokio::test]
async fn nobody_listens_without_a_session() -> Result {
    let app = Program::start("existing-axum").await?;
    for path in ["/push", "/clock", "/notes"] {
        for cookie in ["", "session=", "session=0123", "session=x; session=y"] {
            let answer = request(app.address(), "GET", path, &[("cookie", cookie)]).await?;
            assert_eq!(answer.status, 401, "{path} {cookie}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_note_is_pushed_to_every_page_of_its_reader_and_to_nobody_else() -> Result {
    let app = Program::start("existing-axum").await?;
    let (ann, bob) = (log_in(&app, "ann").await?, log_in(&app, "bob").await?);
    let mut desk = push(&app, &bob, "").await?;
    let mut phone = push(&app, &bob, "").await?;
    let mut own = push(&app, &ann, "").await?;
    write(&app, &ann, "bob", "lunch?").await?;
    write(&app, &bob, "ann", "yes").await?;
    let note = desk.event().await?;
    let json = r#"{"number":1,"from":"ann","to":"bob","text":"lunch?"}"#;
    assert_eq!(note.without_id(), format!("event:note\ndata:{json}\n\n"));
    assert_eq!(phone.event().await?, note);
    assert!(own.event().await?.contains(r#""text":"yes""#));
    Ok(())
}

#[tokio::test]
async fn a_page_goes_on_exactly_where_its_list_was_made() -> Result {
    let app = Program::start("existing-axum").await?;
    let (ann, bob) = (log_in(&app, "ann").await?, log_in(&app, "bob").await?);
    write(&app, &ann, "bob", "before").await?;
    let list = request(app.address(), "GET", "/notes", &[("cookie", &bob)]).await?;
    assert!(list.text().contains("before"), "{}", list.text());
    write(&app, &ann, "bob", "between").await?;
    let position = list.header("x-position").ok_or("no position")?;
    let mut stream = push(&app, &bob, &format!("?lastEventId={position}")).await?;
    let first = stream.event().await?;
    assert!(first.contains("between"), "{first}");
    Ok(())
}

#[tokio::test]
async fn log_out_ends_the_streams_and_the_browser_is_then_refused() -> Result {
    let app = Program::start("existing-axum").await?;
    let (ann, bob) = (log_in(&app, "ann").await?, log_in(&app, "bob").await?);
    let mut gone = push(&app, &ann, "").await?;
    let mut stays = push(&app, &bob, "").await?;
    assert_eq!(post(&app, "/logout", "text/plain", &ann, "").await?.status, 204);
    assert_eq!(gone.rest().await?, Vec::<String>::new());
    assert_eq!(request(app.address(), "GET", "/push", &[("cookie", &ann)]).await?.status, 401);
    write(&app, &bob, "bob", "still here").await?;
    assert!(stays.event().await?.contains("still here"));
    Ok(())
}

#[tokio::test]
async fn the_stream_of_axum_goes_on_and_gets_headers_that_stop_buffering() -> Result {
    let app = Program::start("existing-axum").await?;
    let ann = log_in(&app, "ann").await?;
    let mut clock = Stream::open_with(&app, "/clock", &[("cookie", &ann)]).await?;
    assert_eq!(clock.head.header("x-accel-buffering").as_deref(), Some("no"));
    assert_eq!(clock.event().await?, "data: 1\n\n");
    Ok(())
}

#[tokio::test]
async fn compression_works_for_lists_and_leaves_streams_alone() -> Result {
    let app = Program::start("existing-axum").await?;
    let ann = log_in(&app, "ann").await?;
    let headers = [("cookie", ann.as_str()), ("accept-encoding", "gzip")];
    write(&app, &ann, "ann", &"long ".repeat(100)).await?;
    let list = request(app.address(), "GET", "/notes", &headers).await?;
    assert_eq!(list.header("content-encoding").as_deref(), Some("gzip"));
    let mut stream = Stream::open_with(&app, "/push", &headers).await?;
    assert_eq!(stream.head.header("content-encoding"), None);
    assert!(stream.event().await?.contains("long long"));
    Ok(())
}
