//! `StreamFailed`: why a body breaks off.

/// The program ended this stream with an error: what a body says after its last event, so that the response does
/// not look complete. Over HTTP/1.1 the last chunk is missing then, over HTTP/2 the stream is reset.
///
/// ```
/// # use {http_body::Body, sse_tower_core::{SseEmitter, StreamFailed}, std::{future::poll_fn, pin::Pin}};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let emitter = SseEmitter::new();
/// emitter.try_send("half").unwrap();
/// emitter.complete_with_error("the model is gone");
/// let mut body = emitter.into_http().into_body();
/// # let mut frame = async || poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap();
/// let bytes = frame().await.unwrap().into_data().unwrap();
/// assert_eq!(bytes, "data:half\n\nevent:stream-bye\ndata:{\"reason\":\"failed\"}\n\n");
/// assert_eq!(frame().await.unwrap_err(), StreamFailed);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program ended this event stream with an error, so its body is not complete")]
pub struct StreamFailed;
