//! nginx, set up as the guide says.

use sse_tower_tests::Result;

use crate::guide;
use crate::row::{Kind, without};

const NGINX: Kind = Kind {
    name: "nginx",
    command: "nginx",
    arguments: &["-e", "stderr", "-p", "{folder}", "-c", "{}"],
    configure: |place, program| {
        let listen = format!("listen 127.0.0.1:{};", place.port);
        let to = program.to_string();
        let changes = [("listen 80;", listen.as_str()), ("127.0.0.1:8080", &to)];
        let guide = guide::configuration("nginx", &changes)?;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", place.path(kind)));
        Ok(format!(
            "daemon off;\nmaster_process off;\npid {};\nevents {{}}\n\
             http {{\naccess_log off;\n{}\n{guide}}}\n",
            place.path("pid"),
            temporary.concat(),
        ))
    },
};

#[tokio::test]
async fn events_pass_at_once() -> Result {
    NGINX.events_pass_at_once().await
}

#[tokio::test]
async fn a_client_that_leaves_is_known_as_the_table_says() -> Result {
    NGINX.a_client_that_leaves_is_known_as_the_table_says().await
}

#[tokio::test]
async fn while_the_program_is_away_a_browser_is_told_what_the_table_says() -> Result {
    NGINX.a_program_that_is_away_is_told_as_the_table_says().await
}

#[tokio::test]
async fn compression_of_everything_leaves_streams_alone() -> Result {
    let everything = |text: String| {
        text.replace("http {\n", "http {\ngzip on;\ngzip_types *;\ngzip_min_length 0;\n")
    };
    NGINX.compression_leaves_streams_alone(everything).await?;
    NGINX.compresses_each_event(|text| everything(without(&text, "gzip off;"))).await
}
