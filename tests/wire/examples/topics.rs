//! `topics`: subscribers, publishers, and what they cannot do to each other.

use futures_util::future::try_join_all;
use sse_tower_tests::{Connection, EventText, Program, Result, Stream, eventually, request};

/// On a connection of its own that stays open.
struct Publisher(Connection);

impl Publisher {
    async fn new(topics: &Program) -> Result<Self> {
        Ok(Self(Connection::open(topics.address()).await?))
    }

    async fn say(&mut self, topic: &str, content: &str) -> Result {
        let target = format!("/publish?topic={topic}&content={content}");
        self.0.ask("POST", &target, &[]).await?;
        let head = self.0.head().await?;
        let body = self.0.body().await?;
        assert_eq!((head.status, body.len()), (200, 0), "{topic} {content:.80}");
        Ok(())
    }
}

#[tokio::test]
async fn subscribers_get_what_is_published_by_get_or_post() -> Result {
    let topics = Program::start("topics").await?;
    let mut stream = Stream::open(&topics, "/subscribe?topic=news").await?;
    for (method, content) in [("GET", "hello"), ("POST", "%E6%96%B0%E9%97%BB")] {
        let target = format!("/publish?topic=news&content={content}");
        let answer = request(topics.address(), method, &target, &[]).await?;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }
    let first = stream.event().await?;
    assert!(first.starts_with("event:message\ndata:hello\nid:1."), "{first:?}");
    assert_eq!(stream.event().await?.without_id(), "event:message\ndata:新闻\n\n");
    Ok(())
}

