//! A rolling restart: each node leaves as it does for a deploy, and comes back, under load.

use std::time::Duration;

use rustix::process::Signal;
use sse_tower_tests::Result;
use tokio::time::sleep;

use super::cluster::{Cluster, on_nats, on_postgres, on_redis};

/// Load before and after each restart.
const LOAD: Duration = Duration::from_millis(400);
/// Twice around, so that every node also takes over from one that was restarted itself.
const ROUNDS: usize = 2;

async fn two_rolling_restarts(url: &str) -> Result {
    let mut cluster = Cluster::start(url).await?;
    for place in (0..cluster.nodes.len()).cycle().take(ROUNDS * cluster.nodes.len()) {
        sleep(LOAD).await;
        let exit = cluster.nodes[place].signal(Signal::TERM).await?;
        assert_eq!(exit.status.code(), Some(0), "{exit:?}, {}", cluster.nodes[place].log()?);
        cluster.nodes[place].start_again().await?;
    }
    sleep(LOAD).await;
    assert!(cluster.moves() >= ROUNDS * cluster.nodes.len(), "{} clients moved", cluster.moves());
    cluster.has_lost_nothing().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_a_rolling_restart_loses_and_doubles_nothing_and_resets_nobody() -> Result {
    on_redis(async |url| two_rolling_restarts(url).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_a_rolling_restart_loses_and_doubles_nothing_and_resets_nobody() -> Result {
    on_postgres(async |url| two_rolling_restarts(url).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_nats_a_rolling_restart_loses_and_doubles_nothing_and_resets_nobody() -> Result {
    on_nats(async |url| two_rolling_restarts(url).await).await
}
