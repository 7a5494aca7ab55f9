//! A server that crashes or is stopped, and comes back: nothing is lost, nothing comes twice.

use rustix::process::Signal;
use sse_tower_tests::{Program, Result, eventually, request};

use crate::client::{Client, Kind, sent};
use crate::with_each_client;

with_each_client!(after_a_crash, after_a_stop, after_two_crashes);

const SUBSCRIBE: &str = "/subscribe?topic=news";

async fn publish(topics: &Program, content: &str) -> Result {
    let target = format!("/publish?topic=news&content={content}");
    assert_eq!(request(topics.address(), "POST", &target, &[]).await?.status, 200);
    Ok(())
}

/// One that has events before, while it is away, and after it is back.
async fn survives(kind: Kind, ends: &[Signal]) -> Result {
    let mut topics = Program::start("topics").await?;
    let mut client = Client::start(kind, &topics.url(SUBSCRIBE), &[])?;
    publish(&topics, "a1").await?;
    publish(&topics, "a2").await?;
    let first = client.through("a2").await?;
    assert_eq!(sent(&first), ["a1", "a2"], "{first:?}");
    for (number, end) in ends.iter().enumerate() {
        topics.signal(*end).await?;
        topics.start_again().await?;
        let (early, late) = (format!("b{number}"), format!("c{number}"));
        // Mostly before the client is back.
        publish(&topics, &early).await?;
        let mut heard = client.through(&early).await?;
        publish(&topics, &late).await?;
        heard.extend(client.through(&late).await?);
        assert_eq!(sent(&heard), [early.as_str(), late.as_str()], "{heard:?}");
    }
    assert_eq!(client.more(), []);
    Ok(())
}

async fn after_a_crash(kind: Kind) -> Result {
    survives(kind, &[Signal::KILL]).await
}

async fn after_a_stop(kind: Kind) -> Result {
    survives(kind, &[Signal::TERM]).await
}

async fn after_two_crashes(kind: Kind) -> Result {
    survives(kind, &[Signal::KILL, Signal::KILL]).await
}

with_each_client!(a_cut_network);

/// The connection breaks while the server lives: what comes meanwhile is caught up.
async fn a_cut_network(kind: Kind) -> Result {
    let topics = Program::start("topics").await?;
    let network = sse_tower_tests::Relay::to(topics.address()).await?;
    let url = format!("http://{}{SUBSCRIBE}", network.address());
    let mut client = Client::start(kind, &url, &[])?;
    publish(&topics, "a").await?;
    client.through("a").await?;
    for word in ["b", "c"] {
        let dials = network.passed("GET /subscribe").len();
        network.cut();
        publish(&topics, word).await?;
        network.mend();
        let back = async || {
            let more = network.passed("GET /subscribe").len() > dials;
            Ok(if more { Ok(()) } else { Err(format!("{dials} dials")) })
        };
        eventually("the client dials again", back).await?;
        let heard = client.through(word).await?;
        assert_eq!(heard, [("message".to_owned(), word.to_owned())]);
    }
    assert_eq!(client.more(), []);
    Ok(())
}
