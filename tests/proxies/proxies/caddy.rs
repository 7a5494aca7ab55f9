//! Caddy, set up as the guide says.

use sse_tower_tests::Result;

use crate::guide;
use crate::row::Kind;

const CADDY: Kind = Kind {
    name: "Caddy",
    command: "caddy",
    arguments: &["run", "--adapter", "caddyfile", "--config", "{}"],
    configure: |place, program| {
        let site = format!("http://127.0.0.1:{} {{", place.port);
        let to = program.to_string();
        let guide = guide::configuration("Caddy", &[(":80 {", &site), ("127.0.0.1:8080", &to)])?;
        // Its usual port for questions would be one for all of them.
        Ok(format!("{{\n    admin off\n}}\n{guide}"))
    },
};

#[tokio::test]
async fn events_pass_at_once() -> Result {
    CADDY.events_pass_at_once().await
}

#[tokio::test]
async fn a_client_that_leaves_is_known_as_the_table_says() -> Result {
    CADDY.a_client_that_leaves_is_known_as_the_table_says().await
}

#[tokio::test]
async fn while_the_program_is_away_a_browser_is_told_what_the_table_says() -> Result {
    CADDY.a_program_that_is_away_is_told_as_the_table_says().await
}

/// `encode` for what `matcher` says, however short and of whatever kind.
fn encoding(text: &str, matcher: &str) -> String {
    let rule =
        format!("{matcher} gzip {{\nminimum_length 1\nmatch {{\nheader Content-Type *\n}}\n}}\n");
    text.replace("handle /push*", &format!("{rule}handle /push*"))
}

#[tokio::test]
async fn compression_of_all_but_streams_leaves_streams_alone() -> Result {
    let but_streams = "@rest not path /push*\nencode @rest";
    CADDY.compression_leaves_streams_alone(|text| encoding(&text, but_streams)).await?;
    CADDY.holds_events(|text| encoding(&text, "encode")).await
}
