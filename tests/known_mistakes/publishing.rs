//! To publish is a request of its own, and to subscribe is not to publish.

use sse_tower_tests::{EventText, Program, Result, Stream, request};

#[tokio::test]
async fn opening_a_stream_publishes_nothing_and_publishing_opens_no_stream() -> Result {
    let topics = Program::start("topics").await?;
    let mut reader = Stream::open(&topics, "/subscribe?topic=t").await?;
    // As the post published: by an `EventSource` with the content in its query.
    let mut asks = Stream::open(&topics, "/subscribe?topic=t&content=from-a-stream").await?;
    let headers = [("content-length", "0")];
    let target = "/publish?topic=t&content=from-a-post";
    let answer = request(topics.address(), "POST", target, &headers).await?;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_ne!(answer.header("content-type").as_deref(), Some("text/event-stream"));
    for stream in [&mut reader, &mut asks] {
        assert_eq!(stream.event().await?.field("data"), Some("from-a-post"));
    }
    Ok(())
}