#[tokio::test]
async fn an_empty_or_missing_topic_and_a_missing_content_are_a_400_with_a_sentence() -> Result {
    let topics = Program::start("topics").await?;
    for target in
        ["/subscribe", "/subscribe?topic=", "/publish?content=x", "/publish?topic=&content=x"]
    {
        let answer = request(topics.address(), "GET", target, &[]).await?;
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.text().contains("topic"), "{target}: {}", answer.text());
    }
    let answer = request(topics.address(), "GET", "/publish?topic=x", &[]).await?;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("content"), "{}", answer.text());
    let long = format!("/subscribe?topic={}", "x".repeat(257));
    assert_eq!(request(topics.address(), "GET", &long, &[]).await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn topics_are_apart_and_an_empty_content_is_an_event() -> Result {
    let topics = Program::start("topics").await?;
    let mut a = Stream::open(&topics, "/subscribe?topic=a").await?;
    let mut b = Stream::open(&topics, "/subscribe?topic=b").await?;
    let mut publisher = Publisher::new(&topics).await?;
    publisher.say("a", "for-a").await?;
    publisher.say("b", "").await?;
    publisher.say("a", "for-a-again").await?;
    assert_eq!(a.event().await?.field("data"), Some("for-a"));
    assert_eq!(a.event().await?.field("data"), Some("for-a-again"));
    assert_eq!(b.event().await?.without_id(), "event:message\ndata:\n\n");
    Ok(())
}

#[tokio::test]
async fn publishing_to_nobody_is_fine() -> Result {
    let topics = Program::start("topics").await?;
    Publisher::new(&topics).await?.say("nobody", "x").await
}

#[tokio::test]
async fn line_breaks_in_a_content_forge_no_event() -> Result {
    let topics = Program::start("topics").await?;
    let mut stream = Stream::open(&topics, "/subscribe?topic=t").await?;
    let mut publisher = Publisher::new(&topics).await?;
    for newline in ["%0A", "%0D", "%0D%0A"] {
        let content = ["ok", "event:evil", "id:0", "", "data:forged"].join(newline);
        publisher.say("t", &content).await?;
        assert_eq!(
            stream.event().await?.without_id(),
            "event:message\ndata:ok\ndata:event:evil\ndata:id:0\ndata:\ndata:data:forged\n\n"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_lives_as_long_as_the_option_says_then_ends_properly() -> Result {
    let topics = Program::start_with("topics", &["--timeout", "50ms"]).await?;
    let mut stream = Stream::open(&topics, "/subscribe?topic=t").await?;
    assert_eq!(stream.rest_of_its_time().await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_subscriber_that_came_back_gets_what_was_published_meanwhile() -> Result {
    let topics = Program::start("topics").await?;
    let mut publisher = Publisher::new(&topics).await?;
    let mut stream = Stream::open(&topics, "/subscribe?topic=t").await?;
    publisher.say("t", "1").await?;
    let first = stream.event().await?;
    drop(stream);
    publisher.say("t", "2").await?;
    publisher.say("t", "3").await?;
    let last = [("last-event-id", first.field("id").ok_or("no id")?)];
    let mut stream = Stream::open_with(&topics, "/subscribe?topic=t", &last).await?;
    assert_eq!(stream.event().await?.field("data"), Some("2"));
    assert_eq!(stream.event().await?.field("data"), Some("3"));
    Ok(())
}

#[tokio::test]
async fn subscribers_that_left_are_let_go() -> Result {
    let topics = Program::start("topics").await?;
    let open = (0..20).map(|_| Stream::open(&topics, "/subscribe?topic=t"));
    drop(try_join_all(open).await?);
    eventually("the sockets of those who left are closed", async || {
        let open = topics.connections()?;
        Ok(if open == 0 { Ok(()) } else { Err(format!("{open} are open")) })
    })
    .await?;
    let mut stream = Stream::open(&topics, "/subscribe?topic=u").await?;
    let mut publisher = Publisher::new(&topics).await?;
    for n in 0..20 {
        publisher.say("t", &n.to_string()).await?;
        publisher.say("u", &n.to_string()).await?;
        // New streams are never ended for the sake of old ones.
        assert_eq!(stream.event().await?.field("data"), Some(n.to_string().as_str()));
    }
    Ok(())
}

#[tokio::test]
async fn publishing_never_fails_while_clients_join_and_every_client_is_served() -> Result {
    let topics = Program::start("topics").await?;
    let join = try_join_all((0..250).map(|_| Stream::open(&topics, "/subscribe?topic=t")));
    let publish = async {
        let mut publisher = Publisher::new(&topics).await?;
        for n in 0..100 {
            publisher.say("t", &n.to_string()).await?;
        }
        Result::Ok(publisher)
    };
    let (streams, publisher) = tokio::join!(join, publish);
    let (mut streams, mut publisher) = (streams?, publisher?);
    publisher.say("t", "last").await?;
    for stream in &mut streams {
        while stream.event().await?.field("data") != Some("last") {}
    }
    Ok(())
}

#[tokio::test]
async fn every_subscriber_sees_the_same_order_of_several_publishers_and_whole_events() -> Result {
    const EACH: usize = 150;
    let topics = Program::start("topics").await?;
    let open = (0..6).map(|_| Stream::open(&topics, "/subscribe?topic=t"));
    let mut streams = try_join_all(open).await?;
    try_join_all(["a", "b", "c", "d"].map(async |name| {
        let mut publisher = Publisher::new(&topics).await?;
        for n in 0..EACH {
            publisher.say("t", &format!("{name}{n:04}")).await?;
        }
        Result::Ok(())
    }))
    .await?;
    let mut orders = Vec::new();
    for stream in &mut streams {
        let mut order = Vec::new();
        for _ in 0..4 * EACH {
            let event = stream.event().await?;
            let data = event.field("data").ok_or("no data")?.to_owned();
            assert_eq!(event.without_id(), format!("event:message\ndata:{data}\n\n"));
            order.push(data);
        }
        orders.push(order);
    }
    for name in ["a", "b", "c", "d"] {
        let own: Vec<_> = orders[0].iter().filter(|data| data.starts_with(name)).collect();
        assert_eq!(own.len(), EACH);
        assert!(own.is_sorted(), "a publisher's own order: {own:?}");
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_read_delays_nobody_and_learns_what_it_missed() -> Result {
    let topics = Program::start("topics").await?;
    let mut idle = Stream::open(&topics, "/subscribe?topic=t").await?;
    let mut healthy = Stream::open(&topics, "/subscribe?topic=t").await?;
    let mut publisher = Publisher::new(&topics).await?;
    // More than the sockets of the idle client and its bound in the server hold together.
    let content = "x".repeat(40_000);
    for n in 0..400 {
        publisher.say("t", &format!("{n}-{content}")).await?;
        let event = healthy.event().await?;
        assert!(event.contains(&format!("data:{n}-x")), "{event:.80}");
    }
    let gap = loop {
        let event = idle.event().await?;
        if event.field("event") == Some("stream-gap") {
            break event;
        }
    };
    assert!(gap.contains(r#""reason":"lagged""#), "{gap}");
    Ok(())
}
