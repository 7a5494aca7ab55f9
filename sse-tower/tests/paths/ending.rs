//! How streams end, and who hears of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use sse_tower::{CloseReason, Drain, Emitters, Lease, Limits, SseEmitter};

use crate::{Path, common, on_both, until};

/// A route whose stream tells how it ended.
fn told(router: Router, ended: &Arc<Mutex<Vec<CloseReason>>>, timeout: Duration) -> Router {
    let ended = ended.clone();
    let stream = move || async move {
        let emitter = SseEmitter::builder().timeout(timeout).build();
        emitter.on_completion(move |reason| ended.lock().unwrap().push(reason));
        let kept = emitter.clone();
        // Somebody may still send.
        emitter.on_completion(move |_| drop(kept));
        emitter
    };
    router.route("/told", get(stream))
}

const HOUR: Duration = Duration::from_secs(3600);

on_both! {
    async fn a_client_that_leaves_is_noticed_at_once_without_a_write(path) {
        let ended = Arc::default();
        let app = path
            .start_with(Emitters::new(), |r| told(r, &ended, HOUR), |l| l.keep_alive(HOUR), |s| s)
            .await;
        let mut client = common::Wire::get(app.server.address, "/told", "").await;
        client.until("\r\n\r\n").await;
        common::open(&app.context, 1).await;
        drop(client);
        common::open(&app.context, 0).await;
        until(|| *ended.lock().unwrap() == [CloseReason::ClientGone]).await;
    }
}

on_both! {
    async fn a_client_that_leaves_in_the_middle_of_events_is_noticed(path) {
        let app = path.start().await;
        let client = app.open(1).await;
        let mut other = app.open(1).await;
        app.send(1, "one").await;
        drop(client);
        app.send(1, "two").await;
        common::open(&app.context, 1).await;
        app.send(1, "three").await;
        other.until("data:three\n").await;
    }
}

on_both! {
    async fn a_stream_whose_time_is_over_ends(path) {
        let ended = Arc::default();
        let soon = Duration::from_millis(30);
        let app =
            path.start_with(Emitters::new(), |r| told(r, &ended, soon), |l| l, |s| s).await;
        let mut client = common::Wire::get(app.server.address, "/told", "").await;
        client.at_body_end().await;
        until(|| *ended.lock().unwrap() == [CloseReason::TimedOut]).await;
    }
}

on_both! {
    async fn completing_a_key_ends_its_streams_and_no_others(path) {
        let app = path.start().await;
        let (mut one, mut two) = (app.open(1).await, app.open(2).await);
        app.send(1, "last").await;
        app.emitters.complete(&1);
        assert!(one.at_body_end().await.contains("data:last\n"));
        common::open(&app.context, 1).await;
        app.send(2, "on").await;
        two.until("data:on\n").await;
    }
}

on_both! {
    async fn a_drain_says_goodbye_and_the_server_returns(path) {
        let drain = Drain::new().slices(100_000).deadline(HOUR);
        let mut app = path.start_with(Emitters::new(), |r| r, |l| l, |s| s.drain(drain)).await;
        let mut clients = Vec::new();
        for key in 0..5 {
            clients.push(app.open(key).await);
        }
        app.server.leave();
        for client in &mut clients {
            client.at_body_end().await;
            assert!(client.got.contains("event:stream-bye\ndata:{\"reason\":\"drained\"}"));
            client.at_end().await;
        }
        app.server.over().await;
    }
}

on_both! {
    async fn a_connection_that_waits_for_a_request_is_closed_when_the_server_leaves(path) {
        let mut app = path.start().await;
        let mut client = app.open(1).await;
        app.emitters.complete(&1);
        client.at_body_end().await;
        app.server.leave();
        client.at_end().await;
        app.server.over().await;
    }
}

