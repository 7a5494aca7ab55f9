//! nginx in front, with its buffering on, as it is by default.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

mod common;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::Response,
    routing::get,
};
use common::{PATIENCE, curl, read_until};
use sse_tower::{SseEmitter, SseLayer};
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::{interval, timeout},
};

/// An nginx before one server, on a socket in a directory of its own.
struct Nginx {
    directory: PathBuf,
    _process: Child,
}

impl Nginx {
    async fn before(upstream: SocketAddr, name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("sse-tower-nginx-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let path = |file: &str| directory.join(file).display().to_string();
        let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", path(kind)))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {};\nevents {{}}\n\
             http {{\naccess_log off;\n{temp}server {{\nlisten unix:{};\n\
             location / {{ proxy_pass http://{upstream}; }}\n}}\n}}\n",
            path("pid"),
            path("socket"),
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(&directory)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is installed");
        let nginx = Self { directory, _process: process };
        // Another program's start can only be asked for again and again.
        let mut again = interval(Duration::from_millis(10));
        let up = async {
            while UnixStream::connect(nginx.socket()).await.is_err() {
                again.tick().await;
            }
        };
        timeout(PATIENCE, up).await.expect("nginx starts");
        nginx
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn get_through(socket: &Path, path: &str) -> Child {
    let url = format!("http://test{path}");
    curl(&[
        "--unix-socket",
        socket.to_str().unwrap(),
        "--header",
        "Accept: text/event-stream",
        &url,
    ])
}

async fn held() -> Response {
    let mut response = common::hello().await;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

#[tokio::test]
async fn pain_6_events_pass_at_once_through_a_proxy_that_buffers() {
    let context = common::context();
    let (sender, emitters) = std::sync::mpsc::channel::<SseEmitter>();
    let ours = move || {
        let emitter = SseEmitter::new();
        emitter.try_send("one").unwrap();
        sender.send(emitter.clone()).unwrap();
        async { emitter }
    };
    let app = Router::new()
        .route("/ours", get(ours))
        .route("/foreign", get(common::hello))
        .layer(SseLayer::new(context.clone()))
        // For comparison: the same bytes, and nothing says that they are a stream.
        .route("/held", get(held));
    let mut server = common::serve(app, context.clone()).await;
    let nginx = Nginx::before(server.address, "buffers").await;

    let mut ours = get_through(&nginx.socket(), "/ours");
    read_until(&mut ours, "data:one\n\n").await;
    let emitter = emitters.recv().unwrap();
    for event in ["two", "three"] {
        emitter.try_send(event).unwrap();
        read_until(&mut ours, &format!("data:{event}\n\n")).await;
    }
    let mut foreign = get_through(&nginx.socket(), "/foreign");
    read_until(&mut foreign, "data:hello\n\n").await;

    let mut held = get_through(&nginx.socket(), "/held");
    let arrives = timeout(Duration::from_millis(300), read_until(&mut held, "data:hello")).await;
    assert!(arrives.is_err(), "this nginx does not buffer, so the test shows nothing");
    held.kill().await.unwrap();

    // A client that leaves the proxy is noticed behind it, and a drain reaches through it.
    foreign.kill().await.unwrap();
    common::open(&context, 1).await;
    server.leave();
    read_until(&mut ours, "event:stream-bye\n").await;
    assert_eq!(timeout(PATIENCE, ours.wait()).await.unwrap().unwrap().code(), Some(0));
    server.over().await;
}
