//! One stream does nothing to another.

use std::{
    panic::panic_any,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http_body::Frame;
use sse_tower::{Emitters, History};

use crate::{Path, on_both, until};

/// What a layer might put around a body: sees frames and the end, and does not like some words.
struct Watched {
    body: Body,
    frames: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &poll {
            self.frames.fetch_add(1, Ordering::Relaxed);
            let data = frame.data_ref().unwrap();
            assert!(!data.starts_with(b"data:panic"), "on purpose");
            if data.starts_with(b"data:bomb") {
                panic_any(Bomb);
            }
            if data.starts_with(b"data:fail") {
                return Poll::Ready(Some(Err(axum::Error::new(std::io::Error::other(
                    "on purpose",
                )))));
            }
        }
        poll
    }
}

/// Panics again when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(Self);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

on_both! {
    async fn a_layer_around_the_body_sees_every_frame_and_the_end(path) {
        let (frames, ended) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (f, e) = (frames.clone(), ended.clone());
        let watch = move |response: Response| {
            response.map(|body| Body::new(Watched { body, frames: f.clone(), ended: e.clone() }))
        };
        let app = path
            .start_with(
                Emitters::builder().history(History::none()).build(),
                |router| router.layer(axum::middleware::map_response(move |response| {
                    std::future::ready(watch(response))
                })),
                |layer| layer,
                |serve| serve,
            )
            .await;
        let mut client = app.open(1).await;
        for n in 0..3 {
            app.send(1, &format!("event{n}")).await;
            client.until(&format!("data:event{n}\n")).await;
        }
        // What it opens with, and the events.
        assert_eq!(frames.load(Ordering::Relaxed), 4);
        assert_eq!(ended.load(Ordering::Relaxed), 0);
        drop(client);
        until(|| ended.load(Ordering::Relaxed) == 1).await;

        // One whose body panics, or fails, is cut; the others go on.
        for word in ["panic", "fail", "bomb"] {
            if word == "bomb" && path != Path::Direct {
                // There it is a task of tokio's.
                continue;
            }
            crate::common::open(&app.context, 0).await;
            let (mut bad, mut good) = (app.open(2).await, app.open(3).await);
            app.send(2, word).await;
            bad.at_end().await;
            assert!(!bad.got.ends_with("0\r\n\r\n"), "{}", bad.got);
            app.send(3, "on").await;
            good.until("data:on\n").await;
        }
    }
}

on_both! {
    async fn a_client_that_does_not_read_delays_nobody_and_costs_little(path) {
        let app = path.start().await;
        let deaf = app.open(1).await;
        let mut quick = app.open(1).await;
        for n in 0..200 {
            app.send(1, &format!("{n}:{}", "x".repeat(30_000))).await;
            quick.until(&format!("data:{n}:")).await;
            quick.got.clear();
        }
        drop(deaf);
        crate::common::open(&app.context, 1).await;
    }
}
