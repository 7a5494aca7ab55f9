//! A server whose settings suit streams, and which leaves as a drain says.
//!
//! 1. [`run`] accepts connections while there is room for them, each in a task of its own.
//! 2. A connection says with its first bytes whether it is HTTP/1.1 or HTTP/2 ([`sniff`]); over TLS the handshake
//!    has said so. hyper reads the request, and the service is called with the peer in its extensions.
//! 3. An event stream of ours over plain HTTP/1.1 leaves hyper once it has to wait: see [`direct`]. Its connection
//!    comes back to step 2 with the next request.
//! 4. Asked to leave, the server drains the context. Connections are accepted meanwhile, so that new streams are
//!    refused politely, and each closes when its response is complete ([`shutdown`]). Then nobody is accepted
//!    any more, and `run` returns when the last connection is gone, or at the drain's deadline.
//!
//! What may be relied on: dropping the server's future cuts every connection; a connection's errors and panics end
//! that connection alone; a second request to leave returns at once; a client that has left is noticed at once
//! while its stream goes out, whatever it has said before. What may not: event streams that others made, of a service
//! without `SseLayer`, are not known to the context, and are cut at the deadline.

mod activity;
mod builder;
mod connected;
mod connection;
mod deadline;
mod direct;
mod head_timeout;
mod listener;
mod peer;
mod protocol;
mod read_ahead;
mod run;
mod settings;
mod shutdown;
mod signal;
mod sniff;
mod socket;
#[cfg(feature = "axum")]
mod stream_listener;
#[cfg(feature = "tls")]
mod tls;
mod watched;

pub use builder::{Servable, Serve, serve};
pub use listener::SocketListener;
pub use signal::shutdown_signal;
pub use socket::SocketOptions;
#[cfg(feature = "axum")]
pub use stream_listener::{StreamListener, StreamSocket};
