//! One process and its file, which is killed and started again.

use std::{path::Path, process::Command, time::Duration};

use engine_servers::{Child, wanted};
use sse_tower_backplane::open;
use sse_tower_core::ApplicationContext;
use tempfile::TempDir;

use super::{
    journal::Journal,
    worker::{Job, Paid, listener},
};

const EVENTS: u32 = 400;
const CONCURRENCY: u32 = 4;
const LONG: Duration = Duration::from_secs(120);

/// Not a test: the process. It publishes if there is no file yet, and says so once all is stored.
#[test]
fn has_a_file_if_it_is_told_to() {
    let Ok(folder) = std::env::var("DURABLE_FOLDER") else { return };
    let folder = Path::new(&folder);
    let file = folder.join("events.redb");
    let publishes = !file.exists();
    let takes = Duration::from_millis(50);
    let url = format!("redb:{}", file.display());
    let job = Job { takes, concurrency: CONCURRENCY, ..Job::new(url) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let backplane = open(&job.url).await.unwrap();
        let context = ApplicationContext::bare()
            .backplane(&backplane)
            .listener(listener(&job, Journal::at(&folder.join("journal"))))
            .build()
            .unwrap();
        if publishes {
            let all: Vec<_> =
                (0..EVENTS).map(|order| context.publish_event(Paid { order })).collect();
            for publication in all {
                publication.await.unwrap();
            }
            std::fs::write(folder.join("stored"), "").unwrap();
        }
        std::future::pending::<()>().await;
        drop(context);
    });
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["file::has_a_file_if_it_is_told_to", "--exact", "--nocapture"]);
    Child::start(command.env("DURABLE_FOLDER", folder)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_goes_on_with_its_file_where_it_was() {
    if !wanted("redb") {
        return;
    }
    let folder = TempDir::with_prefix("sse-tower-durable-").unwrap();
    let journal = Journal::at(&folder.path().join("journal"));
    let mut process = start(folder.path());
    let stored = folder.path().join("stored");
    let some = |it: &Journal| stored.exists() && it.done().len() > 40;
    journal.until("some are done", LONG, some).await;
    process.kill();
    let before = journal.done().len();
    assert!(before < EVENTS as usize, "it was killed in the middle");
    let _again = start(folder.path());
    let all = |it: &Journal| it.done().len() == EVENTS as usize;
    journal.until("every one is done", LONG, all).await;
    // What ran when it was killed, and what was done and was not written down.
    let again = journal.begun_again();
    assert!(again <= 2 * CONCURRENCY as usize, "{again} began again");
}
