//! Schedules that one process at a time runs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sse_tower_core::{
    ApplicationContext, Drain, Schedule, WiringFault,
    backplane::{MemoryStore, Node, NodeOptions, memory::NodeFaults},
};
use tokio::time::{Instant, sleep};

use super::site::{HOUR, seconds};

/// Who ran, in order; and whether ever two at the same time.
#[derive(Clone, Default)]
struct Runs(Arc<(Mutex<Vec<&'static str>>, AtomicUsize)>);

impl Runs {
    fn all(&self) -> Vec<&'static str> {
        self.0.0.lock().unwrap().clone()
    }
    fn count(&self) -> usize {
        self.all().len()
    }
    fn last(&self) -> &'static str {
        self.all().last().unwrap()
    }
}

/// Under way, until it is dropped.
struct Inside(Runs);

impl Inside {
    fn enter(runs: &Runs, name: &'static str) -> Self {
        assert_eq!(runs.0.1.fetch_add(1, Ordering::SeqCst), 0, "{name} runs beside another");
        runs.0.0.lock().unwrap().push(name);
        Self(runs.clone())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.1.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A process with a report each minute, which takes a moment.
fn process(
    store: &MemoryStore,
    name: &'static str,
    runs: &Runs,
) -> (ApplicationContext, NodeFaults) {
    let runs = runs.clone();
    let report = Schedule::every(seconds(60)).once("report").id("report").run(move || {
        let inside = Inside::enter(&runs, name);
        async move {
            sleep(seconds(2)).await;
            drop(inside);
        }
    });
    let engine = store.engine();
    let faults = engine.faults();
    let node = Node::new(engine, NodeOptions::default());
    let context = ApplicationContext::bare().backplane(&node).schedule(report).build().unwrap();
    (context, faults)
}

#[tokio::test(start_paused = true)]
async fn one_of_two_processes_runs_it_each_time() {
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let (here, there) = (process(&store, "here", &runs), process(&store, "there", &runs));
    sleep(HOUR + seconds(30)).await;
    assert_eq!(runs.count(), 61, "one at once, and one each minute");
    let first = runs.all()[0];
    assert!(runs.all().iter().all(|name| *name == first), "who has the turn keeps it");
    here.0.settled().await;
    there.0.settled().await;
}

#[tokio::test(start_paused = true)]
async fn when_its_process_dies_another_goes_on() {
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let here = process(&store, "here", &runs);
    sleep(seconds(5)).await;
    let there = process(&store, "there", &runs);
    sleep(seconds(600)).await;
    assert_eq!((runs.count(), runs.last()), (11, "here"));
    here.1.away();
    let died = Instant::now();
    while runs.last() == "here" {
        sleep(Duration::from_millis(100)).await;
    }
    assert!(died.elapsed() < seconds(16), "{:?}", died.elapsed());
    let before = runs.count();
    sleep(seconds(600)).await;
    assert_eq!(runs.count() - before, 10);
    assert!(runs.all()[before..].iter().all(|name| *name == "there"));
    here.1.back();
    sleep(seconds(600)).await;
    assert_eq!(runs.last(), "there", "and keeps it when the first one is back");
    drop(there);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_drains_finishes_its_run_and_hands_over() {
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let here = process(&store, "here", &runs);
    sleep(seconds(5)).await;
    let there = process(&store, "there", &runs);
    sleep(seconds(56)).await; // a run is under way
    let began = Instant::now();
    here.0.drain().with(Drain::new().deadline(seconds(30))).await;
    assert!(began.elapsed() < seconds(4), "{:?}", began.elapsed());
    sleep(seconds(3)).await;
    assert_eq!(runs.all(), ["here", "here", "there"]);
    drop(there);
}

#[tokio::test(start_paused = true)]
async fn many_processes_come_and_go_and_leave_nothing_behind() {
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let mut processes = vec![process(&store, "a", &runs), process(&store, "b", &runs)];
    for _ in 0..20 {
        processes.push(process(&store, "c", &runs));
        sleep(seconds(40)).await;
        processes.remove(0).0.drain().await;
    }
    let stats = processes[0].0.listeners().await.unwrap();
    assert_eq!(&*stats[0].listener, "schedule:report");
    assert_eq!((stats[0].running, stats[0].backlog, stats[0].waiting), (1, 0, 0));
    assert_eq!(stats[0].dead, 0);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_when_the_store_lost_its_past() {
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let nothing = store.faults().snapshot();
    let _here = process(&store, "here", &runs);
    sleep(seconds(90)).await;
    store.faults().restore(&nothing);
    sleep(seconds(120)).await;
    let before = runs.count();
    sleep(seconds(600)).await;
    assert_eq!(runs.count() - before, 10);
}

#[tokio::test(start_paused = true)]
async fn a_turn_keeps_no_context_alive() {
    let (store, runs) = (MemoryStore::new(), Runs::default());
    let here = process(&store, "here", &runs);
    sleep(seconds(5)).await;
    let there = process(&store, "there", &runs);
    sleep(seconds(5)).await;
    drop(here.0);
    sleep(seconds(90)).await;
    assert_eq!(runs.last(), "there");
    drop(there);
}

#[tokio::test(start_paused = true)]
async fn without_a_backplane_it_is_simply_run() {
    let runs = Runs::default();
    let counted = runs.clone();
    let report = Schedule::every(seconds(60)).once("report").run(move || {
        drop(Inside::enter(&counted, "here"));
        async {}
    });
    let context = ApplicationContext::bare().schedule(report).build().unwrap();
    sleep(HOUR - seconds(1)).await;
    assert_eq!(runs.count(), 60);
    assert!(context.listeners().await.is_err(), "and there is no store for it");
}

#[tokio::test]
async fn two_functions_cannot_have_one_turn_and_the_graph_shows_whose_it_is() {
    let report = |id| Schedule::every(seconds(5)).once("report").id(id).run(|| async {});
    let error = ApplicationContext::bare()
        .schedule(report("one"))
        .schedule(report("two"))
        .build()
        .unwrap_err();
    let [WiringFault::Once { function: "two", name: "report", .. }] = error.faults() else {
        panic!("{error}")
    };
    let context = ApplicationContext::bare().schedule(report("one")).build().unwrap();
    assert!(context.graph().contains("[\"one, every 5s, on one node\"]"), "{}", context.graph());
}
