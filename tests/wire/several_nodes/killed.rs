//! `kill -9` of a node whose clients move to another, twelve times.

use std::time::Duration;

use sse_tower_tests::{Result, eventually};
use tokio::time::sleep;

use super::cluster::{Cluster, on_nats, on_postgres, on_redis};

const KILLS: usize = 12;
/// Load between two kills.
const LOAD: Duration = Duration::from_millis(250);

async fn twelve_kills(url: &str) -> Result {
    let mut cluster = Cluster::start(url).await?;
    for kill in 0..KILLS {
        sleep(LOAD).await;
        let before = cluster.moves();
        let place = kill % cluster.nodes.len();
        cluster.nodes[place].kill().await?;
        eventually("its clients notice", async || {
            let moves = cluster.moves();
            Ok(if moves > before { Ok(()) } else { Err(moves.to_string()) })
        })
        .await?;
        // The others have the load alone for a while.
        sleep(LOAD).await;
        cluster.nodes[place].start_again().await?;
    }
    cluster.has_lost_nothing().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_twelve_nodes_are_killed_and_no_client_loses_or_doubles_an_event() -> Result {
    on_redis(async |url| twelve_kills(url).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_twelve_nodes_are_killed_and_no_client_loses_or_doubles_an_event() -> Result {
    on_postgres(async |url| twelve_kills(url).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_nats_twelve_nodes_are_killed_and_no_client_loses_or_doubles_an_event() -> Result {
    on_nats(async |url| twelve_kills(url).await).await
}
