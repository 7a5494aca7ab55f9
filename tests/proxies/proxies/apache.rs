//! Apache, set up as the guide says.

use std::net::TcpListener;

use sse_tower_tests::Result;

use crate::guide;
use crate::row::{Kind, without};

/// Those that the guide names, and those that any Apache has.
const MODULES: [&str; 13] = [
    "mpm_event",
    "authz_core",
    "mime",
    "filter",
    "deflate",
    "proxy",
    "proxy_http",
    "proxy_balancer",
    "lbmethod_byrequests",
    "slotmem_shm",
    "headers",
    "setenvif",
    "dir",
];

const APACHE: Kind = Kind {
    name: "Apache",
    command: "apache2",
    arguments: &["-D", "FOREGROUND", "-d", "{folder}", "-f", "{}"],
    configure: |place, program| {
        let away = place.path("away");
        std::fs::create_dir_all(&away)?;
        std::fs::write(format!("{away}/away.txt"), "retry: 3000\n")?;
        let second = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string();
        let second = second.as_str();
        let guide = guide::configuration(
            "Apache",
            &[
                ("Listen 127.0.0.1:8079", &format!("Listen {second}")),
                ("VirtualHost *:80", &format!("VirtualHost 127.0.0.1:{}", place.port)),
                ("VirtualHost 127.0.0.1:8079", &format!("VirtualHost {second}")),
                ("http://127.0.0.1:8079", &format!("http://{second}")),
                ("127.0.0.1:8080", &program.to_string()),
                ("/var/www/away", &away),
            ],
        )?;
        let load = MODULES.map(|name| {
            format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
        });
        Ok(format!(
            "{}ServerName localhost\nPidFile {}\nErrorLog {}\nDefaultRuntimeDir {}\n\
             User www-data\nGroup www-data\nTypesConfig /dev/null\nStartServers 1\n\
             Listen 127.0.0.1:{}\n{guide}",
            load.concat(),
            place.path("pid"),
            place.path("errors"),
            place.folder.display(),
            place.port,
        ))
    },
};

#[tokio::test]
async fn events_pass_at_once() -> Result {
    APACHE.events_pass_at_once().await
}

#[tokio::test]
async fn a_client_that_leaves_is_known_as_the_table_says() -> Result {
    APACHE.a_client_that_leaves_is_known_as_the_table_says().await
}

#[tokio::test]
async fn while_the_program_is_away_a_browser_is_told_what_the_table_says() -> Result {
    APACHE.a_program_that_is_away_is_told_as_the_table_says().await
}

#[tokio::test]
async fn compression_of_everything_leaves_streams_alone() -> Result {
    let everything = |text: String| text.replace("ProxyPass", "SetOutputFilter DEFLATE\nProxyPass");
    APACHE.compression_leaves_streams_alone(everything).await?;
    let unguarded =
        |text: String| everything(without(&text, "SetEnvIf Request_URI ^/push no-gzip"));
    APACHE.compresses_each_event(unguarded).await
}