on_both! {
    async fn a_stream_that_takes_nothing_any_more_is_cut_at_the_deadline(path) {
        let drain = Drain::new().deadline(Duration::from_millis(300));
        let mut app = path.start_with(Emitters::new(), |r| r, |l| l, |s| s.drain(drain)).await;
        let _deaf = app.open(1).await;
        for _ in 0..300 {
            app.send(1, &"x".repeat(50_000)).await;
            tokio::task::yield_now().await;
        }
        app.server.leave();
        app.server.over().await;
        common::open(&app.context, 0).await;
    }
}

on_both! {
    async fn dropping_the_server_cuts_every_stream(path) {
        let app = path.start().await;
        let mut client = app.open(1).await;
        app.server.abort();
        client.at_end().await;
        assert!(!client.got.contains("stream-bye"));
        common::open(&app.context, 0).await;
    }
}

on_both! {
    async fn a_lease_that_is_revoked_ends_its_stream(path) {
        let lease = Lease::new();
        let given = lease.clone();
        let app = path
            .start_with(Emitters::new(), |r| r, |l| l.lease(move |_| Some(given.clone())), |s| s)
            .await;
        let mut client = app.open(1).await;
        lease.revoke();
        let got = client.at_body_end().await;
        assert!(got.contains("\"cause\":\"revoked\""), "{got}");
    }
}

on_both! {
    async fn a_stream_over_the_limit_replaces_the_oldest(path) {
        let limits = Limits::new().per_key(1, |_| Some("all".to_owned()));
        let limits = limits.at_limit(sse_tower::AtLimit::EndOldest);
        let app = path.start_with(Emitters::new(), |r| r, |l| l.limit(limits), |s| s).await;
        let mut first = app.open(1).await;
        let mut second = common::Wire::get(app.server.address, "/events?key=1", "").await;
        second.until("\r\n\r\n").await;
        let got = first.at_body_end().await;
        assert!(got.contains("\"reason\":\"replaced\""), "{got}");
        app.send(1, "on").await;
        second.until("data:on\n").await;
    }
}

on_both! {
    async fn a_connection_whose_stream_was_drained_does_not_wait_for_the_others(path) {
        let drain = Drain::new().slices(1).deadline(HOUR);
        let mut app = path.start_with(Emitters::new(), |r| r, |l| l, |s| s.drain(drain)).await;
        let (mut first, _others) = (app.open(1).await, [app.open(2).await, app.open(3).await]);
        app.server.leave();
        first.at_end().await;
        assert!(!app.context.streams().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_all_the_time_can_be_dropped() {
    for path in [Path::Http, Path::Direct] {
        let app = path.start().await;
        let mut clients = Vec::new();
        for _ in 0..40 {
            clients.push(app.open(1).await);
        }
        let (emitters, stop) = (app.emitters.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let busy = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                drop(emitters.send(&1, "event"));
            }
        });
        clients[39].until("data:event\n").await;
        app.server.abort();
        common::open(&app.context, 0).await;
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    }
}

/// What clients say before their stream is over, by the way it is said.
const SAID: [&[u8]; 4] = [b"", b"\r\n", b"GET /plain HTTP/1.1\r\nHost: t\r\n\r\n", &[b'x'; 20_000]];

on_both! {
    async fn a_client_that_leaves_is_noticed_at_once_whatever_it_has_said_before(path) {
        let layer = |l: sse_tower::SseLayer| l.keep_alive(HOUR);
        let app = path.start_with(Emitters::new(), |r| r, layer, |s| s).await;
        for said in SAID {
            for reset in [false, true] {
                let mut client = app.open(1).await;
                client.say(said).await;
                if reset { client.reset() } else { drop(client) }
                common::open(&app.context, 0).await;
            }
        }
    }
}

on_both! {
    async fn a_client_that_says_something_and_stays_gets_its_events_and_then_its_answer(path) {
        let app = path.start().await;
        let mut client = app.open(1).await;
        client.say(b"GET /plain HTTP/1.1\r\nHost: t\r\n\r\n").await;
        app.send(1, "one").await;
        client.until("data:one\n").await;
        app.emitters.complete(&1);
        let got = client.until("plain").await;
        assert!(got.contains("\r\n0\r\n\r\nHTTP/1.1 200 OK"), "{got}");
    }
}

on_both! {
    async fn a_client_that_says_far_too_much_is_hung_up_on(path) {
        let app = path.start().await;
        let mut client = app.open(1).await;
        client.say(&[b'x'; 200_000]).await;
        common::open(&app.context, 0).await;
    }
}

/// A stream that has `half` an answer, and ends this way.
fn half(router: Router, fails: bool) -> Router {
    router.route(
        "/half",
        get(move || async move {
            let emitter = SseEmitter::new();
            emitter.try_send("half").unwrap();
            let ends = emitter.clone();
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                if fails { ends.complete_with_error("no more") } else { ends.complete() }
            });
            emitter
        }),
    )
}

