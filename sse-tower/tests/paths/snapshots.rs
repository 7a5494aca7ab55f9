//! The state first, then what changes.

use std::{
    io::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use sse_tower::{Drain, Emitters, EmittersBuilder, History, LastEventId, Lease, Second, SseLayer};
use tokio::sync::Semaphore;

use crate::{
    App, Path,
    common::{self, Wire},
    on_both, until,
};

const HOUR: Duration = Duration::from_secs(3600);

/// What pages show, and how often it was asked for. Reading it waits until it may.
#[derive(Clone)]
struct Site {
    number: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    may_read: Arc<Semaphore>,
}

/// Runs as long as this is there.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Site {
    fn quick() -> Self {
        Self::reading(1 << 20)
    }

    fn slow() -> Self {
        Self::reading(0)
    }

    fn reading(times: usize) -> Self {
        let may_read = Arc::new(Semaphore::new(times));
        Self { number: Arc::default(), asked: Arc::default(), running: Arc::default(), may_read }
    }

    async fn state(self, key: u64) -> Result<String, Error> {
        self.asked.fetch_add(1, SeqCst);
        self.running.fetch_add(1, SeqCst);
        let _running = Running(Arc::clone(&self.running));
        self.may_read.acquire().await.unwrap().forget();
        if key == FAILS {
            return Err(Error::other("no database"));
        }
        Ok(format!("state {} of {key}", self.number.load(SeqCst)))
    }

    fn builder(&self) -> EmittersBuilder<u64> {
        let site = self.clone();
        Emitters::builder().snapshot(move |key| site.clone().state(key))
    }

    async fn start(&self, path: Path) -> App {
        let emitters = self.builder().build();
        path.start_with(emitters, |r| r, |l| l.keep_alive(HOUR), |s| s).await
    }

    async fn change(&self, app: &App, key: u64) {
        let number = self.number.fetch_add(1, SeqCst) + 1;
        app.send(key, &format!("change {number} of {key}")).await;
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// Waits until the function is asked for the state.
    async fn is_asked(&self) {
        until(|| self.running.load(SeqCst) == 1).await;
    }

    /// Waits until nobody wants the state any more.
    async fn is_left(&self) {
        until(|| self.running.load(SeqCst) == 0).await;
    }
}

/// The key whose state cannot be had.
const FAILS: u64 = 500;

/// The id of the newest event.
fn last_id(wire: &Wire) -> String {
    let last = wire.got.lines().rev().find_map(|line| line.strip_prefix("id:"));
    format!("Last-Event-ID: {}\r\n", last.unwrap().trim())
}

on_both! {
    async fn the_head_comes_first_then_the_state_then_what_changes(path) {
        let site = Site::slow();
        let app = site.start(path).await;
        let mut client = app.open(1).await;
        site.is_asked().await;
        site.change(&app, 1).await;
        assert!(!client.got.contains("data:"), "{}", client.got);
        site.may_read.add_permits(1);
        let got = client.until("data:change 1 of 1\n").await;
        assert!(got.contains("data:state 1 of 1\n"), "{got}");
        assert!(got.find("state 1 of 1") < got.find("change 1 of 1"), "{got}");
        site.change(&app, 1).await;
        client.until("data:change 2 of 1\n").await;
        assert_eq!(site.asked(), 1);
    }
}

on_both! {
    async fn a_client_that_can_go_on_gets_what_it_missed_and_no_state(path) {
        let site = Site::quick();
        let app = site.start(path).await;
        let mut client = app.open(1).await;
        client.until("data:state 0 of 1\n").await;
        let seen = last_id(&client);
        drop(client);
        site.change(&app, 1).await;
        common::open(&app.context, 0).await;
        let mut client = app.open_with(1, &seen).await;
        let got = client.until("data:change 1 of 1\n").await;
        assert!(!got.contains("state "), "{got}");
        drop(client);
        common::open(&app.context, 0).await;
        // A position of another life means nothing here.
        let mut client = app.open_with(1, "Last-Event-ID: 1.feed.17\r\n").await;
        let got = client.until("data:state ").await;
        assert!(!got.contains("stream-reset"), "{got}");
    }
}

on_both! {
    async fn all_who_come_while_the_state_is_read_share_one_run(path) {
        let site = Site::slow();
        let app = site.start(path).await;
        let mut clients = Vec::new();
        for _ in 0..30 {
            clients.push(app.open(1).await);
        }
        site.is_asked().await;
        // Whoever drives it leaves; another takes over.
        drop(clients.remove(0));
        common::open(&app.context, 29).await;
        site.may_read.add_permits(1);
        for client in &mut clients {
            client.until("data:state 0 of 1\n").await;
        }
        assert_eq!(site.asked(), 1);
    }
}

on_both! {
    async fn of_several_keys_all_states_come_before_any_change(path) {
        let site = Site::slow();
        let emitters = site.builder().build();
        let streams = emitters.clone();
        let several = move |last: LastEventId| async move { streams.connect_many([1, 2, 3], last) };
        let router = |router: Router| router.route("/several", get(several));
        let app = path.start_with(emitters, router, |l| l, |s| s).await;
        let mut client = Wire::get(app.server.address, "/several", "").await;
        client.until("\r\n\r\n").await;
        until(|| site.running.load(SeqCst) == 3).await;
        site.change(&app, 2).await;
        site.may_read.add_permits(3);
        let got = client.until("data:change 1 of 2\n").await;
        for key in 1..=3 {
            let state = got.find(&format!("data:state 1 of {key}\n"));
            assert!(state.is_some() && state < got.find("data:change"), "{got}");
        }
        assert_eq!(site.asked(), 3);
    }
}

on_both! {
    async fn at_a_key_for_one_the_second_gets_the_state_and_the_first_the_end(path) {
        let site = Site::slow();
        let emitters = site.builder().one_per_key(Second::Replaces).build();
        let app = path.start_with(emitters, |r| r, |l| l, |s| s).await;
        let mut first = app.open(1).await;
        site.is_asked().await;
        let mut second = Wire::get(app.server.address, "/events?key=1", "").await;
        let got = first.at_body_end().await;
        assert!(got.contains("\"reason\":\"replaced\""), "{got}");
        assert!(!got.contains("state "), "{got}");
        site.may_read.add_permits(1);
        second.until("data:state 0 of 1\n").await;
    }
}

on_both! {
    async fn a_complete_key_gives_its_state_and_the_end(path) {
        let site = Site::slow();
        let app = site.start(path).await;
        let mut client = app.open(1).await;
        site.is_asked().await;
        site.change(&app, 1).await;
        app.emitters.complete(&1);
        site.may_read.add_permits(2);
        let got = client.at_body_end().await;
        assert!(got.find("data:state 1 of 1\n") < got.find("data:change 1 of 1\n"), "{got}");
        assert!(got.contains("data:state 1 of 1\n"), "{got}");
        // Once it is complete, too.
        let mut late = Wire::get(app.server.address, "/events?key=1", "").await;
        let got = late.at_body_end().await;
        assert!(got.contains("data:state 1 of 1\n"), "{got}");
        let seen = last_id(&late);
        let mut again = Wire::get(app.server.address, "/events?key=1", &seen).await;
        again.until("\r\n\r\n").await;
        assert_eq!(again.status(), "204");
    }
}

on_both! {
    async fn a_lease_that_ends_while_the_state_is_read_ends_the_stream(path) {
        let (site, lease) = (Site::slow(), Lease::new());
        let given = lease.clone();
        let layer = |l: SseLayer| l.lease(move |_| Some(given.clone()));
        let app = path.start_with(site.builder().build(), |r| r, layer, |s| s).await;
        let mut client = app.open(1).await;
        site.is_asked().await;
        lease.revoke();
        let got = client.at_body_end().await;
        assert!(got.contains("\"cause\":\"revoked\""), "{got}");
        assert!(!got.contains("id:"), "it has no state to go on from: {got}");
        site.is_left().await;
    }
}

on_both! {
    async fn a_drain_does_not_wait_for_a_state(path) {
        let site = Site::slow();
        let mut app = site.start(path).await;
        let mut client = app.open(1).await;
        site.is_asked().await;
        app.server.leave();
        let got = client.at_body_end().await;
        assert!(got.contains("event:stream-bye\ndata:{\"reason\":\"drained\"}"), "{got}");
        assert!(!got.contains("id:"), "it has no state to go on from: {got}");
        app.server.over().await;
        site.is_left().await;
    }
}

on_both! {
    async fn a_head_request_asks_for_no_state(path) {
        let site = Site::quick();
        let app = site.start(path).await;
        let request = "HEAD /events?key=1 HTTP/1.1\r\nHost: t\r\n\r\n";
        let mut client = Wire::send(app.server.address, request).await;
        client.until("\r\n\r\n").await;
        assert_eq!(client.status(), "200");
        // And the connection can be used further.
        client.again("GET /plain HTTP/1.1\r\nHost: t\r\n\r\n").await;
        client.until("plain").await;
        assert_eq!(site.asked(), 0);
        app.open(1).await.until("data:state 0 of 1\n").await;
        assert_eq!(site.asked(), 1);
    }
}

on_both! {
    async fn a_function_that_fails_ends_those_who_wait_and_nobody_else(path) {
        let site = Site::slow();
        let app = site.start(path).await;
        let (mut one, mut other) = (app.open(FAILS).await, app.open(FAILS).await);
        site.is_asked().await;
        site.may_read.add_permits(1);
        for client in [&mut one, &mut other] {
            client.at_end().await;
            let got = &client.got;
            assert!(!got.contains("\r\n0\r\n\r\n"), "not a whole body: {got}");
            assert!(got.contains("event:stream-bye\n"), "{got}");
            assert!(got.contains("data:{\"reason\":\"failed\"}\n\n"), "{got}");
            let retry = got.lines().find_map(|line| line.strip_prefix("retry:"));
            let retry: u64 = retry.unwrap().parse().unwrap();
            assert!((2_000..=10_000).contains(&retry), "{got}");
            assert!(!got.contains("id:"), "{got}");
        }
        site.may_read.add_permits(1);
        app.open(1).await.until("data:state 0 of 1\n").await;
    }
}

on_both! {
    async fn nobody_runs_it_once_all_who_wait_have_left(path) {
        let site = Site::slow();
        let app = site.start(path).await;
        let client = app.open(1).await;
        site.is_asked().await;
        client.reset();
        site.is_left().await;
    }
}

on_both! {
    async fn a_client_that_did_not_read_gets_the_state_instead_of_what_it_missed(path) {
        let site = Site::quick();
        let emitters = site.builder().history(History::events(2)).backlog(4, 1 << 20).build();
        let drain = Drain::new().deadline(HOUR);
        let app = path.start_with(emitters, |r| r, |l| l, |s| s.drain(drain)).await;
        let mut client = app.open(1).await;
        client.until("data:state 0 of 1\n").await;
        for _ in 0..300 {
            app.send(1, &"x".repeat(50_000)).await;
            tokio::task::yield_now().await;
        }
        site.number.store(300, SeqCst);
        let got = client.until("data:state 300 of 1\n").await;
        assert!(!got.contains("stream-gap"), "it has the state instead");
        site.change(&app, 1).await;
        client.until("data:change 301 of 1\n").await;
    }
}
