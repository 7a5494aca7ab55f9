//! `bell`: the state first, then what changes.

use sse_tower_tests::{Connection, EventText, Program, Result, Stream, request};

async fn log_in(bell: &Program, user: u64) -> Result<String> {
    let answer = request(bell.address(), "POST", &format!("/login?user={user}"), &[]).await?;
    assert_eq!(answer.status, 204);
    let cookie = answer.header("set-cookie").ok_or("no cookie")?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

async fn listen(bell: &Program, cookie: &str, last: Option<&str>) -> Result<Stream> {
    let mut connection = Connection::open(bell.address()).await?;
    let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
    let request = format!("GET /bell HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n{last}\r\n");
    connection.write(request.as_bytes()).await?;
    Stream::of(connection).await
}

async fn post(bell: &Program, target: &str) -> Result {
    assert_eq!(request(bell.address(), "POST", target, &[]).await?.status, 204);
    Ok(())
}

fn unread(event: &str) -> (Option<&str>, Option<&str>) {
    (event.field("event"), event.field("data"))
}

#[tokio::test]
async fn every_tab_has_the_count_at_once_and_every_change_of_it() -> Result {
    let bell = Program::start("bell").await?;
    post(&bell, "/messages?to=7").await?;
    let cookie = log_in(&bell, 7).await?;
    let mut tabs = [listen(&bell, &cookie, None).await?, listen(&bell, &cookie, None).await?];
    for tab in &mut tabs {
        assert_eq!(unread(&tab.event().await?), (Some("bell"), Some("{\"unread\":1}")));
    }
    post(&bell, "/messages?to=7").await?;
    post(&bell, "/messages?to=8").await?;
    for tab in &mut tabs {
        assert_eq!(unread(&tab.event().await?), (Some("bell"), Some("{\"unread\":2}")));
    }
    Ok(())
}

#[tokio::test]
async fn a_tab_that_comes_back_gets_what_it_missed_and_one_from_another_life_the_state() -> Result {
    let bell = Program::start("bell").await?;
    let cookie = log_in(&bell, 7).await?;
    let mut tab = listen(&bell, &cookie, None).await?;
    let state = tab.event().await?;
    assert_eq!(unread(&state), (Some("bell"), Some("{\"unread\":0}")));
    let last = state.field("id").ok_or("no id")?.to_owned();
    drop(tab);
    post(&bell, "/messages?to=7").await?;
    post(&bell, "/messages?to=7").await?;
    let mut tab = listen(&bell, &cookie, Some(&last)).await?;
    assert_eq!(tab.event().await?.field("data"), Some("{\"unread\":1}"));
    assert_eq!(tab.event().await?.field("data"), Some("{\"unread\":2}"));
    // The state may be one of a second ago; then what has changed since comes behind it.
    let mut tab = listen(&bell, &cookie, Some("1.feed.17")).await?;
    let mut event = tab.event().await?;
    while event.field("data") != Some("{\"unread\":2}") {
        assert_eq!(event.field("event"), Some("bell"));
        event = tab.event().await?;
    }
    Ok(())
}

#[tokio::test]
async fn nobody_hears_the_bell_of_others() -> Result {
    let bell = Program::start("bell").await?;
    assert_eq!(request(bell.address(), "GET", "/bell", &[]).await?.status, 401);
    assert_eq!(request(bell.address(), "POST", "/read", &[]).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn what_is_said_to_everyone_reaches_who_was_away() -> Result {
    let bell = Program::start("bell").await?;
    let cookie = log_in(&bell, 7).await?;
    let mut tab = listen(&bell, &cookie, None).await?;
    let last = tab.event().await?.field("id").ok_or("no id")?.to_owned();
    drop(tab);
    assert_eq!(request(bell.address(), "POST", "/everyone", &[]).await?.status, 200);
    let mut tab = listen(&bell, &cookie, Some(&last)).await?;
    assert_eq!(tab.event().await?.field("event"), Some("everyone"));
    Ok(())
}
