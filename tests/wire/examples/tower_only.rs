//! `tower-only`: the same streams without a web framework.

use sse_tower_tests::{EventText, Program, Result, Stream, request};

#[tokio::test]
async fn a_ring_reaches_everyone_and_who_was_away_hears_it_later() -> Result {
    let bell = Program::start("tower-only").await?;
    let mut first = Stream::open(&bell, "/bell").await?;
    let mut second = Stream::open(&bell, "/bell").await?;
    assert_eq!(first.head.header("cache-control").as_deref(), Some("no-cache, no-transform"));
    for _ in 0..2 {
        assert_eq!(request(bell.address(), "POST", "/ring", &[]).await?.status, 204);
    }
    let ring = first.event().await?;
    assert_eq!(ring.without_id(), "event:ring\ndata:叮咚\n\n");
    assert_eq!(second.event().await?, ring);
    let last = [("last-event-id", ring.field("id").ok_or("no id")?)];
    let mut back = Stream::open_with(&bell, "/bell", &last).await?;
    assert_eq!(back.event().await?, second.event().await?);
    Ok(())
}

#[tokio::test]
async fn pages_and_unknown_paths_are_answered_as_they_are() -> Result {
    let bell = Program::start("tower-only").await?;
    let page = request(bell.address(), "GET", "/", &[]).await?;
    assert_eq!((page.status, page.header("x-accel-buffering")), (200, None));
    assert!(page.text().contains("<title>Door bell</title>"));
    assert_eq!(request(bell.address(), "GET", "/ring", &[]).await?.status, 404);
    Ok(())
}
