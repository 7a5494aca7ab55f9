//! lighttpd, set up as the guide says.

use sse_tower_tests::Result;

use crate::guide;
use crate::row::{Kind, without};

const LIGHTTPD: Kind = Kind {
    name: "lighttpd",
    command: "lighttpd",
    arguments: &["-D", "-f", "{}"],
    configure: |place, program| {
        let to = format!("\"port\" => {}", program.port());
        let guide = guide::configuration("lighttpd", &[("\"port\" => 8080", &to)])?;
        Ok(format!(
            "server.bind = \"127.0.0.1\"\nserver.port = {}\nserver.document-root = \"{}\"\n{guide}",
            place.port,
            place.folder.display(),
        ))
    },
};

#[tokio::test]
async fn events_pass_at_once() -> Result {
    LIGHTTPD.events_pass_at_once().await
}

#[tokio::test]
async fn a_client_that_leaves_is_known_as_the_table_says() -> Result {
    LIGHTTPD.a_client_that_leaves_is_known_as_the_table_says().await
}

#[tokio::test]
async fn while_the_program_is_away_a_browser_is_told_what_the_table_says() -> Result {
    LIGHTTPD.a_program_that_is_away_is_told_as_the_table_says().await
}

#[tokio::test]
async fn without_its_line_it_collects_the_whole_stream() -> Result {
    LIGHTTPD.holds_events(|text| without(&text, "server.stream-response-body = 1")).await
}
