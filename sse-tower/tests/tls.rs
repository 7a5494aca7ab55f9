//! TLS through rustls, with a client that is not ours.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{future::IntoFuture, time::Duration};

use axum::{Router, routing::get};
use common::{PATIENCE, curl, read_until};
use sse_tower::SseLayer;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use tokio_rustls::rustls::{ServerConfig, pki_types::PrivateKeyDer};

fn config() -> ServerConfig {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap()
}

#[tokio::test]
async fn streams_run_over_tls_in_both_versions_and_are_drained() {
    for (protocol, status) in [("--http1.1", "HTTP/1.1 200 OK"), ("--http2", "HTTP/2 200")] {
        let context = common::context();
        let app = Router::new()
            .route("/push", get(common::hello))
            .layer(SseLayer::new(context.clone()).keep_alive(Duration::from_millis(100)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(
            sse_tower::serve(listener, app, context)
                .tls(config())
                .header_timeout(Duration::from_millis(300))
                .with_graceful_shutdown(async { drop(stopped.await) })
                .into_future(),
        );
        let url = format!("https://{address}/push");
        let mut stream = curl(&["--insecure", protocol, &url]);
        let head = read_until(&mut stream, "data:hello\n\n").await;
        assert!(head.starts_with(status), "{head}");
        read_until(&mut stream, "\n:\n").await;

        let mut silent = common::Wire::send(address, "").await;
        silent.at_end().await;

        stop.send(()).unwrap();
        read_until(&mut stream, "event:stream-bye\n").await;
        assert_eq!(timeout(PATIENCE, stream.wait()).await.unwrap().unwrap().code(), Some(0));
        timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    }
}
