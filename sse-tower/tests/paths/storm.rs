//! Many at once, on several workers: nothing is lost, doubled or out of order.

use std::collections::HashSet;

use sse_tower::{Emitters, History};

use crate::{Path, common::Wire};

const PUBLISHERS: usize = 4;
const EVENTS_EACH: usize = 250;
const CLIENTS: usize = 30;

/// Reads events until all have come, going away in the middle of things again and again.
async fn reads_everything(address: std::net::SocketAddr, client: usize) -> Vec<String> {
    let mut last = String::new();
    let mut got = Vec::new();
    for round in 0.. {
        let headers =
            if last.is_empty() { String::new() } else { format!("Last-Event-ID: {last}\r\n") };
        let mut wire = Wire::get(address, "/events?key=1", &headers).await;
        // Somewhere inside an event, more often than not.
        let enough = 2_000 + 977 * ((client + round) % 17);
        let mut seen = 0;
        loop {
            // A chunk's own lines are between events, never inside one.
            while let Some(at) = wire.got[seen..].find("\n\n") {
                let event = &wire.got[seen..seen + at];
                let field = |name| event.rsplit('\n').find_map(|line| line.strip_prefix(name));
                if let (Some(data), Some(id)) = (field("data:"), field("id:")) {
                    got.push(data.to_owned());
                    id.clone_into(&mut last);
                }
                seen += at + 2;
            }
            if got.len() == PUBLISHERS * EVENTS_EACH {
                return got;
            }
            if wire.got.len() > enough && round < 8 {
                break;
            }
            wire.some().await;
        }
    }
    got
}

async fn storm(path: Path) {
    let history = History::events(PUBLISHERS * EVENTS_EACH).bytes(1 << 20);
    let emitters = Emitters::builder().history(history).build();
    let app = path.start_with(emitters, |r| r, |l| l, |s| s).await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(reads_everything(app.server.address, client)))
        .collect();
    crate::until(|| app.emitters.len() > CLIENTS / 2).await;
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let emitters = app.emitters.clone();
            tokio::spawn(async move {
                for n in 0..EVENTS_EACH {
                    emitters.send(&1, format!("{publisher}-{n}")).await.unwrap();
                    if n % 10 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut all = Vec::new();
    for client in clients {
        let read = tokio::time::timeout(crate::common::PATIENCE, client);
        all.push(read.await.expect("everything comes").unwrap());
    }
    assert_eq!(all[0].iter().collect::<HashSet<_>>().len(), PUBLISHERS * EVENTS_EACH);
    // All see one order, whoever published and however often they went away.
    assert!(all.iter().all(|got| *got == all[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn clients_that_come_and_go_all_see_everything_in_one_order() {
    for path in [Path::Http, Path::Direct] {
        storm(path).await;
    }
}
