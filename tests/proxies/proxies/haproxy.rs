//! HAProxy, set up as the guide says.

use std::time::Duration;

use sse_tower_tests::Result;

use crate::guide;
use crate::program::Program;
use crate::row::{Kind, NEVER, median_delay, without};

const HAPROXY: Kind = Kind {
    name: "HAProxy",
    command: "haproxy",
    arguments: &["-db", "-f", "{}"],
    configure: |place, program| {
        let bind = format!("bind 127.0.0.1:{}", place.port);
        let to = program.to_string();
        guide::configuration("HAProxy", &[("bind :80", &bind), ("127.0.0.1:8080", &to)])
    },
};

#[tokio::test]
async fn events_pass_at_once() -> Result {
    HAPROXY.events_pass_at_once().await
}

#[tokio::test]
async fn without_its_option_each_event_waits_for_more() -> Result {
    let program = Program::start(NEVER).await?;
    let proxy = HAPROXY.before(&program, |text| without(&text, "option http-no-delay")).await?;
    let median = median_delay(&program, &proxy).await?;
    println!("HAProxy without its option: an event takes {median:?}");
    assert!(median > Duration::from_millis(150), "{median:?}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_is_known_as_the_table_says() -> Result {
    HAPROXY.a_client_that_leaves_is_known_as_the_table_says().await
}

#[tokio::test]
async fn while_the_program_is_away_a_browser_is_told_what_the_table_says() -> Result {
    HAPROXY.a_program_that_is_away_is_told_as_the_table_says().await
}

#[tokio::test]
async fn compression_of_everything_leaves_streams_alone() -> Result {
    HAPROXY
        .compression_leaves_streams_alone(|text| {
            text.replace("backend push\n", "backend push\n    compression algo gzip\n")
        })
        .await
}
