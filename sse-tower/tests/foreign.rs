//! Event streams that the library did not make: keep-alive, headers, and an end between two events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse,
    sse::{Event, Sse},
};
use bytes::Bytes;
use common::frames;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use sse_tower::{ApplicationContext, Drain, ResponseBody, SseLayer};
use tokio::time::{Instant, timeout};
use tower::{Layer, ServiceExt, service_fn};

const KEEP_ALIVE: Duration = Duration::from_secs(10);

async fn through<B>(
    context: &ApplicationContext,
    response: Response<B>,
) -> Response<ResponseBody<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    through_for(context, Request::new(()), response).await
}

async fn through_for<B>(
    context: &ApplicationContext,
    request: Request<()>,
    response: Response<B>,
) -> Response<ResponseBody<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    let layer = SseLayer::new(context.clone()).keep_alive(KEEP_ALIVE);
    common::through(layer, request, response).await
}

fn stream<B>(body: B) -> Response<B> {
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

async fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Option<Bytes>
where
    B::Error: std::fmt::Debug,
{
    Some(body.frame().await?.unwrap().into_data().unwrap())
}

/// A stream that has nothing to say yet says at once that it is there.
async fn opens<B: Body<Data = Bytes> + Unpin>(body: &mut B)
where
    B::Error: std::fmt::Debug,
{
    let start = Instant::now();
    assert_eq!(next(body).await.unwrap(), ":\n");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_something_to_say_begins_with_it() {
    let (sender, body) = frames();
    let mut body = through(&common::context(), stream(body)).await.into_body();
    sender.send(Frame::data(Bytes::from_static(b"da"))).unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "da");
    assert!(timeout(KEEP_ALIVE * 3, body.frame()).await.is_err(), "nothing splits an event");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_gets_a_comment_within_the_interval() {
    let (_sender, body) = frames();
    let mut body = through(&common::context(), stream(body)).await.into_body();
    opens(&mut body).await;
    for _ in 0..5 {
        let start = Instant::now();
        assert_eq!(next(&mut body).await.unwrap(), ":\n");
        let silence = start.elapsed();
        assert!(silence >= KEEP_ALIVE * 3 / 4 - Duration::from_millis(2), "{silence:?}");
        assert!(silence <= KEEP_ALIVE + Duration::from_millis(2), "{silence:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pain_9_comments_are_counted_from_silence_on_the_wire() {
    let (sender, body) = frames();
    let mut body = through(&common::context(), stream(body)).await.into_body();
    opens(&mut body).await;
    // An event shortly before each interval is over: there is no silence to fill.
    for _ in 0..5 {
        tokio::time::sleep(KEEP_ALIVE * 7 / 10).await;
        sender.send(Frame::data(Bytes::from_static(b"data:x\n\n"))).unwrap();
        assert_eq!(next(&mut body).await.unwrap(), "data:x\n\n");
    }
    let last = Instant::now();
    assert_eq!(next(&mut body).await.unwrap(), ":\n");
    assert!(last.elapsed() >= KEEP_ALIVE * 3 / 4 - Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn streams_opened_together_do_not_wake_together() {
    let context = common::context();
    let mut moments = Vec::new();
    for _ in 0..30 {
        let (_sender, body) = frames();
        let mut body = through(&context, stream(body)).await.into_body();
        let start = Instant::now();
        opens(&mut body).await;
        next(&mut body).await.unwrap();
        moments.push(start.elapsed().as_millis());
    }
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() > 20, "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn no_comment_stands_inside_an_event_that_is_split_over_frames() {
    let (sender, body) = frames();
    let mut body = through(&common::context(), stream(body)).await.into_body();
    for part in ["da", "ta:a\r", "\nid:1", "\r\n", "\r"] {
        sender.send(Frame::data(Bytes::from(part))).unwrap();
        assert_eq!(next(&mut body).await.unwrap(), part);
        if part == "\r" {
            break;
        }
        let silence = timeout(KEEP_ALIVE * 3, body.frame()).await;
        assert!(silence.is_err(), "after {part:?}: {silence:?}");
    }
    assert_eq!(next(&mut body).await.unwrap(), ":\n");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_a_stream_after_its_whole_event_and_says_goodbye() {
    let context = common::context();
    let (sender, body) = frames();
    let mut body = through(&context, stream(body)).await.into_body();
    sender.send(Frame::data(Bytes::from_static(b"data:1\n\n"))).unwrap();
    sender.send(Frame::data(Bytes::from_static(b"data:2\n"))).unwrap();
    let drain = tokio::spawn(context.drain().with(Drain::new().deadline(Duration::from_secs(60))));
    assert_eq!(next(&mut body).await.unwrap(), "data:1\n\n");
    assert_eq!(next(&mut body).await.unwrap(), "data:2\n");
    assert!(timeout(Duration::from_secs(20), body.frame()).await.is_err());
    sender.send(Frame::data(Bytes::from_static(b"data:3\n\n"))).unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data:3\n\n");
    let bye = next(&mut body).await.unwrap();
    let bye = std::str::from_utf8(&bye).unwrap();
    assert!(bye.starts_with("retry:"), "{bye}");
    assert!(bye.ends_with("\nevent:stream-bye\ndata:{\"reason\":\"drained\"}\n\n"), "{bye}");
    assert!(body.is_end_stream());
    assert!(next(&mut body).await.is_none());
    drain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_goodbye_carries_the_place_where_the_client_stands() {
    for (events, position) in
        [("", "came"), ("data:1\n\n", "came"), ("id:7\ndata:1\n\ndata:2\n\n", "7")]
    {
        let context = common::context();
        let (sender, body) = frames();
        let request = Request::builder().header("last-event-id", "came").body(()).unwrap();
        let body = through_for(&context, request, stream(body)).await.into_body();
        sender.send(Frame::data(Bytes::from(events))).unwrap();
        let drain = tokio::spawn(context.drain());
        let all = common::text(body).await;
        let bye = format!("event:stream-bye\ndata:{{\"reason\":\"drained\"}}\nid:{position}\n\n");
        assert!(all.ends_with(&bye), "{all}");
        drain.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_always_ready_is_ended_at_a_boundary_all_the_same() {
    struct Endless;
    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data:a\n\ndata:b")))))
        }
    }
    let context = common::context();
    let mut body = through(&context, stream(Endless)).await.into_body();
    next(&mut body).await.unwrap();
    let drain = tokio::spawn(context.drain());
    // Whoever reads lets others have their turn, as a server does.
    let all = timeout(Duration::from_secs(5), async {
        let mut all = String::new();
        while let Some(bytes) = next(&mut body).await {
            all.push_str(&String::from_utf8_lossy(&bytes));
            tokio::task::yield_now().await;
        }
        all
    });
    let all = all.await.unwrap();
    let (events, bye) = all.split_once("retry:").unwrap();
    assert!(
        events.ends_with("data:a\n\n"),
        "cut inside an event: {:?}",
        &events[events.len() - 20..]
    );
    assert!(bye.contains("stream-bye"));
    drain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_is_written_before_the_goodbye() {
    let context = common::context();
    let (sender, body) = frames();
    let body = through(&context, stream(body)).await.into_body();
    for number in 0..200 {
        sender.send(Frame::data(Bytes::from(format!("data:{number}\n\n")))).unwrap();
    }
    let drain = tokio::spawn(context.drain());
    context.streams().reached(sse_tower::DrainPhase::Draining).await;
    tokio::task::yield_now().await;
    let all = common::text(body).await;
    let events = (0..200).map(|n| format!("data:{n}\n\n")).collect::<String>();
    assert!(all.starts_with(&format!("{events}retry:")), "{all}");
    drain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_wakes_a_stream_that_waits() {
    let context = common::context();
    let (_sender, body) = frames();
    let body = through(&context, stream(body)).await.into_body();
    let reader = tokio::spawn(common::text(body));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let start = Instant::now();
    context.drain().await;
    assert!(reader.await.unwrap().contains("stream-bye"));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn pain_21_dropping_the_body_is_the_disconnect_known_at_once() {
    let context = common::context();
    let (sender, body) = frames();
    let body = through(&context, stream(body)).await.into_body();
    assert_eq!(context.streams().len(), 1);
    drop(body);
    assert!(context.streams().is_empty());
    assert!(sender.is_closed(), "whoever makes the events is told by the drop of its body");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_by_itself_is_closed_without_a_goodbye() {
    let context = common::context();
    let (sender, body) = frames();
    let body = through(&context, stream(body)).await.into_body();
    sender.send(Frame::data(Bytes::from_static(b"data:1\n\n"))).unwrap();
    sender.send(Frame::trailers(HeaderMap::new())).unwrap();
    drop(sender);
    assert_eq!(common::text(body).await, "data:1\n\n");
    assert!(context.streams().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_after_a_comment_of_ours_is_left_out() {
    let (sender, body) = frames();
    let mut body = through(&common::context(), stream(body)).await.into_body();
    assert_eq!(next(&mut body).await.unwrap(), ":\n");
    sender.send(Frame::data(Bytes::from("\u{feff}data:x\n\n"))).unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "data:x\n\n");
    sender.send(Frame::data(Bytes::from("\u{feff}data:x\n\n"))).unwrap();
    assert_eq!(next(&mut body).await.unwrap(), "\u{feff}data:x\n\n");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_into_an_encoded_stream_but_a_drain_ends_it() {
    let context = common::context();
    let (sender, body) = frames();
    let mut response = stream(body);
    response.headers_mut().insert("content-encoding", http::HeaderValue::from_static("gzip"));
    let mut body = through(&context, response).await.into_body();
    assert!(timeout(KEEP_ALIVE * 3, body.frame()).await.is_err());
    sender.send(Frame::data(Bytes::from_static(b"\x1f\x8b"))).unwrap();
    assert_eq!(next(&mut body).await.unwrap(), &b"\x1f\x8b"[..]);
    let drain = tokio::spawn(context.drain());
    assert!(next(&mut body).await.is_none());
    drain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_all_there_is_passed_as_it_is() {
    let context = common::context();
    let whole = http_body_util::Full::new(Bytes::from_static(b"data:1\n\n"));
    let response = through(&context, stream(whole)).await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert!(context.streams().is_empty());
    assert_eq!(response.body().size_hint().exact(), Some(8));

    let (sender, body) = frames();
    let mut response = stream(body);
    response.headers_mut().insert("content-length", http::HeaderValue::from_static("8"));
    let mut body = through(&context, response).await.into_body();
    assert!(timeout(KEEP_ALIVE * 3, body.frame()).await.is_err(), "its length is announced");
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn two_layers_count_a_stream_once() {
    let (inner, outer) = (common::context(), common::context());
    let (_sender, body) = frames();
    let mut body = Some(body);
    let service = service_fn(move |_: Request<()>| {
        let response = stream(body.take().unwrap());
        async { Ok::<_, Infallible>(response) }
    });
    let service = SseLayer::new(outer.clone()).layer(SseLayer::new(inner.clone()).layer(service));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!((inner.streams().len(), outer.streams().len()), (1, 0));
    assert_eq!(response.headers().get_all("cache-control").iter().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn axums_own_sse_is_kept_alive_and_drained() {
    let context = common::context();
    let events = futures_util::stream::iter([Ok::<_, Infallible>(Event::default().data("hello"))]);
    let events = futures_util::StreamExt::chain(events, futures_util::stream::pending());
    let response = through(&context, Sse::new(events).into_response()).await;
    let cache = response.headers().get_all("cache-control");
    assert_eq!(cache.iter().collect::<Vec<_>>(), ["no-cache, no-transform"]);
    let mut body = response.into_body();
    assert_eq!(next(&mut body).await.unwrap(), "data: hello\n\n");
    assert_eq!(next(&mut body).await.unwrap(), ":\n");
    let drain = tokio::spawn(context.drain());
    let bye = next(&mut body).await.unwrap();
    assert!(bye.starts_with(b"retry:"));
    drain.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_behind_a_comment_is_dropped_however_it_is_split() {
    let whole = "\u{feff}data:x\n\n".as_bytes();
    for (first, second) in (1..whole.len()).flat_map(|a| (a..whole.len()).map(move |b| (a, b))) {
        let (sender, body) = frames();
        let mut body = through(&common::context(), stream(body)).await.into_body();
        assert_eq!(next(&mut body).await.unwrap(), ":\n");
        for piece in [&whole[..first], &whole[first..second], &whole[second..]] {
            sender.send(Frame::data(Bytes::copy_from_slice(piece))).unwrap();
        }
        drop(sender);
        assert_eq!(common::text(body).await, "data:x\n\n", "split at {first} and {second}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_begins_as_a_mark_is_passed() {
    let (sender, body) = frames();
    let mut body = through(&common::context(), stream(body)).await.into_body();
    assert_eq!(next(&mut body).await.unwrap(), ":\n");
    let said = "\u{fee0}data:x\n\n".as_bytes();
    for byte in said {
        sender.send(Frame::data(Bytes::copy_from_slice(&[*byte]))).unwrap();
    }
    drop(sender);
    let mut got = Vec::new();
    while let Some(bytes) = next(&mut body).await {
        got.extend_from_slice(&bytes);
    }
    assert_eq!(got, said);
}
