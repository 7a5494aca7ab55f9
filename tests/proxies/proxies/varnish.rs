//! Varnish, set up as the guide says.

use sse_tower_tests::Result;

use crate::guide;
use crate::row::{Kind, without};

const VARNISH: Kind = Kind {
    name: "Varnish",
    command: "varnishd",
    arguments: &[
        "-F",
        "-j",
        "none",
        "-T",
        "none",
        "-a",
        "127.0.0.1:{port}",
        "-n",
        "{folder}/work",
        "-s",
        "malloc,16m",
        "-f",
        "{}",
    ],
    configure: |_, program| {
        let port = program.port().to_string();
        guide::configuration("Varnish", &[("\"8080\"", &format!("{port:?}"))])
    },
};

#[tokio::test]
async fn events_pass_at_once() -> Result {
    VARNISH.events_pass_at_once().await
}

#[tokio::test]
async fn a_client_that_leaves_is_known_as_the_table_says() -> Result {
    VARNISH.a_client_that_leaves_is_known_as_the_table_says().await
}

#[tokio::test]
async fn while_the_program_is_away_a_browser_is_told_what_the_table_says() -> Result {
    VARNISH.a_program_that_is_away_is_told_as_the_table_says().await
}

#[tokio::test]
async fn compression_of_everything_leaves_streams_alone() -> Result {
    let everything = |text: String| {
        let begin = "sub vcl_backend_response {\n";
        text.replace(begin, &format!("{begin}    set beresp.do_gzip = true;\n"))
    };
    VARNISH.compression_leaves_streams_alone(everything).await?;
    VARNISH.holds_events(|text| everything(without(&text, "set beresp.do_gzip = false;"))).await
}
