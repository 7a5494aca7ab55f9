//! Over real sockets, with a server that is not ours.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use sse_tower_core::{CloseReason, Emitters, LastEventId, SseEmitter};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many events each client has to get.
const EVENTS: usize = 200;
/// How many clients, or keys with one client each.
const MANY: usize = 1_000;

struct Server {
    address: SocketAddr,
    emitters: Emitters<u32>,
    /// Why and when each connection ended.
    ends: mpsc::UnboundedReceiver<(u32, CloseReason, Instant)>,
}

impl Server {
    async fn start(emitters: Emitters<u32>) -> Self {
        type Ends = mpsc::UnboundedSender<(u32, CloseReason, Instant)>;
        async fn connect(
            Path(key): Path<u32>,
            last: LastEventId,
            State((emitters, ends)): State<(Emitters<u32>, Ends)>,
        ) -> SseEmitter {
            let emitter = emitters.connect(key, last);
            emitter.on_completion(move |reason| {
                let _ = ends.send((key, reason, Instant::now()));
            });
            emitter
        }
        let (tell, ends) = mpsc::unbounded_channel();
        let app = Router::new().route("/{key}", get(connect)).with_state((emitters.clone(), tell));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, emitters, ends }
    }

    /// A client that has got the head of its response.
    async fn dial(&self, key: u32) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET /{key} HTTP/1.1\r\nhost: x\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 200"));
        socket
    }
}

/// Reads to the end of the response: what it was given as data.
async fn read_to_end(mut socket: TcpStream) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    while !bytes.ends_with(b"\r\n0\r\n\r\n") {
        let count = timeout(PATIENCE, socket.read(&mut piece)).await.unwrap().unwrap();
        assert!(count > 0, "cut off");
        bytes.extend_from_slice(&piece[..count]);
    }
    // The chunks' own lines are no data lines.
    let text = String::from_utf8(bytes).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::to_owned).collect()
}

/// The memory of this process, in bytes.
fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Tests that measure memory or open many sockets do so one at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn all_get_everything(keys: u32, clients: usize) {
    let _alone = ALONE.lock().await;
    let server = Server::start(Emitters::new()).await;
    let mut readers = Vec::new();
    for n in 0..clients {
        let socket = server.dial(u32::try_from(n).unwrap() % keys).await;
        readers.push(tokio::spawn(read_to_end(socket)));
    }
    assert_eq!(server.emitters.len(), clients);
    for n in 0..EVENTS {
        for key in 0..keys {
            let receipt = server.emitters.send(&key, n.to_string()).await.unwrap();
            assert_eq!(receipt.receivers, clients / keys as usize);
        }
        tokio::task::yield_now().await;
    }
    for key in 0..keys {
        server.emitters.complete(&key);
    }
    let expected: Vec<_> = (0..EVENTS).map(|n| n.to_string()).collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_at_one_key_get_everything_in_order() {
    all_get_everything(1, MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_keys_with_one_client_each_get_everything_in_order() {
    all_get_everything(MANY as u32, MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_is_known_to_be_gone_without_a_write() {
    let emitters = Emitters::builder().without_keep_alive().build();
    let mut server = Server::start(emitters).await;
    let socket = server.dial(7).await;
    let stays = server.dial(8).await;
    let gone = Instant::now();
    drop(socket);
    let (key, reason, at) = timeout(PATIENCE, server.ends.recv()).await.unwrap().unwrap();
    assert_eq!((key, reason), (7, CloseReason::ClientGone));
    assert!(at - gone < Duration::from_secs(1), "{:?}", at - gone);
    assert_eq!(server.emitters.keys(), [8]);
    drop(stays);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_costs_bounded_memory_and_delays_nobody() {
    const BACKLOG: usize = 1 << 20;
    const EVENT: usize = 16 * 1024;
    let _alone = ALONE.lock().await;
    let emitters = Emitters::builder()
        .history(sse_tower_core::History::events(10))
        .backlog(10_000, BACKLOG)
        .build();
    let server = Server::start(emitters).await;
    let stopped = server.dial(1).await;
    let mut reads = server.dial(1).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut piece = vec![0; 256 * 1024];
        while let Ok(count @ 1..) = reads.read(&mut piece).await {
            let _ = tell.send(count);
        }
    });
    let text = "x".repeat(EVENT);
    let (mut slowest, mut before) = (Duration::ZERO, 0);
    for n in 0..4_000 {
        let start = Instant::now();
        server.emitters.send(&1, text.as_str()).await.unwrap();
        let mut received = 0;
        while received < EVENT {
            received += timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        }
        if n == 500 {
            before = memory();
        } else if n > 500 {
            slowest = slowest.max(start.elapsed());
        }
    }
    // 55 MB went by.
    let grown = memory().saturating_sub(before);
    assert!(grown < 2 * BACKLOG + (8 << 20), "grown by {grown} bytes");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    drop(stopped);
}

#[tokio::test]
async fn coming_and_going_leaves_no_memory_behind() {
    const ROUNDS: u32 = 14;
    const WARM: usize = 8;
    let _alone = ALONE.lock().await;
    let emitters: Emitters<u32> = Emitters::builder()
        .history(sse_tower_core::History::events(2).age(Duration::from_millis(50)))
        .build();
    let ends = Arc::new(Mutex::new(0_usize));
    let cycle = |n: u32| {
        let key = n % 10_000;
        let emitter = emitters.connect(key, LastEventId::default());
        let ends = Arc::clone(&ends);
        emitter.on_completion(move |_| *ends.lock().unwrap() += 1);
        drop(emitters.send(&key, "an event"));
        let _ = emitter.try_send("one of its own");
        let mut stream = emitter.into_stream();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let item = futures_core::Stream::poll_next(std::pin::pin!(&mut stream), &mut cx);
        assert!(item.is_ready());
    };
    let mut after = Vec::new();
    // What the allocator keeps for itself levels off in the first rounds, alone more slowly than after other tests.
    for round in 0..ROUNDS {
        for n in 0..25_000 {
            cycle(round * 25_000 + n);
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        after.push(memory());
    }
    assert_eq!(*ends.lock().unwrap(), 25_000 * ROUNDS as usize);
    assert!(emitters.is_empty());
    let (warm, last) = (after[WARM], after[after.len() - 1]);
    assert!(last < warm + warm / 10, "{after:?}");
}