const FAILED: &str = "event:stream-bye\ndata:{\"reason\":\"failed\"}\n\n";

on_both! {
    async fn a_stream_that_failed_says_so_and_its_body_is_not_complete(path) {
        for (fails, last) in [(false, "data:half\n\n"), (true, FAILED)] {
            let app = path
                .start_with(Emitters::new(), |r| half(r, fails), |l| l, |s| s)
                .await;
            let mut client = common::Wire::get(app.server.address, "/half", "").await;
            client.until(last).await;
            if fails {
                client.at_end().await;
            } else {
                client.at_body_end().await;
            }
            assert_eq!(client.got.contains(FAILED), fails, "{}", client.got);
            assert_eq!(client.got.contains("\r\n0\r\n\r\n"), !fails, "{}", client.got);
        }
    }
}

on_both! {
    async fn a_stream_whose_time_is_over_says_so(path) {
        let (ended, soon) = (Arc::default(), Duration::from_millis(30));
        let app =
            path.start_with(Emitters::new(), |r| told(r, &ended, soon), |l| l, |s| s).await;
        let mut client = common::Wire::get(app.server.address, "/told", "").await;
        let got = client.at_body_end().await;
        assert!(got.contains("event:stream-bye\ndata:{\"reason\":\"timed-out\"}\n\n"), "{got}");
    }
}

on_both! {
    async fn a_stream_that_no_layer_has_is_drained_all_the_same(path) {
        let context = common::context();
        let streams = Emitters::<u64>::new();
        let late = streams.clone();
        let late = move |last: sse_tower::LastEventId| async move { late.connect(1, last) };
        let late = Router::new().route("/late", get(late));
        let app = Router::new()
            .layer(sse_tower::SseLayer::new(context.clone()))
            .nest("/nested", late);
        let direct = path == Path::Direct;
        let mut server = common::serve_with(app, context.clone(), |server| {
            server.direct(direct).drain(Drain::new().deadline(HOUR))
        })
        .await;
        let mut client = common::Wire::event_source(server.address, "/nested/late").await;
        client.until("\r\n\r\n").await;
        assert_eq!(context.streams().len(), 1);
        server.leave();
        let got = client.at_body_end().await;
        assert!(got.contains("event:stream-bye\ndata:{\"reason\":\"drained\"}"), "{got}");
        server.over().await;
    }
}

on_both! {
    async fn a_client_that_has_posted_something_and_leaves_is_noticed_at_once(path) {
        let post = |router: Router| {
            let stream = |text: String| async move {
                let emitter = SseEmitter::new();
                emitter.try_send(text).unwrap();
                let kept = emitter.clone();
                tokio::spawn(async move { kept.closed().await });
                emitter
            };
            router.route("/post", axum::routing::post(stream))
        };
        let layer = |l: sse_tower::SseLayer| l.keep_alive(HOUR);
        let app = path.start_with(Emitters::new(), post, layer, |s| s).await;
        for said in SAID {
            let head = "POST /post HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello";
            let mut client = common::Wire::send(app.server.address, head).await;
            client.until("data:hello\n").await;
            client.say(said).await;
            client.reset();
            common::open(&app.context, 0).await;
        }
    }
}
