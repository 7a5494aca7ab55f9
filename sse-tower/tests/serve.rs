//! `serve` on real sockets, with clients that are not ours.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    future::IntoFuture,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, response::Response, routing::get};
use bytes::Bytes;
use common::{PATIENCE, Wire, curl, read_until};
use sse_tower::{
    ApplicationContext, Drain, Emitters, LastEventId, SocketOptions, SseEmitter, SseLayer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{Instant, timeout},
};

fn app(context: &ApplicationContext) -> Router {
    Router::new()
        .route("/push", get(common::hello))
        .route("/plain", get(|| async { "plain" }))
        .route(
            "/who",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .layer(SseLayer::new(context.clone()).keep_alive(Duration::from_millis(100)))
}

/// The stream opens at once, is kept alive, and is complete after a drain.
async fn curl_streams(protocol: &[&str], status: &str) {
    let context = common::context();
    let mut server = common::serve(app(&context), context.clone()).await;
    let url = format!("http://{}/push", server.address);
    let mut arguments = protocol.to_vec();
    arguments.extend(["--header", "Accept: text/event-stream", &url]);
    let mut curl = curl(&arguments);
    let head = read_until(&mut curl, "data:hello\n\n").await;
    assert!(head.starts_with(status), "{head}");
    let lower = head.to_lowercase();
    assert!(lower.contains("\r\nx-accel-buffering: no\r\n"), "{head}");
    assert!(lower.contains("\r\ncontent-type: text/event-stream\r\n"), "{head}");
    read_until(&mut curl, "\n:\n").await;
    server.leave();
    let rest = read_until(&mut curl, "stream-bye\ndata:{\"reason\":\"drained\"}\n").await;
    assert!(rest.contains("retry:"), "{rest}");
    // 0 says that the response was complete, not cut.
    let left = timeout(PATIENCE, curl.wait()).await.expect("curl ends").unwrap();
    assert_eq!(left.code(), Some(0));
    server.over().await;
}

#[tokio::test]
async fn pain_1_a_stream_over_http1_opens_and_is_complete_after_a_drain() {
    curl_streams(&["--http1.1"], "HTTP/1.1 200 OK\r\n").await;
}

#[tokio::test]
async fn pain_1_a_stream_over_http2_by_prior_knowledge_opens_and_is_complete_after_a_drain() {
    curl_streams(&["--http2-prior-knowledge"], "HTTP/2 200 \r\n").await;
}

#[tokio::test]
async fn http2_is_spoken_with_a_client_whose_first_words_come_in_pieces() {
    let context = common::context();
    let server = common::serve(app(&context), context).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.set_nodelay(true).unwrap();
    for piece in ["P", "RI * HTTP/2.0\r\n", "\r\nSM\r\n\r\n", "\0\0\0\x04\0\0\0\0\0"] {
        client.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await; // so that they are read one by one
    }
    let mut head = [0; 9];
    timeout(PATIENCE, client.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!((head[3], &head[5..]), (4, &[0; 4][..]), "SETTINGS of the connection");
}

#[tokio::test]
async fn http2_can_be_switched_off() {
    let context = common::context();
    let server = common::serve_with(app(&context), context, |serve| serve.http2(false)).await;
    let url = format!("http://{}/plain", server.address);
    assert!(!curl(&["--http2-prior-knowledge", &url]).wait().await.unwrap().success());
    let mut curl = curl(&["--http1.1", &url]);
    read_until(&mut curl, "plain").await;
}

#[tokio::test]
async fn handlers_know_the_peers_address() {
    let context = common::context();
    let server = common::serve(app(&context), context).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    stream.write_all(b"GET /who HTTP/1.0\r\n\r\n").await.unwrap();
    let mut all = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut all)).await.unwrap().unwrap();
    assert!(all.ends_with(&format!("\r\n\r\n{own}")), "{all}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_served_as_well() {
    let context = common::context();
    let path = std::env::temp_dir().join(format!("sse-tower-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let app = app(&context).route(
        "/unix",
        get(|ConnectInfo(peer): ConnectInfo<tokio::net::unix::SocketAddr>| async move {
            peer.is_unnamed().to_string()
        }),
    );
    let server = tokio::spawn(
        sse_tower::serve(listener, app, context)
            .with_graceful_shutdown(std::future::pending())
            .into_future(),
    );
    let socket = path.to_str().unwrap();
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let mut stream = curl(&["--unix-socket", socket, protocol, "http://test/push"]);
        read_until(&mut stream, "data:hello\n\n").await;
    }
    let mut who = curl(&["--unix-socket", socket, "http://test/unix"]);
    read_until(&mut who, "true").await;
    server.abort();
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn any_tower_service_is_served() {
    let context = common::context();
    let service = tower::ServiceBuilder::new().layer(SseLayer::new(context.clone())).service_fn(
        |request: http::Request<hyper::body::Incoming>| async move {
            if request.uri().path() == "/fails" {
                return Err("no answer");
            }
            Ok(common::hello().await)
        },
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drained = context.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(
        sse_tower::serve(listener, service, context)
            .with_graceful_shutdown(async { drop(stopped.await) })
            .into_future(),
    );
    let mut failing = Wire::event_source(address, "/fails").await;
    assert_eq!(failing.at_end().await, "", "its error ends the connection, and no other");
    let mut client = Wire::event_source(address, "/push").await;
    client.until("data:hello\n\n").await;
    stop.send(()).unwrap();
    assert!(client.at_end().await.ends_with("\r\n0\r\n\r\n"));
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert!(!drained.is_ready());
}

#[tokio::test]
async fn pain_21_a_client_that_leaves_is_noticed_at_once_without_a_write() {
    let context = common::context();
    let app = Router::new()
        .route("/push", get(common::hello))
        .layer(SseLayer::new(context.clone()).keep_alive(Duration::from_secs(3600)));
    let server = common::serve(app, context.clone()).await;
    let mut client = Wire::event_source(server.address, "/push").await;
    client.until("data:hello\n\n").await;
    assert_eq!(context.streams().len(), 1);
    drop(client);
    common::open(&context, 0).await;

    let url = format!("http://{}/push", server.address);
    let mut second = curl(&["--http2-prior-knowledge", &url]);
    read_until(&mut second, "data:hello").await;
    second.kill().await.unwrap();
    common::open(&context, 0).await;
}

#[tokio::test]
async fn leaving_closes_idle_connections_and_finishes_what_is_in_flight() {
    let context = common::context();
    let (entered, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, wait) = (entered.clone(), finish.clone());
    let app = app(&context).route(
        "/slow",
        get(move || async move {
            enter.notify_one();
            wait.notified().await;
            "finished"
        }),
    );
    let mut server = common::serve(app, context.clone()).await;
    let mut idle = Wire::get(server.address, "/plain", "").await;
    idle.until("plain").await;
    let mut fresh = TcpStream::connect(server.address).await.unwrap();
    let mut slow = Wire::get(server.address, "/slow", "").await;
    entered.notified().await;
    server.leave();
    idle.at_end().await;
    assert_eq!(timeout(PATIENCE, fresh.read(&mut [0])).await.unwrap().unwrap(), 0);
    finish.notify_one();
    assert!(slow.at_end().await.ends_with("finished"));
    server.over().await;
}

#[tokio::test]
async fn new_streams_are_refused_politely_while_the_server_leaves() {
    let context = common::context();
    let mut server = common::serve_with(app(&context), context.clone(), |serve| {
        // One goodbye each half second.
        serve.drain(Drain::new().slices(2))
    })
    .await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = Wire::event_source(server.address, "/push").await;
        client.until("data:hello\n\n").await;
        open.push(client);
    }
    server.leave();
    open[0].until("stream-bye").await;

    let mut late = Wire::event_source(server.address, "/push").await;
    late.at_end().await;
    assert_eq!(late.status(), "200");
    assert!(
        late.got.contains("event:stream-bye\ndata:{\"reason\":\"refused\"}\n\n"),
        "{}",
        late.got
    );
    let mut fetch = Wire::get(server.address, "/push", "").await;
    fetch.at_end().await;
    assert_eq!(fetch.status(), "503");
    assert!(fetch.header("retry-after").is_some());
    let mut plain = Wire::get(server.address, "/plain", "").await;
    assert!(plain.at_end().await.contains("plain"), "other requests are still answered");

    assert!(!open[2].got.contains("stream-bye"), "its turn has not come");
    for client in &mut open {
        assert!(client.at_end().await.ends_with("\r\n0\r\n\r\n"));
    }
    server.over().await;
}

#[tokio::test]
async fn a_response_that_never_ends_is_cut_at_the_deadline() {
    let context = common::context();
    let app = app(&context).route("/hangs", get(std::future::pending::<()>));
    let mut server = common::serve_with(app, context.clone(), |serve| {
        serve.drain(Drain::new().deadline(Duration::from_millis(300)))
    })
    .await;
    let mut hanging = Wire::get(server.address, "/hangs", "").await;
    let mut plain = Wire::get(server.address, "/plain", "").await;
    plain.until("plain").await;
    let start = Instant::now();
    server.leave();
    assert_eq!(hanging.at_end().await, "");
    server.over().await;
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn who_says_nothing_is_hung_up_on() {
    for http2 in [true, false] {
        let context = common::context();
        let server = common::serve_with(app(&context), context.clone(), |serve| {
            serve.header_timeout(Duration::from_millis(100)).http2(http2)
        })
        .await;
        for said in ["", "P", "GET / HTTP/1.1\r\nHost:"] {
            let mut client = Wire::send(server.address, said).await;
            client.at_end().await;
        }
    }
}

#[tokio::test]
async fn a_request_head_longer_than_the_buffer_is_refused() {
    let context = common::context();
    let server = common::serve_with(app(&context), context, |s| s.buffer_bytes(1)).await;
    let long = format!("X: {}\r\n", "x".repeat(9000));
    let mut client = Wire::get(server.address, "/plain", &long).await;
    client.at_end().await;
    assert_eq!(client.status(), "431");
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_for_its_turn() {
    let context = common::context();
    let server = common::serve_with(app(&context), context, |s| s.max_connections(1)).await;
    let mut first = Wire::event_source(server.address, "/push").await;
    first.until("data:hello\n\n").await;
    let mut second = Wire::event_source(server.address, "/push").await;
    assert!(timeout(Duration::from_millis(50), second.until("HTTP/1.1 200")).await.is_err());
    drop(first);
    second.until("data:hello\n\n").await;
}

/// A stream of 64 KB events without an end, and how many bytes of it were taken.
fn flood(taken: Arc<AtomicUsize>) -> Router {
    let flood = move || {
        let taken = taken.clone();
        async move {
            let event = Bytes::from(format!("data:{}\n\n", "x".repeat(64 * 1024)));
            let events = futures_util::stream::repeat_with(move || {
                taken.fetch_add(event.len(), Ordering::Relaxed);
                Ok::<_, std::convert::Infallible>(event.clone())
            });
            Response::builder()
                .header("content-type", "text/event-stream")
                .body(Body::from_stream(events))
                .unwrap()
        }
    };
    Router::new().route("/flood", get(flood))
}

/// A client that asks and then reads nothing.
async fn deaf(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /flood HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    client
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn pain_10_a_peer_that_takes_nothing_any_more_is_given_up_after_the_user_timeout() {
    let context = common::context();
    let app = flood(Arc::default()).layer(SseLayer::new(context.clone()));
    let _server = common::serve_with(app, context.clone(), |serve| {
        serve.sockets(SocketOptions::new().user_timeout(Duration::from_millis(200)))
    })
    .await;
    let _deaf = deaf(_server.address).await;
    common::open(&context, 1).await;
    common::open(&context, 0).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_client_that_does_not_read_costs_is_bounded() {
    let context = common::context();
    let taken = Arc::new(AtomicUsize::new(0));
    let app = flood(taken.clone()).layer(SseLayer::new(context.clone()));
    let server = common::serve(app, context.clone()).await;
    let _deaf = deaf(server.address).await;
    common::open(&context, 1).await;
    let mut before = usize::MAX;
    while before != taken.load(Ordering::Relaxed) {
        before = taken.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What the receiving kernel takes is not ours to limit; an unlimited server takes 4 MB and more.
    assert!(before < 1_500_000, "{before} bytes were taken");
}

#[tokio::test]
async fn dropping_the_server_cuts_every_connection() {
    let context = common::context();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        tokio::spawn(sse_tower::serve(listener, app(&context), context.clone()).into_future());
    let mut client = Wire::event_source(address, "/push").await;
    client.until("data:hello\n\n").await;
    server.abort();
    client.at_end().await;
    assert!(!client.got.contains("stream-bye"));
    common::open(&context, 0).await;
}

#[tokio::test]
async fn a_connection_may_be_upgraded() {
    let context = common::context();
    let upgrade = |mut request: axum::extract::Request| async move {
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let mut io = hyper_util::rt::TokioIo::new(upgraded);
            let mut word = [0; 4];
            io.read_exact(&mut word).await.unwrap();
            io.write_all(&word).await.unwrap();
        });
        let response = Response::builder().status(101).header("upgrade", "echo");
        response.header("connection", "upgrade").body(Body::empty()).unwrap()
    };
    let app = app(&context).route("/upgrade", get(upgrade));
    let server = common::serve(app, context).await;
    let headers = "Connection: upgrade\r\nUpgrade: echo\r\n";
    let mut client = Wire::get(server.address, "/upgrade", headers).await;
    client.until("\r\n\r\n").await;
    assert_eq!(client.status(), "101");
    client.again("word").await;
    client.until("word").await;
}

#[tokio::test]
async fn a_failed_stream_is_reset_over_http2() {
    let context = common::context();
    let app = Router::new()
        .route(
            "/half",
            get(|| async {
                let emitter = SseEmitter::new();
                emitter.try_send("half").unwrap();
                emitter.complete_with_error("no more");
                emitter
            }),
        )
        .layer(SseLayer::new(context.clone()));
    let server = common::serve(app, context).await;
    let url = format!("http://{}/half", server.address);
    let output = curl(&["--http2-prior-knowledge", &url]).wait_with_output().await.unwrap();
    let got = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(got.contains("data:half\n\nevent:stream-bye\ndata:{\"reason\":\"failed\"}"), "{got}");
    // HTTP/2 stream was not closed cleanly.
    assert_eq!(output.status.code(), Some(92), "{got}");
}

#[tokio::test]
async fn a_head_that_is_longer_than_the_buffer_is_answered_431() {
    for (most, long, status) in
        [(64 * 1024, 100_000, "431"), (64 * 1024, 60_000, "200"), (256 * 1024, 100_000, "200")]
    {
        let context = common::context();
        let app = app(&context);
        let server = common::serve_with(app, context, |serve| serve.buffer_bytes(most)).await;
        let headers = format!("X-Long: {}\r\nConnection: close\r\n", "x".repeat(long));
        let mut client = Wire::get(server.address, "/plain", &headers).await;
        client.at_end().await;
        assert_eq!(client.status(), status, "{long} of {most}");
    }
}

#[tokio::test]
async fn half_a_head_does_not_delay_the_end() {
    let context = common::context();
    let hour = Duration::from_secs(3600);
    let mut server = common::serve_with(app(&context), context.clone(), |serve| {
        serve.header_timeout(hour).drain(Drain::new().deadline(hour))
    })
    .await;
    let mut fresh = Wire::send(server.address, "GET /plain HTTP/1.1\r\nHost: t").await;
    let mut second = Wire::get(server.address, "/plain", "").await;
    second.until("plain").await;
    second.again("GET /plain HTTP/1.1\r\nHo").await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut http2 = Wire::send(server.address, preface).await;
    http2.some().await;
    server.leave();
    server.over().await;
    for client in [&mut fresh, &mut second, &mut http2] {
        client.at_end().await;
    }
}

#[tokio::test]
async fn a_head_that_is_completed_in_time_is_answered_while_the_server_leaves() {
    let context = common::context();
    let mut server = common::serve(app(&context), context.clone()).await;
    let mut stream = Wire::event_source(server.address, "/push").await;
    stream.until("data:hello\n\n").await;
    let mut client = Wire::send(server.address, "GET /plain HTTP/1.1\r\nHost: t\r\n").await;
    let mut other = Wire::get(server.address, "/plain", "").await;
    other.until("plain").await;
    server.leave();
    client.say(b"\r\n").await;
    assert!(client.at_end().await.contains("plain"));
    server.over().await;
}

/// Blocks its thread for longer than any of these servers may take.
fn block() {
    std::thread::sleep(Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn code_that_blocks_every_worker_does_not_hold_serve_past_its_deadline() {
    let context = common::context();
    let _blocks = context.on(|_: &sse_tower::ContextDraining| block());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = sse_tower::serve(listener, app(&context), context.clone())
        .drain(Drain::new().deadline(Duration::from_millis(500)))
        .with_graceful_shutdown(std::future::ready(()));
    let start = Instant::now();
    server.await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_blocks_its_thread_does_not_hold_serve_past_its_deadline() {
    let context = common::context();
    let app = Router::new()
        .route(
            "/push",
            get(|| async {
                let emitter = SseEmitter::new();
                emitter.on_completion(|_| block());
                let kept = emitter.clone();
                tokio::spawn(async move { kept.closed().await });
                emitter
            }),
        )
        .layer(SseLayer::new(context.clone()));
    let mut server = common::serve_with(app, context.clone(), |serve| {
        serve.drain(Drain::new().deadline(Duration::from_millis(500)))
    })
    .await;
    let mut client = Wire::event_source(server.address, "/push").await;
    client.until("\r\n\r\n").await;
    let start = Instant::now();
    server.leave();
    server.over().await;
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn any_duration_is_one_that_a_server_can_be_run_with() {
    let (none, most) = (Duration::ZERO, Duration::MAX);
    for time in [none, most] {
        let context = common::context();
        let lease = sse_tower::Lease::new().check(|| true).check_every(time).expires_in(most);
        let layer = SseLayer::new(context.clone())
            .keep_alive(time)
            .refusal(sse_tower::Refusal::new().retry(none..=time))
            .lease(move |_| Some(lease.clone()));
        let own = move || async move {
            let emitter = SseEmitter::builder().keep_alive(time).timeout(most).retry(time).build();
            emitter.try_send("own").unwrap();
            let kept = emitter.clone();
            tokio::spawn(async move { kept.closed().await });
            emitter
        };
        let app =
            Router::new().route("/own", get(own)).route("/push", get(common::hello)).layer(layer);
        let mut server = common::serve_with(app, context, |serve| {
            let sockets = SocketOptions::new().keep_alive(time).user_timeout(time);
            // Nobody can send a head in no time.
            serve.header_timeout(time.max(Duration::from_secs(5))).sockets(sockets)
        })
        .await;
        let mut own = Wire::event_source(server.address, "/own").await;
        own.until("data:own\n\n").await;
        let mut foreign = Wire::event_source(server.address, "/push").await;
        foreign.until("data:hello\n\n").await;
        server.leave();
        server.over().await;
        for client in [&mut own, &mut foreign] {
            assert!(client.at_end().await.contains("stream-bye"));
        }
    }
}

#[tokio::test]
async fn under_axums_server_a_client_that_never_reads_is_gone_after_the_user_timeout() {
    let context = common::context();
    let emitters = Emitters::<u8>::new();
    let all = emitters.clone();
    let app = Router::new()
        .route("/push", get(move |last: LastEventId| async move { all.connect(1, last) }))
        .layer(SseLayer::new(context.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    SocketOptions::new().user_timeout(Duration::from_secs(1)).prepare(&listener).unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let mut stalled = Wire::event_source(address, "/push").await;
    stalled.until("\r\n\r\n").await;
    common::open(&context, 1).await;
    let text = "x".repeat(100_000);
    let gone = async {
        while !context.streams().is_empty() {
            emitters.send(&1, text.as_str()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("it is given up");
    server.abort();
}
